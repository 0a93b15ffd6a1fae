"""Budgets over a real table: which cells apply, what is refused and told, and how windows end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.core.attribution import DIMENSIONS, Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.ledger import journal, upkeep
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.table import Table
from s4fw.ledger.upkeep import Upkeep
from s4fw.ledger.window import Clock, boot_ns
from tests.a_budget import Budget, Override

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
NOON_S = 1_900_000_800 // 86400 * 86400 + 43200


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """A table of which this process owns slot 0."""
    with Table.create(tmp_path / "table", slots=4, cells=64, leases=64, values=256, rows=64) as t:
        t.join(0)
        yield t


def clock_at(now_s: float) -> Clock:
    """A clock that shows a given moment."""
    return Clock(int(now_s * 10**9) - boot_ns())


def an_exchange(quote_nusd: int, **values: str) -> Exchange:
    """An exchange with an attribution and a quote."""
    x = Exchange(CHAT, Request(b"POST", b"/", b"", {}))
    x.attribution = Attribution(tuple(values.get(name) for name in DIMENSIONS))
    x.quote_nusd = quote_nusd
    return x


def used(table: Table) -> dict[int, int]:
    """Window start -> used, over all cells."""
    return {cell.start_s: cell.used for cell in table.cells()}


def test_reserve_equal_fits_and_one_more_is_blocked(table: Table) -> None:
    """`used + quote > limit` blocks, nothing else does."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v")
    assert budgets.reserve(an_exchange(60, tenant="acme")) is None
    assert budgets.reserve(an_exchange(40, tenant="acme")) is None
    block = budgets.reserve(an_exchange(1, tenant="acme"))
    assert isinstance(block, Block)
    assert (100, 100, 0, 1) == tuple(
        block.detail[f"{name}_nusd"] for name in ("limit", "used", "remaining", "requested")
    )


def test_reserve_budget_without_a_value_for_its_dimension_does_not_apply(table: Table) -> None:
    """A session budget must not stop callers that have no session."""
    budgets = Budgets(table, [Budget(per=("session",))], clock_at(NOON_S), "v")
    assert budgets.reserve(an_exchange(10**9, tenant="acme")) is None
    assert budgets.reserve(an_exchange(10**9, tenant="acme", session="s")) is not None


def test_reserve_refused_by_one_budget_holds_nothing_in_the_others(table: Table) -> None:
    """All or nothing over the hierarchy."""
    rules = [Budget("wide", (), limit_nusd=1000), Budget("narrow", limit_nusd=5)]
    budgets = Budgets(table, rules, clock_at(NOON_S), "v")
    block = budgets.reserve(an_exchange(6, tenant="acme"))
    assert isinstance(block, Block)
    assert "narrow" == block.detail["budget_id"]
    assert {0} == {cell.used for cell in table.cells()}


def test_override_has_its_own_limit(table: Table) -> None:
    """A large customer gets a large budget."""
    rule = Budget(overrides=[Override({"tenant": "acme"}, 500)])
    budgets = Budgets(table, [rule], clock_at(NOON_S), "v")
    assert budgets.reserve(an_exchange(500, tenant="acme")) is None
    assert budgets.reserve(an_exchange(500, tenant="globex")) is not None


def test_window_end_opens_new_cells_and_old_holds_settle_in_the_old(table: Table) -> None:
    """Midnight: nothing is reset, and a stream over it is charged where it was held."""
    midnight_s = NOON_S - 43200 + 86400
    clock = clock_at(midnight_s - 5)
    budgets = Budgets(table, [Budget()], clock, "v")
    late = an_exchange(100, tenant="acme")
    assert budgets.reserve(late) is None
    assert budgets.reserve(an_exchange(1, tenant="acme")) is not None

    clock.follow(clock.offset_ns + 10 * 10**9, (0,) * 6)
    budgets._applied.clear()  # what a worker forgets by itself when the moment has passed
    assert budgets.reserve(an_exchange(100, tenant="acme")) is None
    assert late.reservation is not None
    late.reservation.settle(30, late)
    assert {midnight_s - 86400: 30, midnight_s: 100} == used(table)


