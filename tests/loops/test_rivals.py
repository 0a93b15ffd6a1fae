"""The rules of other tools: each stops where its description says, and not before."""

from __future__ import annotations

import pytest

from tests.loops.rivals import RIVALS, limits, names, openhands, repeats, zeroclaw
from tests.loops.rivals.steps import Rival, Step, first_stop, steps_of

_BY_NAME = {rival.name: rival for rival in RIVALS}


def steps(*told: tuple[str, str, str]) -> list[list[Step]]:
    """Turns of one call each: tool, arguments, result; and the turn in which nothing follows."""
    made = [[Step(*one, "Error" in one[2], turn)] for turn, one in enumerate(told)]
    return [*made, []]


_SAME = ("read", "a", "text")
_NEW = [("read", f"file {at}", f"text {at}") for at in range(40)]


@pytest.mark.parametrize(
    ("rival", "told", "stop"),
    [
        (repeats.GEMINI, [_SAME] * 9, 5),
        (repeats.ROO, [_SAME] * 9, 4),
        (repeats.OPENCODE, [_SAME] * 9, 3),
        (repeats.OPENCODE, [_SAME, _SAME, ("read", "b", "text"), _SAME, _SAME], None),
        (openhands.RIVAL, [_SAME] * 9, 4),
        (openhands.RIVAL, [("run", "x", "Error: no")] * 9, 3),
        (openhands.RIVAL, [_SAME, ("run", "x", "ok")] * 5, 6),
        (openhands.RIVAL, [("read", "a", f"text {at}") for at in range(9)], None),
        (zeroclaw.RIVAL, [("read", "a", f"text {at}") for at in range(9)], 4),
        (zeroclaw.RIVAL, [("read", f"a{at}", "nothing") for at in range(9)], 6),
        (zeroclaw.RIVAL, [("ab"[at % 2], f"{at}", f"{at}") for at in range(20)], 10),
        (limits.CALLS, _NEW, 25),
        (names.RIVAL, [("abc"[at % 3], f"{at}", f"{at}") for at in range(20)], 9),
        (names.RIVAL, _NEW, 6),
    ],
)
def test_rival_stops_as_described(
    rival: Rival, told: list[tuple[str, str, str]], stop: int | None
) -> None:
    """A comparison with a rule that nobody has would be worth nothing."""
    assert stop == first_stop(rival, steps(*told))


def test_new_work_stops_only_rules_that_do_not_look_at_it() -> None:
    """What tells the rules apart is what they look at."""
    stopped = {rival.name for rival in RIVALS if first_stop(rival, steps(*_NEW)) is not None}
    assert {"at most 25 calls", "windows of tool names"} == stopped


def test_parallel_calls_are_steps_of_one_turn_with_their_own_results() -> None:
    """The other tools see calls, not turns."""
    calls = [
        {"id": name, "function": {"name": "read", "arguments": name}, "type": "function"}
        for name in "ab"
    ]
    session = {
        "protocol": "tools",
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
        ],
        "calls": [1],
    }
    assert [("a", "one"), ("b", "two")] == [(s.arguments, s.result) for s in steps_of(session)[0]]
