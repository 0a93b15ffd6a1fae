"""Episodes: one loop of one session, from its first verdict until its tail changes.

Theory of operation.  A verdict is a function of the body, so an agent that goes on without a change
would be refused forever, and one that changed its way is free at once.  Between the two stands the
breaker: the first verdict opens an episode and refuses; while it cools down it goes on refusing;
after that one request is let through to see whether the answer breaks the loop (half-open), and the
next verdict refuses again.  A body whose tail is no loop ends the episode.  An operator's release
lasts until then, too.

Where nothing is refused (shadow), the episode is followed and judged by hindsight: many turns with
something new say that a block would have been wrong.
"""

from __future__ import annotations

from typing import Final

from s4fw.loops import memory
from s4fw.loops.memory import Memory
from s4fw.loops.verdict import Finding

NONE, OPEN, RELEASED = range(3)

# Hindsight: over so many turns after a would-be block, at least so many with something new.
FOLLOWED_TURNS: Final = 8
NEW_TURNS_MIN: Final = 3


def begin(shared: Memory, at: int, rule: int, first_turn: int, now_ms: int) -> bool:
    """Note a verdict; returns whether it opens an episode."""
    words = shared.words
    if words[at + memory.EPISODE] != NONE:
        return False
    words[at + memory.EPISODE] = OPEN
    words[at + memory.EPISODE_RULE] = rule
    words[at + memory.EPISODE_TURN] = first_turn
    words[at + memory.EPISODE_MS] = now_ms
    words[at + memory.FOLLOWED] = words[at + memory.FOLLOWED_NEW] = 0
    return True


def may_probe(shared: Memory, at: int, is_new: bool, cool_down_ms: int, now_ms: int) -> bool:
    """Whether a request passes although its tail is a loop: released, or the probe after a
    cool-down."""
    words = shared.words
    if words[at + memory.EPISODE] == RELEASED:
        return True
    if is_new or now_ms - words[at + memory.EPISODE_MS] < cool_down_ms:
        return False
    words[at + memory.EPISODE_MS] = now_ms
    return True


def end(shared: Memory, at: int) -> None:
    """The tail is no loop any more."""
    shared.words[at + memory.EPISODE] = NONE


def is_followed(shared: Memory, at: int) -> bool:
    """Whether hindsight has still to judge an episode of a session."""
    words = shared.words
    return bool(words[at + memory.EPISODE_MS]) and words[at + memory.FOLLOWED] >= 0


def follow(shared: Memory, at: int, new_turns: int, turns: int) -> int:
    """Note turns after a would-be block; returns what hindsight says now, or -1: the word of a
    tally."""
    words = shared.words
    words[at + memory.FOLLOWED] += turns
    words[at + memory.FOLLOWED_NEW] += new_turns
    if words[at + memory.FOLLOWED] < FOLLOWED_TURNS:
        return -1
    verdict = hindsight(words[at + memory.FOLLOWED], words[at + memory.FOLLOWED_NEW])
    words[at + memory.FOLLOWED] = -1  # judged
    return verdict


def hindsight(turns: int, new: int) -> int:
    """PROVED, DISPROVED or UNCERTAIN, of an episode that was followed for so many turns."""
    if new >= NEW_TURNS_MIN and new * 2 >= turns:
        return memory.DISPROVED
    return memory.PROVED if new * 4 < turns else memory.UNCERTAIN


def key_of(session: str) -> int:
    """The key of a session that is named by 16 hex digits (see `watch.Seen.session`)."""
    number = int(session, 16)
    return number - (1 << 64) if number >> 63 else number


def release(shared: Memory, key: int) -> bool:
    """Let a session go on until its tail changes; False where it is not known (any more)."""
    for at in shared.records(shared.sessions):
        if shared.words[at] == key:
            shared.words[at + memory.EPISODE] = RELEASED
            return True
    return False


def wasted_nusd(shared: Memory, at: int, found: Finding, total: int) -> int:
    """What was spent since the first repetition."""
    words = shared.words
    first = max(total - found.turns + max(found.period, 1), words[at + memory.FIRST_TURNS])
    if total - first >= memory.SPENT_TURNS:
        first = total - memory.SPENT_TURNS + 1
    began = words[at + memory.SPENT_AT + first % memory.SPENT_TURNS]
    return max(words[at + memory.SPENT_NUSD] - began, 0)