def test_remembered_cells_are_forgotten_when_their_window_ends(table: Table) -> None:
    """The hot path compares one moment; it must be the right one."""
    midnight_s = NOON_S - 43200 + 86400
    budgets = Budgets(table, [Budget()], clock_at(midnight_s - 0.05), "v")
    assert budgets.reserve(an_exchange(100, tenant="acme")) is None
    while budgets.reserve(an_exchange(100, tenant="acme")) is not None:
        pass  # blocked until the clock passes midnight, in 50 ms
    assert {midnight_s - 86400: 100, midnight_s: 100} == used(table)


def test_closed_cell_is_noticed_and_opened_anew(table: Table) -> None:
    """The steward may close what idled; the next request must not fail for it."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v")
    first = an_exchange(10, tenant="acme")
    assert budgets.reserve(first) is None
    assert first.reservation is not None
    first.reservation.void(Reason.NOT_SENT, first)
    (cell,) = table.cells()
    assert table.close_cell(cell.index, cell.generation)
    assert budgets.reserve(an_exchange(100, tenant="acme")) is None


def test_surplus_values_share_other(table: Table) -> None:
    """A caller that makes up tenants must not get a budget for each."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v", {"tenant": 2})
    for tenant in ("a", "b", "c"):
        assert budgets.reserve(an_exchange(100, tenant=tenant)) is None
    assert budgets.reserve(an_exchange(1, tenant="d")) is not None
    assert budgets.reserve(an_exchange(1, tenant="a")) is not None


def test_tightest_shown_budget_is_described_after_the_hold(table: Table) -> None:
    """The caller learns of the budget that will stop it first."""
    rules = [
        Budget("t"),
        Budget("f", ("feature",), limit_nusd=70),
        Budget("all", (), limit_nusd=50),
    ]
    budgets = Budgets(table, rules, clock_at(NOON_S), "v")
    x = an_exchange(20, tenant="acme", feature="x")
    assert budgets.reserve(x) is None
    assert ("f", 50) == (x.budget_id, x.budget_remaining_nusd)


def test_warning_names_the_highest_threshold_passed(table: Table) -> None:
    """80 % says more than 50 %."""
    budgets = Budgets(table, [Budget(warn_at=(500, 800))], clock_at(NOON_S), "v")
    told = []
    for _ in range(4):
        x = an_exchange(25, tenant="acme")
        budgets.reserve(x)
        told.append(x.budget_warning)
    assert [None, "b 50%", "b 50%", "b 80%"] == told


def test_shadow_budget_counts_and_never_refuses(table: Table) -> None:
    """It is held and settled like any other; only the verdict differs."""
    budgets = Budgets(table, [Budget(mode="shadow")], clock_at(NOON_S), "v")
    passed = [an_exchange(60, tenant="acme") for _ in range(3)]
    assert [None] * 3 == [budgets.reserve(x) for x in passed]
    assert [None, "budget_exceeded", "budget_exceeded"] == [x.shadow_reason for x in passed]
    assert 180 == table.cells()[0].used


