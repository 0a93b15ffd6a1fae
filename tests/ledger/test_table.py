"""The counter table from Python: real processes, kill -9, damaged files."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger import table as t
from s4fw.ledger.table import (
    CellSet,
    SlotTaken,
    StaleValue,
    Table,
    TableFull,
)
from s4fw.units import NUSD_MAX
from tests.harness.wait import wait_until

REQUEST = bytes(range(16))
CELLS_AT = 56  # in the header: where the cells begin
USED = 24  # in a cell


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process and wait for it; its exit code, or minus the signal."""
    child = start_child(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; its pid."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def die() -> None:
    """Die as nobody can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def cells_of(table: Table, *limits: int) -> CellSet:
    """A set of new cells with these limits, paid for by tenant 1."""
    budget = table.intern(8, b"budget")
    used = len(table.cells())
    places = [table.claim(budget, 2, used + i, (), n, n) for i, n in enumerate(limits)]
    return table.cell_set(places, (0, 1))


# -- slots


def test_join_a_live_slot_raises_taken(table: Table) -> None:
    """Two owners of one slot would share leases."""
    table.join(2, kind=1)
    assert 1 == in_child(lambda: Table.attach(table.path).join(2))
    assert 0 == in_child(lambda: Table.attach(table.path).join(1))


def test_forked_child_of_an_owner_does_not_keep_its_slot_alive(table: Table) -> None:
    """An owner's own child must not make the owner look alive after its death."""
    gate, opened = os.pipe()

    def owner() -> None:
        table.join(1)
        start_child(lambda: os.read(gate, 1) and None)
        die()

    try:
        assert -signal.SIGKILL == in_child(owner)
        # The orphan may not yet have run far enough after its fork to drop the descriptor.
        wait_until(lambda: not table.slots()[1].is_live, "the slot is free")
    finally:
        os.write(opened, b"x")  # the orphan ends
        os.close(gate)
        os.close(opened)


def test_join_zeroes_gauges_and_keeps_counters(table: Table) -> None:
    """What the dead had in flight is not in flight; what they counted was counted."""

    def crash() -> None:
        table.join(0)
        counters = table.counters()
        counters[COUNTER_INDEX["requests"]] += 5
        counters[COUNTER_INDEX["in_flight"]] += 5
        die()

    assert -signal.SIGKILL == in_child(crash)
    table.join(0)
    info = table.slots()[0]
    assert 5 == info.counters[COUNTER_INDEX["requests"]]
    assert 0 == info.counters[COUNTER_INDEX["in_flight"]]
    assert (2, os.getpid(), True) == (info.incarnation, info.pid, info.is_live)


def test_slot_words_are_seen_by_others(table: Table, path: Path) -> None:
    """Supervision reads them instead of asking."""
    table.join(3, kind=2)
    table.set_state(1)
    table.set_generation(7)
    table.beat()
    with Table.attach(path) as master:
        info = master.slots()[3]
    assert (2, 1, 7, True) == (info.kind, info.state, info.generation, info.is_live)
    assert info.heartbeat_age_ms < 5000
    table.leave()
    info = table.slots()[3]
    assert (0, False, 0) == (info.state, info.is_live, info.pid)


def test_free_slot_when_all_are_live_raises_full(table: Table) -> None:
    """More workers than slots is a mistake of the operator, told as such."""
    ready, told = os.pipe()
    gate, opened = os.pipe()

    def hold(slot: int) -> None:
        table.join(slot)
        os.write(told, b"x")
        os.read(gate, 1)

    children = [start_child(lambda slot=slot: hold(slot)) for slot in range(4)]
    for _ in children:
        os.read(ready, 1)
    with pytest.raises(TableFull):
        table.free_slot()
    os.write(opened, b"xxxx")
    for child in children:
        os.waitpid(child, 0)
    assert 0 == table.free_slot()
    for descriptor in (ready, told, gate, opened):
        os.close(descriptor)


def test_killed_worker_is_recovered_exactly_with_complete_rows(table: Table) -> None:
    """Reserved but not sent is given back; sent is charged in full; the journal says both."""
    cells = cells_of(table, 1000, 1000)

    def worker() -> None:
        table.join(1)
        settled = table.reserve(cells, 100, REQUEST, 7)
        table.settle(settled, 40, False)
        table.reserve(cells, 200, REQUEST, 7)
        table.sent(table.reserve(cells, 300, REQUEST, 7))
        die()

    assert -signal.SIGKILL == in_child(worker)
    assert [540, 540] == [c.used for c in table.cells()]
    with pytest.raises(SlotTaken):
        table.join(1)
    assert (1, 1, 300) == table.recover(1, 99)
    assert (0, 0, 0) == table.recover(1, 99)
    assert [(340, 340, 300)] * 2 == [(c.used, c.charged, c.accrued) for c in table.cells()]
    rows = list(journal.read(table.drain(1, 0, 100)[0]))
    assert [40, 0, 300] == [row.charged_nusd for row in rows]
    assert [100, 200, 300] == [row.reserved_nusd for row in rows]
    assert [Reason.USAGE, Reason.NOT_SENT, Reason.WORKER_CRASH] == [row.reason for row in rows]
    assert {(0, 1, 0, 0, 0, 0, 0, 0)} == {row.values for row in rows}
    assert {REQUEST} == {row.request for row in rows}
    assert {2} == {len(row.cells) for row in rows}
    assert [0, 99, 99] == [row.at_ns for row in rows]
    assert {7} == {row.price for row in rows}


def test_recover_a_live_slot_raises_taken(table: Table) -> None:
    """A stuck worker is killed first; while it lives its money is its own."""
    table.join(0)
    lease = table.reserve(cells_of(table, 100), 60, REQUEST, 1)
    with pytest.raises(SlotTaken):
        table.recover(0, 1)
    assert t.OK == table.void(lease)


# -- money


def test_processes_at_one_limit_pass_exactly_what_it_pays_for(table: Table) -> None:
    """The hard cap, with real processes: 4 x 8 holds of 10 against a limit that pays for 17."""
    cells = cells_of(table, 179)

    def worker(slot: int) -> None:
        table.join(slot)
        held = sum(table.reserve(cells, 10, REQUEST, 1) >= 0 for _ in range(8))
        os._exit(held)

    children = [start_child(lambda slot=slot: worker(slot)) for slot in range(4)]
    held = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert 17 == held
    assert [(170, 17, 15)] == [(c.used, c.open_leases, c.denials) for c in table.cells()]
    for slot in range(4):
        table.recover(slot, 1)
    assert [(0, 0)] == [(c.used, c.open_leases) for c in table.cells()]


def test_answer_tells_denial_used_and_passed_stated_limits(table: Table) -> None:
    """The refusal names its budget and the headers their remainder without another call."""
    table.join(0)
    budget = table.intern(8, b"shadow")
    places = [table.claim(budget, 2, 0, (), 100, 100), table.claim(budget, 3, 0, (), NUSD_MAX, 30)]
    cells = table.cell_set(places, ())
    lease = table.reserve(cells, 40, REQUEST, 1)
    assert lease >= 0
    assert [-1, 0b10, 40, 40] == list(table.answer[:4])
    assert [100, 30] == list(table.answer[10:12])
    assert t.DENIED == table.reserve(cells, 61, REQUEST, 1)
    assert [0, 0, 40, 40] == list(table.answer[:4])


def test_settle_with_more_than_an_int64_saturates(table: Table) -> None:
    """An absurd cost must be counted, not lost in an exception that leaves the lease open."""
    table.join(0)
    lease = table.reserve(cells_of(table, 100), 40, REQUEST, 1)
    assert t.OK == table.settle(lease, 10**30, False)
    assert t.ALREADY == table.settle(lease, 1, False)
    assert [(NUSD_MAX - 1, 0)] == [(c.charged, c.open_leases) for c in table.cells()]


def test_prepared_row_is_published_with_the_money_and_blank_afterwards(table: Table) -> None:
    """A field that one exchange filled must not appear in the row of the next."""
    table.join(0)
    cells = cells_of(table, 1000)
    row = table.row()
    struct.pack_into("<q", row, 8, 123)
    struct.pack_into("<H", row, 36, 200)
    table.settle(table.reserve(cells, 40, REQUEST, 5), 30, False)
    table.void(table.reserve(cells, 50, REQUEST, 5))
    struct.pack_into("<B", row, 32, journal.Kind.BLOCK)
    table.publish()
    rows = list(journal.read(table.drain(0, 0, 10)[0]))
    assert [1, 2, 3] == [r.seq for r in rows]
    assert [journal.Kind.SETTLE, journal.Kind.VOID, journal.Kind.BLOCK] == [r.kind for r in rows]
    assert [(123, 200), (0, 0), (0, 0)] == [(r.at_ns, r.status) for r in rows]
    assert [30, 0, 0] == [r.charged_nusd for r in rows]


def test_drain_in_pieces_gives_every_row_once_and_frees_the_ring(table: Table) -> None:
    """The steward copies, keeps, and only then frees: a crash between repeats, never loses."""
    table.join(0)
    for _ in range(16):
        struct.pack_into("<B", table.row(), 32, journal.Kind.EVENT)
        table.publish()
    first, tail = table.drain(0, 0, 10)
    again, _ = table.drain(0, 0, 10)
    assert first == again
    table.advance_tail(0, tail)
    rest, tail = table.drain(0, tail, 10)
    assert list(range(1, 17)) == [row.seq for row in journal.read(first + rest)]
    with pytest.raises(ValueError, match="drain"):
        table.drain(0, 0, 10)
    table.advance_tail(0, tail)
    assert 0 == table.slots()[0].ring_lag


# -- values, cells, freezes, the published words


def test_intern_beyond_most_shares_other(table: Table) -> None:
    """A caller that invents tenants must not fill the table."""
    ids = [table.intern(1, f"tenant-{i}".encode(), most=2) for i in range(4)]
    assert [False, False, True, True] == [table.is_other(i) for i in ids]
    assert (1, b"other") == table.value(ids[3])
    assert ids[2] == table.intern(1, b"other")
    assert not table.is_other(table.intern(1, b"tenant-0", most=2))
    with pytest.raises(KeyError):
        table.value(63)
    with pytest.raises(ValueError, match="intern"):
        table.intern(1, b"x" * 129)


def test_sweep_makes_sets_stale_and_forgotten_ids_mean_something_else_later(table: Table) -> None:
    """Sessions come and go: their room comes back, and no set that can reserve holds an old id."""
    table.join(0)
    cells = cells_of(table, 100)
    session = table.intern(5, b"session-1")
    assert (0, 0) == table.sweep_values()  # the hour is not over
    assert (0, 0) == table.sweep_values(interval_s=0)  # used since the table was made
    assert t.STALE == table.reserve(cells, 1, REQUEST, 1)
    assert (1, 0) == table.sweep_values(interval_s=0)
    with pytest.raises(StaleValue):
        table.cell_set([], (0, 0, 0, 0, 0, session))
    table.sweep_values(interval_s=0)
    assert table.sweep_values(interval_s=0).emptied == 1
    with pytest.raises(KeyError):
        table.value(session)
    assert session == table.intern(5, b"session-2")


def test_claim_in_a_full_table_raises_and_closing_makes_room(table: Table) -> None:
    """Reuse raises the generation, so that nobody charges another's cell."""
    budget = table.intern(8, b"budget")
    places = [table.claim(budget, 2, i, (), 9, 9) for i in range(32)]
    with pytest.raises(TableFull):
        table.claim(budget, 2, 99, (), 9, 9)
    assert table.close_cell(*places[5]) is True
    assert table.close_cell(*places[5]) is False
    index, generation = table.claim(budget, 2, 99, (), 9, 9)
    assert (places[5][0], places[5][1] + 1) == (index, generation)
    table.join(0)
    assert t.STALE == table.reserve(table.cell_set([places[5]], ()), 1, REQUEST, 1)
    assert 0 == table.answer[0]
    with pytest.raises(StaleValue):
        table.claim(budget, 2, 0, (50,), 9, 9)


def test_set_limit_below_used_lets_nothing_in(table: Table) -> None:
    """A limit lowered by a reload holds at once."""
    table.join(0)
    cells = cells_of(table, 100)
    table.reserve(cells, 60, REQUEST, 1)
    cell = table.cells()[0]
    assert table.set_limit(cell.index, cell.generation, 50, 50) is True
    assert t.DENIED == table.reserve(cells, 1, REQUEST, 1)
    assert table.set_limit(cell.index, cell.generation + 1, 50, 50) is False


def test_freeze_holds_in_all_processes_and_survives_a_restart(table: Table, path: Path) -> None:
    """An operator's stop must not be undone by a crash loop."""
    table.join(0)
    cells = cells_of(table, 100)
    with Table.attach(path) as steward:
        budget = steward.intern(8, b"budget")
        steward.freeze(budget)
        assert t.FROZEN == table.reserve(cells, 1, REQUEST, 1)
        assert table.cells()[0].is_frozen
        steward.freeze()
        assert (0, budget) == steward.frozen()
    table.leave()
    assert table.reset_lock_if_alone()
    table.join(0)
    assert t.FROZEN == table.reserve(cells, 1, REQUEST, 1)
    table.release()
    table.release(budget)
    assert table.reserve(cells, 1, REQUEST, 1) >= 0
    assert () == table.frozen()


def test_audit_mismatch_freezes_the_budget(table: Table, path: Path) -> None:
    """A sum that is wrong is a bug: better to refuse that budget than to spend beyond it."""
    table.join(0)
    cells = cells_of(table, 100, 100)
    assert [] == table.audit(0, 1024)
    at = struct.unpack_from("<Q", path.read_bytes(), CELLS_AT)[0]
    with path.open("r+b") as file:
        file.seek(at + 128 + USED)
        file.write(struct.pack("<q", 11))
    (mismatch,) = table.audit(0, 1024)
    assert (1, 11, 0) == (mismatch.index, mismatch.held, mismatch.held_by_leases)
    assert t.FROZEN == table.reserve(cells, 1, REQUEST, 1)
    assert (mismatch.budget,) == table.frozen()


def test_correct_books_a_later_truth_with_a_row(table: Table) -> None:
    """What a provider tells afterwards is counted, and the journal still adds up."""
    table.join(0)
    table.settle(table.reserve(cells_of(table, 100), 50, REQUEST, 1), 50, True)
    cell = table.cells()[0]
    assert table.correct(cell.index, cell.generation, -20) is True
    assert table.correct(cell.index, cell.generation + 1, -20) is False
    assert (30, 30) == (table.cells()[0].used, table.cells()[0].charged)
    rows = list(journal.read(table.drain(0, 0, 10)[0]))
    assert [50, -20] == [row.charged_nusd for row in rows]


def test_published_words_are_seen_by_others(table: Table, path: Path) -> None:
    """Clock, clean mark and configuration generation go from the master to all."""
    assert (0, (0,) * 6) == table.clock()
    assert table.is_clean
    table.publish_clock(-5, (1, 2, 3, 4, 5, 6))
    table.publish_generation(3)
    table.set_clean(False)
    with Table.attach(path) as worker:
        assert (-5, (1, 2, 3, 4, 5, 6)) == worker.clock()
        assert (3, False) == (worker.generation, worker.is_clean)
