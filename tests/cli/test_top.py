"""`s4fw top`: what a person sees who asks what burns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from s4fw.admin.facts import Cost, Event
from s4fw.cli.topcourse import Course
from s4fw.cli.topview import bar, frame, sparkline
from tests.admin.scripted import NOON_S, USD, ScriptedFacts, budget, listening, worker
from tests.cli.looking import on_terminal, run, run_json
from tests.cli.pictures import course

ALERT = Event(NOON_S * 10**9, "alert", "alarm", "tenant acme used 80 % of its daily limit",
              {"alert": "budget_warning"})  # fmt: skip
BLOCK = Event(NOON_S * 10**9, "block", "info", "refused: budget_exceeded", {"tenant": "globex"})


def drawn(made: Course, width: int, rows: int = 40) -> list[str]:
    def draw(console: Console) -> None:
        console.print(frame(made, console, rows))

    return on_terminal(width, draw)


def test_once_prints_one_frame_of_a_running_firewall() -> None:
    """For a ticket, for a look over ssh, and for scripts that only want to see something."""
    facts = ScriptedFacts(
        budget_rows=[budget(used_nusd=9 * USD, charged_nusd=8 * USD)],
        worker_rows=[worker(0), worker(1, state="draining")],
        event_rows=[ALERT, *[BLOCK] * 30],
        cost_rows=[Cost("openai", 8 * USD, 0, 1, 0, 1, 0, 1)],
    )
    with listening(facts) as server:
        result = run(server, "top", "--once")
    assert 0 == result.exit_code, result.output
    for expected in ("tenant-day acme", "90.0%", "$9.00", "$10.00", "draining",
                     "tenant acme used 80 %", "refused: budget_exceeded: globex"):  # fmt: skip
        assert expected in result.output


def test_json_is_what_the_listener_answers() -> None:
    """One document for whoever draws it in another way."""
    with listening(ScriptedFacts(event_rows=[ALERT, BLOCK])) as server:
        document = run_json(server, "top")
    assert ["alert"] == [event["kind"] for event in document["alerts"]]
    assert {"status", "workers", "budgets", "events", "charged_nusd"} < document.keys()


def test_no_firewall_is_exit_1_and_says_what_to_check() -> None:
    """A picture of nothing would look like peace."""
    with listening() as server:
        pass
    result = run(server, "top", "--once")
    assert 1 == result.exit_code
    assert "Is it running" in result.stderr


@pytest.mark.parametrize("width", [72, 80, 100, 120, 200])
def test_frame_fits_the_terminal(width: int) -> None:
    """A line that is too long breaks every line after it; `on_terminal` judges."""
    text = "\n".join(drawn(course(), width))
    for expected in ("globex", "used up", "90.5", "requests/min", "reaches its daily limit"):
        assert expected in text


def test_frame_shows_rates_and_when_a_limit_is_reached() -> None:
    """The question behind the question: how long do I have?"""
    lines = drawn(course(), 120)
    (globex,) = [line for line in lines if "tenant-day globex" in line]
    assert "$45" in globex
    assert " s " in globex or " min " in globex
    (first,) = [line for line in drawn(course(1), 120) if "tenant-day globex" in line]
    assert "–" in first


def test_frame_shows_what_is_spent_while_failing_only_where_it_is_reported() -> None:
    """The rate at which money buys nothing, and what part of the known it is."""
    text = "\n".join(drawn(course(), 120))
    assert "failing/min" in text
    assert "· 16%" in text
    silent = course(2)
    silent.moments = [
        replace(moment, useful_nusd=0, failing_nusd=0, successes=0) for moment in silent.moments
    ]
    assert "failing/min" not in "\n".join(drawn(silent, 120))


def test_frame_shows_of_an_alert_how_long_there_is() -> None:
    """The minutes that are left are the news; at a usual width they must not be cut off."""
    assert any("in 2 minutes" in line for line in drawn(course(), 120))


def test_frame_of_many_budgets_keeps_to_the_screen() -> None:
    """The tightest are on it, and it says how many are not."""
    made = course(2)
    made.moments[-1].budgets.extend(
        {**made.moments[-1].budgets[1], "scope": {"tenant": f"t{n}"}} for n in range(500)
    )
    lines = drawn(made, 120, rows=30)
    assert len(lines) <= 30
    assert any("with more room" in line for line in lines)


def test_frame_says_that_the_firewall_is_silent() -> None:
    """Old figures must not look like present ones."""
    made = course(3)
    made.silent_s = 7
    assert "no answer for 7 s" in drawn(made, 120)[0]


def test_rate_of_a_window_that_began_anew_is_none() -> None:
    """Yesterday's sum minus today's is no rate."""
    made = course(2)
    row = made.moments[0].budgets[1]
    row["resets_at"] = "2026-11-20T00:00:00Z"
    (line,) = [line for line in drawn(made, 120) if "tenant-day globex" in line]
    assert "–" in line


@pytest.mark.parametrize(
    ("charged", "used", "limit", "expected"),
    [
        (0, 0, 10, "░░░░░░░░"),
        (5, 5, 10, "████░░░░"),
        (5, 10, 10, "████▒▒▒▒"),
        (10, 10, 10, "████████"),
        (25, 30, 10, "████████"),
        (1, 1, 64, "▏░░░░░░░"),
        (0, 0, 0, "████████"),
    ],
)
def test_bar_shows_charged_and_held_apart(
    charged: int, used: int, limit: int, expected: str
) -> None:
    """What is held comes back in part; what is charged does not."""
    assert expected == bar(charged, used, limit, 8, "green").plain


def test_sparkline_is_as_wide_as_asked_and_full_at_its_top() -> None:
    """Quiet is a flat line, not an empty one."""
    assert "▁▁▁▁" == sparkline([], 4) == sparkline([0, 0], 4)
    assert "▁▁▅█" == sparkline([5, 9], 4)[:2] + sparkline([1, 2], 2)