def test_frozen_budget_blocks_with_its_own_code(table: Table) -> None:
    """An operator's stop is not a budget that is full."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v")
    table.freeze()
    block = budgets.reserve(an_exchange(1, tenant="acme"))
    assert isinstance(block, Block)
    assert "frozen" == block.code.name
    table.release()
    assert budgets.reserve(an_exchange(1, tenant="acme")) is None


def test_renamed_budget_keeps_its_spend(table: Table) -> None:
    """`was:` carries the cells over; a rename must not refill anything."""
    before = Budgets(table, [Budget("old")], clock_at(NOON_S), "v")
    assert before.reserve(an_exchange(100, tenant="acme")) is None
    after = Budgets(table, [Budget("new", was="old")], clock_at(NOON_S), "v")
    block = after.reserve(an_exchange(1, tenant="acme"))
    assert isinstance(block, Block)
    assert "new" == block.detail["budget_id"]


def test_journal_row_holds_what_was_charged_and_to_whom(table: Table) -> None:
    """The row is there if and only if the money is."""
    budgets = Budgets(table, [Budget()], clock_at(NOON_S), "v")
    x = an_exchange(60, tenant="acme", feature="f")
    budgets.reserve(x)
    assert x.reservation is not None
    x.reservation.accrue(Reason.UPSTREAM_CUT, x)
    (row,) = journal.read(table.drain(0, 0, 10)[0])
    assert (60, 60, Reason.UPSTREAM_CUT, True) == (
        row.reserved_nusd,
        row.charged_nusd,
        row.reason,
        row.is_accrued,
    )
    assert b"acme" == table.value(row.values[DIMENSIONS.index("tenant")])[1]
    assert x.id == row.request
    assert abs(row.at_ns - NOON_S * 10**9) < 10 * 10**9


def test_journal_row_of_a_block_names_its_code_and_no_money(table: Table) -> None:
    """Denials are events, not charges."""
    budgets = Budgets(table, [Budget(limit_nusd=1)], clock_at(NOON_S), "v")
    x = an_exchange(60, tenant="acme")
    x.block = budgets.reserve(x)
    budgets.journal_block(x)
    (row,) = journal.read(table.drain(0, 0, 10)[0])
    assert (journal.Kind.BLOCK, "budget_exceeded", 0, 60, 402) == (
        row.kind,
        row.code,
        row.charged_nusd,
        row.reserved_nusd,
        row.status,
    )
    (cell,) = table.cells()
    assert ((cell.index, cell.generation),) == row.cells


def test_upkeep_lowers_and_raises_limits_of_open_cells(table: Table) -> None:
    """A reload takes effect in the window that runs."""
    clock = clock_at(NOON_S)
    assert Budgets(table, [Budget()], clock, "v").reserve(an_exchange(80, tenant="acme")) is None
    lower = [Budget(limit_nusd=50)]
    assert 1 == Upkeep(table, lower, clock).apply_limits()
    assert Budgets(table, lower, clock, "v").reserve(an_exchange(1, tenant="acme")) is not None
    higher = [Budget(limit_nusd=81)]
    assert 1 == Upkeep(table, higher, clock).apply_limits()
    assert Budgets(table, higher, clock, "v").reserve(an_exchange(1, tenant="acme")) is None


def test_upkeep_opens_the_next_window_just_ahead_and_closes_the_old_later(table: Table) -> None:
    """The first request of a window finds its cell; old cells make room, but never with money."""
    midnight_s = NOON_S - 43200 + 86400
    budget = Budget()
    clock = clock_at(midnight_s - 120)
    assert Budgets(table, [budget], clock, "v").reserve(an_exchange(5, tenant="acme")) is None
    assert 0 == Upkeep(table, [budget], clock).open_next()
    clock = clock_at(midnight_s - 30)
    assert 1 == Upkeep(table, [budget], clock).open_next()
    assert {midnight_s - 86400: 5, midnight_s: 0} == used(table)
    assert 0 == Upkeep(table, [budget], clock_at(midnight_s + 3600)).close_over(), "money is held"


def test_upkeep_closes_what_is_over_and_what_idled(table: Table) -> None:
    """Sessions come and go; their cells are used again."""
    day, session = Budget(), Budget("s", ("session",), "total", idle_s=0.0)
    clock = clock_at(NOON_S)
    x = an_exchange(5, tenant="acme", session="s1")
    assert Budgets(table, [day, session], clock, "v").reserve(x) is None
    assert x.reservation is not None
    x.reservation.settle(5, x)
    later = Upkeep(table, [day, session], clock_at(NOON_S + 86400))
    assert 2 == later.close_over()
    assert [] == table.cells()


def test_upkeep_shows_undivided_budgets_from_the_start(table: Table) -> None:
    """Finance sees the budget of the whole company before the first call."""
    rule = Budget("all", (), "month")
    upkeep = Upkeep(table, [rule, Budget()], clock_at(NOON_S))
    upkeep.open_undivided()
    (cell,) = table.cells()
    described = upkeep.describe(cell)
    assert described is not None
    assert ("all", {}) == (described[0].id, described[1])


def test_upkeep_leaves_alone_cells_of_a_scope_that_the_budget_no_longer_has(table: Table) -> None:
    """After a reload the old cells have another meaning: not to be shown as, limited as, or opened
    anew under the new one."""
    old = Budget(per=("tenant", "feature"), limit_nusd=100)
    clock = clock_at(NOON_S + 43200 - 30)
    x = an_exchange(80, tenant="acme", feature="support")
    assert Budgets(table, [old], clock, "v").reserve(x) is None
    for per in (("tenant",), ("feature",), ("feature", "tenant")):
        upkeep = Upkeep(table, [Budget(per=per, limit_nusd=50)], clock)
        (cell,) = table.cells()
        assert upkeep.describe(cell) is None
        assert 0 == upkeep.apply_limits()
        assert 0 == upkeep.open_next()
    assert Upkeep(table, [old], clock).describe(cell) is not None


def test_clock_that_is_moved_ahead_ends_the_windows_that_are_remembered(table: Table) -> None:
    """The master accepts a step of hours: nobody may go on in yesterday's cells."""
    clock = clock_at(NOON_S)
    budgets = Budgets(table, [Budget()], clock, "v")
    assert budgets.reserve(an_exchange(60, tenant="acme")) is None
    day_s = 86400
    clock.follow(clock.offset_ns + day_s * 10**9, (0,) * 6)
    assert budgets.reserve(an_exchange(70, tenant="acme")) is None
    assert {NOON_S - 43200: 60, NOON_S - 43200 + day_s: 70} == used(table)


