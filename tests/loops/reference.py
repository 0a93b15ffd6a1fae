"""The specification of the verdict as a plain program, on texts instead of hashes.

It is slow, keeps everything and knows one shape only (messages of a chat).  What runs in a worker
(`s4fw.loops`) is compared with it turn by turn: see `tests.loops.evaluate`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WINDOW, PERIODS = 32, 10
NEVER = 10**9

Verdict = tuple[str, int, int] | None  # rule, period, turns

_FENCED = re.compile(r"```[a-zA-Z]*\n?(.*?)```", re.DOTALL)
_FAILS = re.compile(
    rb"error|exception|traceback|not found|no such|invalid|failed|denied|timed? ?out|unknown|"
    rb"cannot|unable|unrecognized|did not|usage:|rate limit|overloaded",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    rb"no (results|match|matches|rows|records|entries|items|data)|nothing found|0 results|"
    rb"empty set",
    re.IGNORECASE,
)
_CAP = 16_384


def _no_digits(text: bytes) -> bytes:
    return text.translate(None, b"0123456789")


def _no_hex(text: bytes) -> bytes:
    return text.translate(None, b"0123456789abcdefABCDEF-")


@dataclass(frozen=True)
class Turn:
    """What the assistant did, and what came back."""

    tool: str
    action: bytes
    result: bytes
    text: str

    @property
    def fails(self) -> bool:
        ends = self.result if len(self.result) <= 800 else self.result[:400] + self.result[-400:]
        return len(self.result) < 2500 and _FAILS.search(ends) is not None

    @property
    def finds_nothing(self) -> bool:
        return len(self.result) < 400 and _NOTHING.search(self.result) is not None

    @property
    def exact(self) -> tuple[bytes, bytes]:
        return self.action, self.result

    @property
    def folded(self) -> tuple[bytes, bytes]:
        return _no_digits(self.action), _no_digits(self.result)


def turn_of(said: Mapping[str, Any], back: Sequence[Mapping[str, Any]]) -> Turn:
    """The turn of one message of the assistant and of what followed it."""
    text = said.get("content") or ""
    result = "\x1f".join(m.get("content") or "" for m in back).encode("utf-8", "replace")
    if len(result) > 2 * _CAP:
        result = b"%b%b%d" % (result[:_CAP], result[-_CAP:], len(result))
    calls = [call["function"] for call in said.get("tool_calls") or ()]
    if calls:
        tool = "|".join(call["name"] for call in calls)
        action = "\x1f".join(f"{call['name']}:{call['arguments']}" for call in calls)
    else:
        fenced = _FENCED.findall(text)
        action = fenced[-1].strip() if fenced else text
        tool = action.split(None, 1)[0][:64] if fenced and action else ""
    return Turn(tool, action.encode("utf-8", "replace"), result, text)


def turns_of(session: Mapping[str, Any]) -> list[Turn]:
    """All turns of a recorded session."""
    messages, calls = session["messages"], session["calls"]
    turns = []
    for start, end in zip(calls, [*calls[1:], len(messages)], strict=True):
        back = [m for m in messages[start + 1 : end] if m["role"] != "assistant"]
        turns.append(turn_of(messages[start], back))
    return turns


def kind_of(x: Turn, y: Turn) -> str:
    """How two turns are alike: same, counter, nonce, asked, both; empty where they are not."""
    is_same_result = x.result == y.result
    if x.action == y.action:
        if is_same_result:
            return "same"
        if x.result and _no_digits(x.result) == _no_digits(y.result):
            return "counter"
        if x.result and _no_hex(x.result) == _no_hex(y.result):
            return "nonce"
    is_fold = _no_digits(x.action) == _no_digits(y.action)
    is_bare = x.tool == y.tool and _no_hex(x.action) == _no_hex(y.action)
    if is_same_result and x.result and (is_fold or is_bare):
        return "asked"
    return "both" if is_fold and _no_digits(x.result) == _no_digits(y.result) else ""


def _run_needed(kinds: set[str], fails: bool) -> int:
    need = 4
    if "nonce" in kinds:
        need = 5 if fails else 6
    if "counter" in kinds:
        need = 5 if fails else 12
    if "asked" in kinds:
        need = max(need, 5 if fails else 6)
    if "both" in kinds:
        need = max(need, 6) if fails else NEVER
    return need


def _periods_needed(kinds: set[str], fails: bool, period: int) -> int:
    if not fails and ("both" in kinds or {"asked", "counter"} <= kinds):
        return NEVER
    if not kinds - {"same"}:
        return 3
    return 4 if fails or "counter" not in kinds else max(4, 12 // period)


def _periodic(turns: Sequence[Turn]) -> Verdict:
    run = 1
    for period in range(1, PERIODS + 1):
        if run > period > 1:
            return None
        kinds: list[str] = []
        fails = True
        for at in range(len(turns) - 1, period - 1, -1):
            kind = kind_of(turns[at], turns[at - period])
            if not kind:
                break
            kinds.append(kind)
            fails = fails and turns[at].fails
        if not kinds:
            continue
        length, found = len(kinds) + period, set(kinds)
        if period == 1:
            run = length
            if length >= _run_needed(found, fails):
                return ("repeat" if found == {"same"} else "near-repeat", 1, length)
        elif (
            length >= max(6, period * _periods_needed(found, fails, period))
            and len({turn.folded for turn in turns[-period:]}) > 1
        ):
            return "cycle", period, length
    return None


def _streak(turns: Sequence[Turn], like: Any) -> int:
    """How many turns at the end are like the last one."""
    count = 1
    while count < len(turns) and like(turns[-1 - count], turns[-1]):
        count += 1
    return count


def _same_outcome(x: Turn, y: Turn) -> bool:
    return x.tool == y.tool and _no_digits(x.result) == _no_digits(y.result)


def verdict(before: Sequence[Turn]) -> Verdict:
    """The verdict on a request that comes after these turns."""
    turns = before[-WINDOW:]
    if len(turns) < 3:
        return None
    found = _periodic(turns)
    if found is not None:
        return found
    last = turns[-1]
    if last.fails and (count := _streak(turns, _same_outcome)) >= 6:
        return "failing-streak", 1, count
    if last.finds_nothing:
        count = _streak(turns, lambda x, y: x.finds_nothing and _same_outcome(x, y))
        if count >= 8:
            return "empty-results-streak", 1, count
    if len(last.text) >= 20:
        count = _streak(turns, lambda x, y: x.text == y.text)
        results = {_no_digits(turn.result) for turn in turns[-count:] if turn.result}
        if count >= 3 and len(results) <= max(1, count // 2):
            return "same-text", 1, count
    if len(turns) >= 12:
        late = turns[-12:]
        if len({t.folded for t in late}) <= 3 and len({t.exact for t in late}) <= 4:
            return "stagnation", 0, 12
    return None
