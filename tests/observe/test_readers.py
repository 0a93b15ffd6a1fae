"""A real table as plain figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.attribution import DIMENSION_INDEX
from s4fw.core.counter import COUNTER_INDEX
from s4fw.ledger.rule import BUDGET_DIMENSION
from s4fw.ledger.table import Table
from s4fw.ledger.window import KIND_INDEX, Clock, boot_ns
from s4fw.observe.readers import BudgetReader, read_workers
from s4fw.units import NUSD_MAX
from tests.a_budget import Budget
from tests.admin.scripted import MIDNIGHT_S, NOON_S

DAY_S = MIDNIGHT_S - 86_400


def a_budget(budget_id: str, per: tuple[str, ...] = (), **more: Any) -> Budget:
    """A budget of 1000 nano-USD."""
    return Budget(budget_id, per, limit_nusd=1000, **more)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with Table.create(tmp_path / "table", slots=4, cells=64, leases=16, values=256, rows=16) as t:
        yield t


@pytest.fixture
def clock() -> Clock:
    """Noon of a Saturday, and it goes on from there."""
    return Clock(NOON_S * 1_000_000_000 - boot_ns())


def claim(
    table: Table,
    budget: Budget,
    scope: dict[str, str],
    start_s: int = DAY_S,
    kind: str = "day",
) -> tuple[int, int]:
    """Open a cell as a worker would."""
    ids = [table.intern(DIMENSION_INDEX[name], value.encode()) for name, value in scope.items()]
    enforced = NUSD_MAX if budget.mode == "shadow" else budget.limit_nusd
    return table.claim(
        table.intern(BUDGET_DIMENSION, budget.id.encode()),
        KIND_INDEX[kind],
        start_s,
        ids,
        enforced,
        budget.limit_nusd,
    )


def test_read_undivided_budget_has_its_row_before_anything_was_spent(
    table: Table, clock: Clock
) -> None:
    """An operator who has just configured a cap wants to see it."""
    (row,) = BudgetReader(table, [a_budget("all-day")], clock).read()
    assert ("all-day", {}, 1000, 0, 1000) == (
        row.id,
        row.scope,
        row.limit_nusd,
        row.used_nusd,
        row.remaining_nusd,
    )
    assert (DAY_S, MIDNIGHT_S) == (row.starts_at_s, row.resets_at_s)


def test_read_unopened_total_budget_never_resets(table: Table, clock: Clock) -> None:
    """It has no next window to name."""
    (row,) = BudgetReader(table, [a_budget("all", window="total")], clock).read()
    assert row.resets_at_s is None


def test_read_cell_with_a_hold_and_a_charge_adds_up(table: Table, clock: Clock) -> None:
    """held, spent and accrued are apart: only the first two words of a bill are certain."""
    budget = a_budget("tenant-day", ("tenant",))
    table.join(0)
    place = claim(table, budget, {"tenant": "acme"})
    cells = table.cell_set([place], [0] * 8)
    for amount, actual, accrued in ((100, 60, False), (50, 50, True)):
        lease = table.reserve(cells, amount, b"r" * 16, 0)
        table.sent(lease)
        table.settle(lease, actual, accrued)
    table.reserve(cells, 200, b"r" * 16, 0)
    assert table.reserve(cells, 1000, b"r" * 16, 0) < 0
    (row,) = BudgetReader(table, [budget], clock).read()
    assert {"tenant": "acme"} == row.scope
    expected = (310, 110, 60, 50, 200, 690)
    assert expected == (
        row.used_nusd,
        row.charged_nusd,
        row.spent_nusd,
        row.accrued_nusd,
        row.held_nusd,
        row.remaining_nusd,
    )
    assert (1, 1, False) == (row.open_leases, row.denials, row.is_frozen)


def test_read_shadow_budget_shows_its_stated_limit(table: Table, clock: Clock) -> None:
    """The table enforces no limit there, but nobody configured four billion dollars."""
    budget = a_budget("trial", ("tenant",), mode="shadow")
    claim(table, budget, {"tenant": "acme"})
    (row,) = BudgetReader(table, [budget], clock).read()
    assert ("shadow", 1000) == (row.mode, row.limit_nusd)


def test_read_only_current_windows_of_configured_budgets(table: Table, clock: Clock) -> None:
    """Yesterday's cells, tomorrow's and those of a removed budget are no caps of now."""
    budget = a_budget("tenant-day", ("tenant",))
    for start_s in (DAY_S - 86_400, DAY_S, MIDNIGHT_S):
        claim(table, budget, {"tenant": "acme"}, start_s)
    claim(table, a_budget("removed", ("tenant",)), {"tenant": "acme"})
    rows = BudgetReader(table, [budget], clock).read()
    assert [("tenant-day", DAY_S)] == [(row.id, row.starts_at_s) for row in rows]


def test_read_rows_are_in_the_configurations_order_then_by_scope(
    table: Table, clock: Clock
) -> None:
    """A page that jumps between two looks cannot be compared."""
    budgets = [a_budget("b", ("tenant", "feature")), a_budget("a")]
    for tenant in ("globex", "acme"):
        claim(table, budgets[0], {"tenant": tenant, "feature": "chat"})
    rows = BudgetReader(table, budgets, clock).read()
    assert [("b", "acme"), ("b", "globex"), ("a", "")] == [
        (row.id, row.scope.get("tenant", "")) for row in rows
    ]


def test_read_frozen_budget_says_so(table: Table, clock: Clock) -> None:
    """Why does nothing get through?  The page that shows the cap must tell."""
    budget = a_budget("tenant-day", ("tenant",))
    claim(table, budget, {"tenant": "acme"})
    table.freeze(table.intern(BUDGET_DIMENSION, b"tenant-day"))
    (row,) = BudgetReader(table, [budget], clock).read()
    assert row.is_frozen


def test_read_workers_shows_the_live_and_what_the_dead_counted(table: Table) -> None:
    """A respawn must not make the sums fall; unused slots are nobody's business."""
    table.join(1)
    counted = table.counters()
    counted[COUNTER_INDEX["requests"]] = 7
    counted[COUNTER_INDEX["in_flight"]] = 3
    table.set_state(1)
    table.beat()
    (row,) = read_workers(table, lambda _: "worker")
    assert (1, "ready", True, 7, 3) == (
        row.slot,
        row.state,
        row.is_live,
        row.counters["requests"],
        row.counters["in_flight"],
    )
    assert row.heartbeat_age_ms < 5000
    table.leave()
    (row,) = read_workers(table, lambda _: "worker")
    assert ("gone", False, 7, 0) == (
        row.state,
        row.is_live,
        row.counters["requests"],
        row.counters["in_flight"],
    )
