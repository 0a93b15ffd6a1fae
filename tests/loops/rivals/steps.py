"""Transcripts as the other tools see them: one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.loops.reference import turn_of


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool: which, with what, and what came back.

    Of an agent that speaks in text it is the action of its turn.  `turn` counts from 0;
    `is_after_user` says that a person spoke since the step before.
    """

    tool: str
    arguments: str
    result: str
    fails: bool
    turn: int
    is_after_user: bool = False


@dataclass(frozen=True, slots=True)
class Rival:
    """`stops` says whether the steps so far are reason to stop; `says` is for the table."""

    name: str
    says: str
    source: str
    stops: Callable[[Sequence[Step]], bool]


def steps_of(session: Mapping[str, Any]) -> list[list[Step]]:
    """The steps of each turn."""
    messages, calls = session["messages"], session["calls"]
    is_text = session.get("protocol") == "text"
    found: list[list[Step]] = []
    has_spoken = False
    for number, (start, end) in enumerate(zip(calls, [*calls[1:], len(messages)], strict=True)):
        said = messages[start]
        back = [m for m in messages[start + 1 : end] if m["role"] != "assistant"]
        turn = turn_of(said, back)
        asked = said.get("tool_calls") or ()
        results = {m["tool_call_id"]: m.get("content") or "" for m in back if m["role"] == "tool"
                   and "tool_call_id" in m}  # fmt: skip
        of_turn = []
        for call in asked:
            what = call["function"]
            result = results.get(call["id"], "")
            of_turn.append(
                Step(what["name"], what["arguments"], result, turn.fails, number, has_spoken)
            )
            has_spoken = False
        if not asked and is_text:
            action = turn.action.decode("utf-8", "replace")
            tool = turn.tool or (action.split(None, 1)[0][:64] if action.strip() else "")
            result = turn.result.decode("utf-8", "replace")
            of_turn.append(Step(tool, action, result, turn.fails, number))
        if not is_text:
            has_spoken = has_spoken or any(m["role"] == "user" for m in back)
        found.append(of_turn)
    return found


def first_stop(rival: Rival, turns: Sequence[Sequence[Step]]) -> int | None:
    """The first request of a session that a rival would not have made; request n comes after n
    turns."""
    steps: list[Step] = []
    for number, of_turn in enumerate(turns[:-1], 1):
        for step in of_turn:
            steps.append(step)
            if rival.stops(steps):
                return number
    return None


def same_at_end(steps: Sequence[Step], key: Callable[[Step], object]) -> int:
    """How many steps at the end are the same, by `key`."""
    last = key(steps[-1])
    count = 1
    while count < len(steps) and key(steps[-1 - count]) == last:
        count += 1
    return count
