"""Today and this month: exact, over restarts, and honest about when they began."""

from __future__ import annotations

from pathlib import Path

from s4fw.admin.facts import Costs
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Kind
from s4fw.observe.outcomes import OutcomeFigures, Outcomes
from s4fw.process.periods import Periods
from s4fw.process.spend import Spend
from tests.process.rows import NAMES, row

DAY_S = 86_400
NOON_S = 1_795_262_400  # 2026-11-21 12:00 UTC
MIDNIGHT_S = NOON_S - 43_200


def spent(spend: Spend, nusd: int, tenant: str = "acme") -> None:
    spend.add_columns((nusd, 0, 1, 0, 10, 0, 5), (NAMES[0], tenant, *NAMES[2:]))


def amounts(costs: Costs) -> dict[str, int]:
    return {cost.value: cost.charged_nusd for cost in costs.costs}


def test_today_is_what_came_since_midnight(tmp_path: Path) -> None:
    """The first question of the morning."""
    spend, periods = Spend(1, MIDNIGHT_S - 9 * DAY_S), Periods(tmp_path)
    periods.look(spend, NOON_S - DAY_S)
    spent(spend, 100)
    periods.look(spend, MIDNIGHT_S)
    spent(spend, 7)
    spent(spend, 5, "globex")
    periods.look(spend, NOON_S)
    assert {"acme": 7, "globex": 5} == amounts(periods.costs("today", "tenant", spend))
    assert {"acme": 107, "globex": 5} == amounts(periods.costs("month", "tenant", spend))
    assert MIDNIGHT_S == periods.costs("today", "tenant", spend).since_s


def reported(spend: Spend, reason: Reason, request: int, charged: int) -> None:
    """One request of acme's and what its application says of it."""
    one = request.to_bytes(16, "big")
    spend.outcomes.note(row(charged=charged, request=one), NAMES)
    spend.outcomes.note(row(kind=Kind.EVENT, reason=reason, charged=0, request=one), NAMES)
    spend.outcomes.settle()
    spend.outcomes.settle()


def test_outcomes_of_today_are_those_since_midnight(tmp_path: Path) -> None:
    """What a success costs today says whether the fix of last night helped."""
    spend, periods = Spend(1, MIDNIGHT_S - 9 * DAY_S), Periods(tmp_path)
    periods.look(spend, NOON_S - DAY_S)
    reported(spend, Reason.FAILED, 1, 100)
    periods.look(spend, MIDNIGHT_S)
    reported(spend, Reason.SUCCEEDED, 2, 7)
    again = Periods(tmp_path)
    again.look(spend, NOON_S)
    for dimension, value in (("tenant", "acme"), ("feature", "support")):
        assert [OutcomeFigures(value, 1, 0, 7, 0)] == again.costs(
            "today", dimension, spend
        ).outcomes
        assert [OutcomeFigures(value, 1, 1, 7, 100)] == again.costs(
            "all", dimension, spend
        ).outcomes
    assert [] == again.costs("today", "model", spend).outcomes


def test_outcomes_that_were_lost_start_anew(tmp_path: Path) -> None:
    """A negative number of failures would be shown to finance."""
    spend = Spend(1, MIDNIGHT_S - DAY_S)
    reported(spend, Reason.FAILED, 1, 100)
    periods = Periods(tmp_path)
    periods.look(spend, MIDNIGHT_S)
    spend.outcomes = Outcomes()
    reported(spend, Reason.SUCCEEDED, 2, 7)
    assert [OutcomeFigures("acme", 1, 0, 7, 0)] == periods.costs("today", "tenant", spend).outcomes


def test_today_goes_on_in_the_next_steward(tmp_path: Path) -> None:
    """A restart at noon must not make the morning free."""
    spend = Spend(1, MIDNIGHT_S - DAY_S)
    spent(spend, 100)
    Periods(tmp_path).look(spend, MIDNIGHT_S)
    spent(spend, 7)
    again = Periods(tmp_path)
    again.look(spend, NOON_S)
    assert {"acme": 7} == amounts(again.costs("today", "tenant", spend))


def test_sums_that_began_today_are_today(tmp_path: Path) -> None:
    """On the first day there is nothing to take away."""
    spend, periods = Spend(1, MIDNIGHT_S + 60), Periods(tmp_path)
    spent(spend, 7)
    periods.look(spend, NOON_S)
    today = periods.costs("today", "tenant", spend)
    assert ({"acme": 7}, MIDNIGHT_S + 60) == (amounts(today), today.since_s)


def test_sums_that_were_lost_start_anew_and_damage_is_no_fault(tmp_path: Path) -> None:
    """A copy of other sums would make today negative."""
    old = Spend(1, MIDNIGHT_S - DAY_S)
    spent(old, 100)
    Periods(tmp_path).look(old, MIDNIGHT_S)
    new, periods = Spend(1, NOON_S - 60), Periods(tmp_path)
    spent(new, 7)
    periods.look(new, NOON_S)
    assert {"acme": 7} == amounts(periods.costs("today", "tenant", new))
    for text in (b"", b"[]", b'{"version": 1}', b'{"version": 1, "marks": {"today": 3}}'):
        (tmp_path / "periods.json").write_bytes(text)
        anew = Periods(tmp_path)
        anew.look(new, NOON_S)
        assert {"acme": 7} == amounts(anew.costs("today", "tenant", new))
