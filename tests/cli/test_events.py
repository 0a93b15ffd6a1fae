"""`s4fw events`: what happened lately."""

from __future__ import annotations

import pytest

from s4fw.admin import shapes
from s4fw.admin.facts import Event
from s4fw.cli.events import render
from tests.admin.scripted import NOON_S, ScriptedFacts, listening
from tests.cli.looking import on_terminal, run, run_json

EVENTS = [
    Event(
        (NOON_S + 2) * 10**9,
        "block",
        "warning",
        "refused: budget_exceeded",
        {"budget_id": "tenant-day", "amount_nusd": 12_300_000, "request_id": "fw_" + "ab" * 16},
    ),
    Event((NOON_S + 1) * 10**9, "recovery", "alarm", "slot 3 was recovered", {"slot": 3}),
    Event(NOON_S * 10**9, "reload", "info", "the configuration was reloaded", {}),
]


def test_events_one_line_each_in_a_pipe() -> None:
    """`s4fw events | grep recovery` must show the whole event."""
    with listening(ScriptedFacts(event_rows=EVENTS)) as server:
        lines = run(server, "events").output.splitlines()
    assert 4 == len(lines)
    assert lines[1].split() == [
        "2026-11-21",
        "12:00:02",
        "block",
        "refused:",
        "budget_exceeded",
        "budget_id=tenant-day",
        "amount=$0.012300",
        "request_id=fw_" + "ab" * 16,
    ]


def test_events_of_one_kind_are_searched_in_all() -> None:
    """The limit counts what is shown, not what is looked at."""
    with listening(ScriptedFacts(event_rows=EVENTS)) as server:
        events = run_json(server, "events", "--kind", "reload", "--limit", "1")["events"]
    assert ["reload"] == [event["kind"] for event in events]


def test_events_none_says_so() -> None:
    """An empty table looks like a fault."""
    with listening() as server:
        assert "nothing happened that is worth a look\n" == run(server, "events").output


@pytest.mark.parametrize("width", [80, 120])
def test_events_fit_the_terminal_and_fold_no_request_id(width: int) -> None:
    """A request id is copied from here into a search."""
    rows = [shapes.event(e) for e in EVENTS]
    lines = on_terminal(width, lambda console: render(console, rows))
    assert [line for line in lines if "request_id=fw_" + "ab" * 16 in line]
