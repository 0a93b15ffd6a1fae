"""`s4fw budgets`: what is left, tightest first."""

from __future__ import annotations

import pytest

from s4fw.admin import shapes
from s4fw.cli.budgets import render
from tests.admin.scripted import USD, ScriptedFacts, budget, listening
from tests.cli.looking import fields, on_terminal, run, run_json

ROWS = [
    budget("roomy", used_nusd=0, charged_nusd=0, accrued_nusd=0),
    budget("tight", used_nusd=9_999_000_000),
    budget("over", mode="shadow", used_nusd=15 * USD),
    budget("stopped", scope={}, is_frozen=True, window="total", resets_at_s=None),
]


def test_budgets_are_sorted_frozen_first_then_by_what_is_used() -> None:
    """What needs a person stands on top."""
    with listening(ScriptedFacts(budget_rows=ROWS)) as server:
        rows = fields(run(server, "budgets").output)
    assert ["stopped", "over", "tight", "roomy"] == [row[0] for row in rows[1:]]
    assert ["stopped", "all", "frozen", "$5.00", "$10.00", "$5.00", "50.0%", "never"] == rows[1]
    assert ["over", "tenant=acme", "shadow", "$15.00", "$10.00", "$0.00", "150.0%"] == rows[2][:7]


def test_budgets_almost_full_is_not_shown_as_full() -> None:
    """99.99 % is 99.9 %: rounding up would say that nothing is left."""
    with listening(ScriptedFacts(budget_rows=[ROWS[1]])) as server:
        assert "99.9%" == fields(run(server, "budgets").output)[1][6]


def test_budgets_top_says_how_many_are_not_shown() -> None:
    """A cut list that looks whole misleads."""
    with listening(ScriptedFacts(budget_rows=ROWS)) as server:
        rows = fields(run(server, "budgets", "--top", "1").output)
    assert [["3 more with more room (--top, --budget)"]] == rows[2:]


def test_budgets_one_by_its_id() -> None:
    """The question after a refusal names one budget."""
    with listening(ScriptedFacts(budget_rows=ROWS)) as server:
        assert ["tight"] == [b["id"] for b in run_json(server, "budgets", "--budget", "tight")[
            "budgets"
        ]]  # fmt: skip
        result = run(server, "budgets", "--budget", "tihgt")
    assert (1, True) == (result.exit_code, "no budget tihgt" in result.stderr)


def test_budgets_none_configured_warns() -> None:
    """No cap is a state worth words."""
    with listening(ScriptedFacts(budget_rows=[])) as server:
        assert "nothing is capped" in run(server, "budgets").output


@pytest.mark.parametrize("width", [80, 120])
def test_budgets_fit_the_terminal(width: int) -> None:
    """Bars where there is room, the mode beside the name where there is not."""
    rows = [shapes.budget(b) for b in ROWS]
    lines = on_terminal(width, lambda console: render(console, rows, 25, "2026-11-21T13:10:00Z"))
    text = "\n".join(lines)
    assert ("░" in text) == (width == 120)
    for expected in ("stopped frozen" if width == 80 else "frozen", "10 h 50 min", "$15.00"):
        assert expected in text