@pytest.mark.parametrize("values_max", [None, {"session": 50_000, "tenant": 1_000}])
def test_sessions_without_end_leave_room_for_everybody_else(
    table: Table, values_max: dict[str, int] | None
) -> None:
    """They cost nothing, even refused: without a bound one caller could take every cell, and no
    new window would open for anybody."""
    rules = [Budget("s", ("session",), "total", limit_nusd=5), Budget("t"), Budget("all", ())]
    budgets = Budgets(table, rules, clock_at(NOON_S), "v", values_max)
    for number in range(2 * table.sizes.cells):
        budgets.reserve(an_exchange(10**9, tenant="mallory", session=f"s{number}"))
    assert budgets.reserve(an_exchange(1, tenant="acme", session="honest")) is None
    assert budgets.reserve(an_exchange(1, tenant="globex")) is None


def test_pairs_of_made_up_values_cannot_stop_everybody(table: Table) -> None:
    """Cells are finite: the surplus of pairs shares one, and a new window can always open."""
    pair = Budget("pair", ("customer", "session"), limit_nusd=1000)
    total = Budget("all", (), "minute", limit_nusd=10**6)
    clock = clock_at(NOON_S)
    budgets = Budgets(table, [pair, total], clock, "v", {"customer": 100, "session": 100})
    for number in range(80):
        x = an_exchange(10, customer=f"c{number % 10}", session=f"s{number // 10}")
        assert budgets.reserve(x) is None, number
        assert x.reservation is not None
        x.reservation.settle(10, x)
    clock.follow(clock.offset_ns + 60 * 10**9, (0,) * 6)
    late = an_exchange(10, customer="c1", session="never-seen")
    assert budgets.reserve(late) is None
    shared = [cell for cell in table.cells() if cell.ids and all(map(table.is_other, cell.ids))]
    assert 1 == len(shared)
    assert shared[0].used > 20


def test_upkeep_keeps_the_spend_of_a_removed_budget_for_a_month(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a budget out and in again must not refill it; but its cells must not stay for ever."""
    clock = clock_at(NOON_S)
    x = an_exchange(5, session="s1")
    session = Budget("s", ("session",), "total")
    assert Budgets(table, [session], clock, "v").reserve(x) is None
    assert x.reservation is not None
    x.reservation.settle(5, x)
    assert 0 == Upkeep(table, [], clock).close_over()
    month_ns = (30 * 86400 + 60) * 10**9
    monkeypatch.setattr(upkeep, "monotonic_ns", lambda: time.monotonic_ns() + month_ns)
    assert 0 == Upkeep(table, [session], clock).close_over(), "one that is there has no end"
    assert 1 == Upkeep(table, [], clock).close_over()
