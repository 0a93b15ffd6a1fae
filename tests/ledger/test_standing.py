"""How budgets stand for somebody, without taking anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.journal import Kind
from s4fw.ledger.table import Table
from tests.a_budget import Budget
from tests.ledger.test_budgets import NOON_S, an_exchange, clock_at


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """A table of which this process owns slot 0."""
    with Table.create(tmp_path / "table", slots=4, cells=64, leases=64, values=256, rows=64) as t:
        t.join(0)
        yield t


def amounts(budgets: Budgets, **values: str) -> dict[str, tuple[int, int]]:
    """Used and limit by the budget's id."""
    attribution = an_exchange(0, **values).attribution
    assert attribution is not None
    standing = budgets.standing(attribution)
    assert standing is not None
    return {one.rule.id: (one.used_nusd, one.limit_nusd) for one in standing}


def test_standing_shows_holds_of_the_moment_and_holds_nothing(table: Table) -> None:
    """To ask is free, and the answer is the very word that the next request is compared with."""
    rules = [Budget("wide", (), limit_nusd=1000), Budget("narrow", limit_nusd=50)]
    budgets = Budgets(table, rules, clock_at(NOON_S), "v")
    assert {"wide": (0, 1000), "narrow": (0, 50)} == amounts(budgets, tenant="acme")
    assert budgets.reserve(an_exchange(40, tenant="acme")) is None
    for _ in range(3):
        assert {"wide": (40, 1000), "narrow": (40, 50)} == amounts(budgets, tenant="acme")
    assert {"wide": (40, 1000), "narrow": (0, 50)} == amounts(budgets, tenant="globex")
    assert budgets.reserve(an_exchange(10, tenant="acme")) is None, "equal still fits"


def test_standing_of_a_cell_that_was_closed_is_that_of_the_new_one(table: Table) -> None:
    """What a worker remembers of cells grows stale when the steward closes one."""
    budgets = Budgets(table, [Budget(limit_nusd=50)], clock_at(NOON_S), "v")
    amounts(budgets, tenant="acme")
    (cell,) = table.cells()
    assert table.close_cell(cell.index, cell.generation)
    assert {"b": (0, 50)} == amounts(budgets, tenant="acme")


def test_standing_after_the_window_is_that_of_the_next(table: Table) -> None:
    """At midnight everything is left again."""
    clock = clock_at(NOON_S)
    budgets = Budgets(table, [Budget(limit_nusd=50)], clock, "v")
    assert budgets.reserve(an_exchange(40, tenant="acme")) is None
    assert {"b": (40, 50)} == amounts(budgets, tenant="acme")
    clock.offset_ns += 86_400 * 10**9
    assert {"b": (0, 50)} == amounts(budgets, tenant="acme")


def test_note_outcome_is_a_row_of_names_without_money(table: Table) -> None:
    """The journal is the only thing that an outcome touches."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v")
    attribution = an_exchange(0, key="bot", tenant="acme", session="s").attribution
    assert attribution is not None
    budgets.note_outcome(Reason.FAILED, bytes(15) + b"\x07", attribution)
    rows, _ = table.drain(0, table.slots()[0].tail, 10)
    (row,) = journal.read(rows)
    assert (Kind.EVENT, Reason.FAILED, 0, 0, ()) == (
        row.kind, row.reason, row.charged_nusd, row.reserved_nusd, row.cells,
    )  # fmt: skip
    assert bytes(15) + b"\x07" == row.request
    assert budgets.value_ids(attribution) == row.values
    assert [] == table.cells()
