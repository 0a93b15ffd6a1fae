"""`s4fw costs`: money for people."""

from __future__ import annotations

import pytest
from rich.console import Console

from s4fw.admin import shapes
from s4fw.admin.facts import Cost, Costs
from s4fw.cli.costs import render_budgets, render_sums
from s4fw.observe.outcomes import OutcomeFigures
from tests.admin.scripted import NOON_S, USD, ScriptedFacts, budget, listening
from tests.cli.looking import fields, on_terminal, run, run_json
from tests.cli.pictures import costs_document

LONG = "customer-with.dots:and/slashes@example.com-" + "0123456789-" * 7
SPREAD = [
    budget("all-month", scope={}, window="month", limit_nusd=20_000 * USD),
    budget(scope={"tenant": "acme"}, used_nusd=9 * USD, charged_nusd=8 * USD),
    budget(scope={"tenant": "globex"}, used_nusd=421_300_000, charged_nusd=0, accrued_nusd=0),
]


def test_costs_by_budget_shows_spent_accrued_and_held_apart() -> None:
    """Only spent is certain; a sum of the three would hide that."""
    with listening(ScriptedFacts(budget_rows=[SPREAD[1]])) as server:
        rows = fields(run(server, "costs").output)
    assert ["Budget", "Scope", "Window", "Mode", "Spent", "Accrued", "Held", "Limit", "Used"] == (
        rows[0]
    )
    assert [
        ["tenant-day", "tenant=acme", "day", "enforce", "$7.00", "$1.00", "$1.00", "$10.00",
         "90.0%"]
    ] == rows[1:]  # fmt: skip


def test_costs_by_budget_totals_the_scopes_of_one_budget_never_several_budgets() -> None:
    """The same dollar counts in each budget that applies: adding them up would count it twice."""
    with listening(ScriptedFacts(budget_rows=SPREAD)) as server:
        rows = fields(run(server, "costs").output)
    assert ["tenant-day", "all 2 scopes", "day", "$7.00", "$1.00", "$1.43"] == rows[4]
    assert ["Budgets overlap, so they have no sum; --by tenant has one."] == rows[5]


def test_costs_by_budget_top_folds_the_rest_into_one_row() -> None:
    """Five thousand sessions are not a page."""
    cells = [
        budget("session", scope={"session": f"s{n}"}, charged_nusd=n * USD, used_nusd=n * USD,
               accrued_nusd=0)
        for n in range(1, 5)
    ]  # fmt: skip
    with listening(ScriptedFacts(budget_rows=cells)) as server:
        rows = fields(run(server, "costs", "--top", "2").output)
    assert ["session=s4", "session=s3"] == [row[1] for row in rows[1:3]]
    assert ["session", "2 others", "day", "$3.00", "$0.00", "$0.00"] == rows[3]
    assert ["session", "all 4 scopes", "day", "$10.00", "$0.00", "$0.00"] == rows[4]


def test_costs_by_tenant_tells_useful_from_failing_where_outcomes_are_reported() -> None:
    """Money spent while failing buys nothing; what a success costs says how the work goes."""
    facts = ScriptedFacts(
        cost_rows=[
            Cost("acme", 30 * USD, 0, 100, 3, 1000, 500, 200),
            Cost("globex", 10 * USD, 0, 50, 0, 500, 0, 100),
        ],
        outcome_rows=[OutcomeFigures("acme", 8, 4, 20 * USD, 6 * USD)],
    )
    with listening(facts) as server:
        rows = fields(run(server, "costs", "--by", "tenant").output)
        said = run_json(server, "costs", "--by", "feature")
        by_model = run_json(server, "costs", "--by", "model")
    assert ["Useful", "Failing", "Per success", "Share"] == rows[0][-4:]
    assert ["$20.00", "$6.00", "$3.25", "75.0%"] == rows[1][-4:]
    assert ["$0.00", "$0.00", "-", "25.0%"] == rows[2][-4:]
    assert ["$20.00", "$6.00", "$3.25"] == rows[3][-3:]
    assert (6 * USD, 4) == (said["costs"][0]["failing_nusd"], said["total"]["failures"])
    assert "failing_nusd" not in by_model["total"]


