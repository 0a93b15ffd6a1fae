"""Whether the last turns are a loop: a pure function of them, so a changed tail clears it.

Theory of operation.  Two turns that are alike are alike in one of five ways, and how often they may
follow each other depends on which.  For each period q, the shortest first, pairs of turns q apart
are matched from the end backwards; a loop of q turns is one where enough of them match.  What
differs in the arguments may explain what differs in the results: a sweep over a parameter is no
loop.  After that come streaks that only look at results, and a window with hardly anything in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from s4fw.loops.thresholds import (
    CYCLE,
    EMPTY,
    FAILING,
    NEAR_REPEAT,
    NOVELTY,
    PERIOD_MAX,
    REPEAT,
    SAME_TEXT,
    STAGNATION,
    WINDOW,
    Thresholds,
)
from s4fw.loops.turn import Turn

_NEVER: Final = 1_000_000_000


class Finding:
    """A loop: which rule, its period (0: none), and how many turns are part of it."""

    __slots__ = ("is_poll", "period", "rule", "turns")

    def __init__(self, rule: str, period: int, turns: int, is_poll: bool = False) -> None:
        self.rule = rule
        self.period = period
        self.turns = turns
        self.is_poll = is_poll  # only a counter or a clock in the result moves, and nothing failed

    def __repr__(self) -> str:
        return f"<Finding {self.rule} period={self.period} turns={self.turns}>"


class _Matches:
    """How the pairs of one period are alike, counted from the end backwards."""

    __slots__ = ("are_errors", "both", "drifts_args", "drifts_result", "nonces", "pairs")

    def __init__(self) -> None:
        self.pairs = 0
        self.nonces = 0  # the result differs in hex letters only
        self.drifts_result = 0  # the result differs in digits only
        self.drifts_args = 0  # the arguments differ in digits or hex letters, the result does not
        self.both = 0  # both differ in digits
        self.are_errors = True

    @property
    def are_exact(self) -> bool:
        """Whether all of them are the same to the letter."""
        return not (self.drifts_result or self.drifts_args or self.both or self.nonces)


def _are_alike(x: Turn, y: Turn) -> bool:
    """Whether two turns are alike in any of the five ways."""
    if x.a == y.a:
        return x.r == y.r or (x.has_result and (x.rn == y.rn or x.r2 == y.r2))
    if x.r == y.r and x.has_result and x.tool == y.tool and x.a2 == y.a2:
        return True
    return x.an == y.an and ((x.has_result and x.r == y.r) or x.rn == y.rn)


def _note(m: _Matches, x: Turn, y: Turn) -> None:
    """Count two turns that are alike; `x` is the later one."""
    if x.a == y.a:
        if x.r == y.r:
            pass
        elif x.rn == y.rn:
            m.drifts_result += 1
        else:
            m.nonces += 1
    elif x.r == y.r and x.has_result:
        m.drifts_args += 1
    else:
        m.both += 1
    m.are_errors = m.are_errors and x.is_error
    m.pairs += 1


def _matches(turns: Sequence[Turn], q: int) -> _Matches:
    m = _Matches()
    x_at = len(turns) - 1
    while x_at >= q:
        x, y = turns[x_at], turns[x_at - q]
        if not _are_alike(x, y):
            break
        _note(m, x, y)
        x_at -= 1
    return m


def _repeats_needed(m: _Matches, k: Thresholds) -> int:
    """How many turns of a run make a loop."""
    need = k.repeat
    if m.nonces:
        need = k.repeat_errors if m.are_errors else k.repeat_nonce
    if m.drifts_result:
        need = k.repeat_errors if m.are_errors else k.poll
    if m.drifts_args:
        need = max(need, k.repeat_errors if m.are_errors else k.repeat_args)
    if m.both:
        need = max(need, k.failing) if m.are_errors else _NEVER
    return need


def _periods_needed(m: _Matches, k: Thresholds, q: int) -> int:
    """How many periods of a cycle make a loop."""
    if not m.are_errors and (m.both or (m.drifts_args and m.drifts_result)):
        return _NEVER  # a sweep: the changed argument explains the changed result
    if m.are_exact:
        return k.cycle
    if not m.drifts_result or m.are_errors:
        return k.cycle_near
    return max(k.cycle_near, k.poll // q)


def judge_tail(turns: Sequence[Turn], k: Thresholds) -> Finding | None:
    """The same, and where there is none, turns in which nothing was new."""
    found = judge(turns, k)
    if found is None and turns and turns[-1].is_stale:
        stale = stale_turns(turns)
        if stale >= k.novelty:
            return Finding(NOVELTY, 0, stale)
    return found


def judge(turns: Sequence[Turn], k: Thresholds) -> Finding | None:
    """The loop that the last turns are, None where they are none.  `turns`: at most WINDOW."""
    count = len(turns)
    assert count <= WINDOW
    if count < 3:
        return None
    found = _periodic(turns, k)
    if found is not None:
        return found
    last = turns[-1]
    if last.is_error:
        streak = _streak(turns)
        if streak >= k.failing:
            return Finding(FAILING, 1, streak)
    if last.is_empty:
        streak = _empty_streak(turns)
        if streak >= k.empty:
            return Finding(EMPTY, 1, streak)
    if last.t and turns[-2].t == last.t:
        same = _same_text(turns)
        if same >= k.same_text and not _progresses(turns[-same:]):
            return Finding(SAME_TEXT, 1, same)
    if count >= k.stagnation and _stagnates(turns[-k.stagnation :], k.stagnation_distinct):
        return Finding(STAGNATION, 0, k.stagnation)
    return None


def _periodic(turns: Sequence[Turn], k: Thresholds) -> Finding | None:
    count = len(turns)
    run = 1  # turns at the end that are all alike
    last = turns[-1]
    for q in range(1, min(PERIOD_MAX, count - 1) + 1):
        if run > q > 1:
            break  # the end is a run: it was judged as such
        if not _are_alike(last, turns[-1 - q]):
            continue
        m = _matches(turns, q)
        length = m.pairs + q
        if q == 1:
            run = length
            if length >= _repeats_needed(m, k):
                is_poll = m.drifts_result > 0 and not m.are_errors
                return Finding(REPEAT if m.are_exact else NEAR_REPEAT, 1, length, is_poll)
        elif (
            length >= k.cycle_turns
            and length >= q * _periods_needed(m, k, q)
            and len({(turn.an, turn.rn) for turn in turns[-q:]}) > 1
        ):
            return Finding(CYCLE, q, length)
    return None


def _streak(turns: Sequence[Turn]) -> int:
    """How many turns at the end have the same tool and the same result but for digits."""
    last = turns[-1]
    at = len(turns) - 2
    while at >= 0 and turns[at].tool == last.tool and turns[at].rn == last.rn:
        at -= 1
    return len(turns) - 1 - at


def _empty_streak(turns: Sequence[Turn]) -> int:
    last = turns[-1]
    at = len(turns) - 2
    while at >= 0:
        turn = turns[at]
        if not (turn.is_empty and turn.tool == last.tool and turn.rn == last.rn):
            break
        at -= 1
    return len(turns) - 1 - at


def _same_text(turns: Sequence[Turn]) -> int:
    """How many turns at the end say the same to the letter."""
    last = turns[-1]
    at = len(turns) - 2
    while at >= 0 and turns[at].t == last.t:
        at -= 1
    return len(turns) - 1 - at


def _progresses(turns: Sequence[Turn]) -> bool:
    """Whether more than half of the results of these turns are new."""
    return len({turn.rn for turn in turns if turn.has_result}) > max(1, len(turns) // 2)


def _stagnates(turns: Sequence[Turn], distinct: int) -> bool:
    """Whether hardly anything different happened in these turns."""
    folded: set[tuple[int, int]] = set()
    for turn in turns:
        folded.add((turn.an, turn.rn))
        if len(folded) > distinct:  # as nearly always, after the first few
            return False
    return len({(turn.a, turn.r) for turn in turns}) <= distinct + 1


def stale_turns(turns: Sequence[Turn]) -> int:
    """How many turns at the end did and got nothing that was new.  For warnings: it sees loops
    without a period, and some work that only looks like one."""
    streak = 0
    for at in range(len(turns) - 1, -1, -1):
        if not turns[at].is_stale:
            break
        streak += 1
    return streak
