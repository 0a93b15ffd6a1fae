"""The fingerprint of one turn: what the agent did, what came back, and nothing of either.

The unit is the turn, because calls of tools arrive in parallel.  Each text is hashed three times:
as it is, without digits, without hex letters: so a counter, a clock or an id does not make two
turns differ.  `bytes.translate` does that at 0.5 us for a kB, where regular expressions take 100.

Hashes are the interpreter's own for bytes, SipHash-1-3 keyed at its start, over a random prefix of
this process tree: what is kept tells nobody anything, also where PYTHONHASHSEED was fixed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from mypy_extensions import i64, mypyc_attr  # i64: a machine word where compiled

KEY: Final = os.urandom(16)  # before any fork: all processes of a tree agree

# Of a long result both ends count, and its length: 8 kB take about 25 us to fold and hash.
CAP: Final = 4_096
RESULT_MAX: Final = 2 * CAP

FAMILIAR: Final = 20  # turns before, among which a turn may be nothing new

TEXT_CHARS_MIN: Final = 20  # a shorter text of the assistant ("ok") says nothing

_DIGITS: Final = b"0123456789"
_HEX: Final = b"0123456789abcdefABCDEF-"
_FENCE: Final = re.compile(r"```[a-zA-Z]*\n?(.*?)```", re.DOTALL)

# A short result with one of these near its ends is taken for a failure.  Looked for one by one:
# 20 searches in 800 bytes take 2 us, one expression with all of them takes 60.
_ERRORS: Final = (
    *(b"error", b"exception", b"traceback", b"no such", b"invalid", b"failed", b"denied"),
    *(b"unknown", b"unable", b"unrecognized", b"usage:", b"rate limit", b"overloaded"),
)
_ERRORS_WITH_NOT: Final = (b"not found", b"cannot", b"did not")  # looked for where "not" is
_ERRORS_WITH_TIME: Final = (b"time out", b"timed out", b"timeout", b"timedout")
_ERROR_RESULT_MAX: Final = 2_500
_ERROR_END: Final = 400
_EMPTIES: Final = (
    *(b"no results", b"no match", b"no rows", b"no records", b"no entries", b"no items"),
    *(b"no data", b"nothing found", b"0 results", b"empty set"),
)
_EMPTY_RESULT_MAX: Final = 400

_REMINDER: Final = "<system-reminder>"
_REMINDER_END: Final = "</system-reminder>"


def hashed(data: bytes) -> int:
    """A keyed 64-bit hash."""
    return hash(KEY + data)


@mypyc_attr(acyclic=True)  # thousands are kept: the collector would walk through them for nothing
class Turn:
    """What one turn did and got, as hashes and flags.

    a, an, a2     the action: as it is, without digits, without hex letters
    r, rn, r2     the result, likewise
    t             the assistant's text, 0 where it is short
    tool          the name of the tool, or the first word of a command
    is_error      whether the result reads like a failure; looked for only where it can matter:
                  in a turn that is like one before (see `_compare`)
    is_stale      whether nothing in it was new; set with the turns before it known
    lists         bits of the lists of tools that may repeat, of which every call is
    """

    __slots__ = (
        "a", "a2", "an", "has_action", "has_result", "is_empty", "is_error", "is_stale", "lists",
        "r", "r2", "rn", "t", "tool",
    )  # fmt: skip

    def __init__(
        self,
        tool: int,
        action: tuple[int, int, int],
        result: tuple[int, int, int],
        t: int,
        is_empty: bool,
        has_action: bool,
        has_result: bool,
        lists: int = 0,
    ) -> None:
        self.tool: i64 = tool
        self.a: i64 = action[0]
        self.an: i64 = action[1]
        self.a2: i64 = action[2]
        self.r: i64 = result[0]
        self.rn: i64 = result[1]
        self.r2: i64 = result[2]
        self.t: i64 = t
        self.is_error = False
        self.is_stale = False
        self.is_empty = is_empty
        self.has_action = has_action
        self.has_result = has_result
        self.lists = lists


def _three(data: bytes) -> tuple[int, int, int]:
    key = KEY
    return (
        hash(key + data),
        hash(key + data.translate(None, _DIGITS)),
        hash(key + data.translate(None, _HEX)),
    )


_NOTHING: Final = _three(b"")


def fingerprint(
    text: str,
    calls: Sequence[tuple[str, str]],
    result: str,
    before: Sequence[Turn] = (),
    lists: int = 0,
) -> Turn:
    """The turn in which the assistant said `text` and made `calls`, and `result` came back;
    `before` are the turns before it.

    Agents without tools speak in a text protocol: their action is the last fenced block of the
    text, or all of it.
    """
    if calls:
        tool = "|".join([name for name, _ in calls])
        action = "\x1f".join([f"{name}:{arguments}" for name, arguments in calls])
        has_action = True
    else:
        action, tool = _spoken_action(text)
        has_action = bool(tool)
    back = _capped(without_reminders(result).encode("utf-8", "replace"))
    turn = Turn(
        hashed(tool.encode("utf-8", "replace")),
        _three(action.encode("utf-8", "replace")),
        _three(back) if back else _NOTHING,
        hashed(text.encode("utf-8", "replace")) if len(text) >= TEXT_CHARS_MIN else 0,
        is_empty(back),
        has_action,
        bool(back),
        lists,
    )
    if _compare(turn, before[-FAMILIAR:]):
        turn.is_error = is_error(back)
    return turn


def answered(turn: Turn, result: str, before: Sequence[Turn]) -> Turn:
    """A turn whose result was not there when it was made, with its result."""
    back = _capped(without_reminders(result).encode("utf-8", "replace"))
    whole = Turn(
        turn.tool,
        (turn.a, turn.an, turn.a2),
        _three(back) if back else _NOTHING,
        turn.t,
        is_empty(back),
        turn.has_action,
        bool(back),
        turn.lists,
    )
    if _compare(whole, before[-FAMILIAR:]):
        whole.is_error = is_error(back)
    return whole


def _compare(turn: Turn, before: Sequence[Turn]) -> bool:
    """Find out whether anything in a turn is new; returns whether it is like one before in so much
    that it matters whether it failed."""
    action = fold = bare = result = result_fold = False
    for old in before:
        action = action or old.a == turn.a
        fold = fold or old.an == turn.an
        bare = bare or old.a2 == turn.a2
        result = result or old.r == turn.r
        result_fold = result_fold or old.rn == turn.rn
    turn.is_stale = (action and result_fold) or (fold and result)
    return action or fold or bare or result or result_fold


def _spoken_action(text: str) -> tuple[str, str]:
    """The action in a text, and the first word of it where it stands in a fence."""
    if "```" in text:
        fenced = _FENCE.findall(text)
        if fenced:
            action: str = fenced[-1].strip()
            return action, action.split(None, 1)[0][:64] if action else ""
    return text, ""


def without_reminders(text: str) -> str:
    """A result without the notes that a client adds to it, which change with every turn."""
    at = text.find(_REMINDER)
    while at >= 0:
        end = text.find(_REMINDER_END, at)
        if end < 0:
            break
        text = text[:at] + text[end + len(_REMINDER_END) :]
        at = text.find(_REMINDER, at)
    return text


def _capped(result: bytes) -> bytes:
    if len(result) > RESULT_MAX:
        return b"%b%b%d" % (result[:CAP], result[-CAP:], len(result))
    return result


def is_error(result: bytes) -> bool:
    """Whether a result reads like a failure."""
    size = len(result)
    if size >= _ERROR_RESULT_MAX:
        return False
    if size > 2 * _ERROR_END:
        result = result[:_ERROR_END] + result[-_ERROR_END:]
    low = result.lower()
    if any(word in low for word in _ERRORS):
        return True
    if b"not" in low and any(word in low for word in _ERRORS_WITH_NOT):
        return True
    return b"time" in low and any(word in low for word in _ERRORS_WITH_TIME)


def is_empty(result: bytes) -> bool:
    """Whether a result says that nothing was found."""
    if not result or len(result) >= _EMPTY_RESULT_MAX:
        return False
    low = result.lower()
    if b"no " not in low and b"nothing found" not in low:  # as most results: two searches for ten
        return b"0 results" in low or b"empty set" in low
    return any(word in low for word in _EMPTIES)