def test_costs_without_outcomes_shows_no_empty_columns() -> None:
    """Most applications report nothing: columns of zeros would say that all was for nothing."""
    with listening(ScriptedFacts(cost_rows=[Cost("acme", 30 * USD, 0, 1, 0, 1, 0, 1)])) as server:
        rows = fields(run(server, "costs", "--by", "tenant").output)
    assert "Failing" not in rows[0]


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_costs_with_outcomes_fits_a_terminal(width: int) -> None:
    """The figures that matter most must not be the ones that are cut off."""
    lines = on_terminal(width, lambda console: render_sums(console, costs_document()))
    assert all(word in lines[0] for word in ("Spent", "Failing", "Per success", "Share"))
    assert 4 + 5 + 1 == len(lines)


def test_costs_by_tenant_has_a_totals_row_that_counts_everything() -> None:
    """What finance copies into a sheet."""
    facts = ScriptedFacts(
        cost_rows=[
            Cost("acme", 30 * USD, 10 * USD, 100, 3, 1000, 500, 200),
            Cost("globex", 10 * USD, 0, 50, 0, 500, 0, 100),
            Cost("unattributed", 4_000_000, 0, 1, 0, 5, 0, 1),
        ]
    )
    with listening(facts) as server:
        rows = fields(run(server, "costs", "--by", "tenant", "--top", "2").output)
    assert ["acme", "100", "3", "1,000", "500", "200", "$30.00", "$10.00", "79.9%"] == rows[1]
    assert ["1 other", "1", "0", "5", "0", "1", "$0.004000", "$0.00", "0.0%"] == rows[3]
    assert ["total", "151", "3", "1,505", "500", "301", "$40.01", "$10.00"] == rows[4]
    assert ["since 2026-11-21 12:00:00 UTC"] == rows[5]


def test_costs_by_something_else_exits_2() -> None:
    """The choices are in the message."""
    with listening() as server:
        result = run(server, "costs", "--by", "colour")
    assert 2 == result.exit_code
    assert "tenant" in result.stderr


def test_costs_nothing_spent_says_so() -> None:
    """An empty table looks like a fault."""
    with listening() as server:
        assert "nothing was spent since 2026-11-21 12:00:00 UTC\n" == (
            run(server, "costs", "--by", "model").output
        )


def test_costs_json_is_what_the_listener_answers() -> None:
    """Exact integers for programs."""
    with listening(ScriptedFacts(budget_rows=SPREAD)) as server:
        assert [shapes.budget(b) for b in SPREAD] == run_json(server, "costs")["budgets"]
        assert "customer" == run_json(server, "costs", "--by", "customer")["by"]


@pytest.mark.parametrize("width", [80, 120])
def test_costs_by_budget_fits_the_terminal_and_cuts_no_amount(width: int) -> None:
    """Long ids fold; an amount that lost a digit would be another amount."""
    rows = [
        shapes.budget(b)
        for b in (
            *SPREAD,
            budget(
                "a-budget-with-a-really-long-name-for-a-week",
                scope={"tenant": "acme", "customer": LONG},
                limit_nusd=1_234_567 * USD,
                used_nusd=1_234_567 * USD,
                charged_nusd=1_234_560 * USD,
                accrued_nusd=0,
            ),
        )
    ]
    lines = on_terminal(width, lambda console: render_budgets(console, rows, 25))
    text = "\n".join(lines)
    for expected in ("$1,234,560.00", "$1,234,567.00", "$0.421300", "$20,000.00", "100.0%"):
        assert expected in text
    folded = "".join(line[:22].strip() for line in lines) if width == 80 else text
    assert "acme" in folded


@pytest.mark.parametrize("width", [80, 120])
def test_costs_by_customer_fits_the_terminal_and_cuts_no_amount(width: int) -> None:
    """At 80 columns tokens are shortened and one column goes; money stays whole."""
    costs = Costs(
        NOON_S,
        [
            Cost(LONG, 1_234_567 * USD, 1_200_000_000, 48_120, 812, 112_000_000, 80_000_000, 9000),
            Cost("acme", 1, 0, 1, 0, 1, 0, 1),
        ],
    )
    document = shapes.costs("customer", costs, 10)

    def show(console: Console) -> None:
        render_sums(console, document)

    text = "\n".join(on_terminal(width, show))
    for expected in ("$1,234,567.00", "$1.20", "$0.000001", "48,120", "total"):
        assert expected in text
    assert ("112.0M" in text) == (width == 80)
    assert ("112,000,000" in text) == (width == 120)
