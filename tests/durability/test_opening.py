"""What a start finds, and what it makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.ledger.snapshot import Names, snapshot
from s4fw.ledger.table import Table, usual_slots
from s4fw.process import rundir
from s4fw.process.checkpoints import CheckpointFiles
from s4fw.process.durability import write_now
from s4fw.process.exitcode import Stop
from s4fw.process.opening import opened

BUDGET, TENANT = 8, 1
MONTH = 4


class Machine:
    """A runtime and a state directory."""

    def __init__(self, folder: Path) -> None:
        self.runtime, self.state = folder / "runtime", folder / "state"
        for made in (self.runtime, self.state):
            made.mkdir()

    def made(self, **sizes: int) -> Table:
        """A table in use, as this boot left it."""
        rundir.note_boot(self.runtime)
        rundir.write_whole(self.runtime / "table.id", b"first")
        table = Table.create(self.runtime / "table", **sizes)
        table.set_clean(False)
        return table

    def spend(self, table: Table, charged: int, mark: int = 0) -> tuple[int, int]:
        ids = [table.intern(TENANT, b"acme")]
        cell = table.claim(table.intern(BUDGET, b"team"), MONTH, 0, ids, 1000, 1000)
        table.raise_charged(*cell, charged, False)
        table.set_mark(*cell, mark)
        return cell

    def write(self, table: Table, is_clean: bool = False) -> None:
        files = CheckpointFiles(self.state)
        assert files.take()
        write_now(table, files, is_clean)
        files.release()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def amounts(table: Table) -> list[tuple[int, int, int]]:
    return [(cell.used, cell.charged, cell.accrued) for cell in table.cells()]


def test_first_start_makes_an_empty_table(machine: Machine) -> None:
    """Nothing is there, so nothing was spent."""
    found = opened(machine.runtime, machine.state)
    with found.table as table:
        assert ([], True, None) == (table.cells(), table.is_clean, found.sentence)


def test_table_of_this_boot_is_right_as_it_is(machine: Machine) -> None:
    """A checkpoint is older than the table, always."""
    with machine.made() as table:
        machine.spend(table, 70, mark=90)
        machine.write(table)
        machine.spend(table, 80)
    with opened(machine.runtime, machine.state).table as table:
        assert [(80, 80, 0)] == amounts(table)


def test_table_of_an_earlier_boot_in_use_is_raised_to_the_mark(machine: Machine) -> None:
    """A table on a disk may lack what was written to it last."""
    with machine.made() as table:
        cell = machine.spend(table, 70, mark=90)
        machine.write(table)
        table.join(0)
        lease = table.reserve(table.cell_set([cell], []), 5, bytes(16), 1)
        table.sent(lease)
    rundir.write_whole(machine.runtime / "boot", b"another boot\n")
    found = opened(machine.runtime, machine.state)
    with found.table as table:
        assert [(90, 90, 20)] == amounts(table)
        assert found.is_lossy
        assert 2 == sum(table.ring_lag(slot) for slot in range(table.sizes.slots))


def test_table_of_an_earlier_boot_left_in_order_is_right(machine: Machine) -> None:
    """A planned reboot costs nothing."""
    with machine.made() as table:
        machine.spend(table, 70, mark=90)
        machine.write(table, is_clean=True)
        table.set_clean(True)
    rundir.write_whole(machine.runtime / "boot", b"another boot\n")
    with opened(machine.runtime, machine.state).table as table:
        assert [(70, 70, 0)] == amounts(table)


@pytest.mark.parametrize(("is_clean", "expected"), [(True, (70, 70, 0)), (False, (90, 90, 20))])
def test_lost_table_comes_back_from_the_checkpoint(
    machine: Machine, is_clean: bool, expected: tuple[int, int, int]
) -> None:
    """Exactly after a stop in order, else up to the mark."""
    with machine.made() as table:
        machine.spend(table, 70, mark=90)
        table.publish_clock(123456789, (1, 2, 3, 4, 5, 0))
        machine.write(table, is_clean)
    for path in machine.runtime.iterdir():
        path.unlink()
    found = opened(machine.runtime, machine.state)
    with found.table as table:
        assert [expected] == amounts(table)
        assert (123456789, (1, 2, 3, 4, 5, 0)) == table.clock()  # of this very boot
        assert found.is_same_boot
        assert "first" != found.identity


def test_start_that_dies_while_it_restores_begins_anew(machine: Machine) -> None:
    """Half a table must not be taken for the whole one."""
    with machine.made() as table:
        machine.spend(table, 70, mark=90)
        machine.write(table)
    (machine.runtime / "table").unlink()
    Table.create(machine.runtime / "table.restoring").close()
    with opened(machine.runtime, machine.state).table as table:
        assert [(90, 90, 20)] == amounts(table)


def test_spend_without_table_and_checkpoint_is_refused(machine: Machine) -> None:
    """Somebody removed the wrong files; zero would refill every budget."""
    (machine.state / "spend.json").write_text("{}")
    with pytest.raises(Stop, match="not known") as refused:
        opened(machine.runtime, machine.state)
    assert 65 == refused.value.code
    assert not (machine.runtime / "table").exists()


@pytest.mark.parametrize("damage", [b"", b"x" * 8192])
def test_damaged_table_is_refused_and_not_touched(machine: Machine, damage: bytes) -> None:
    """A checkpoint is no licence to replace a file that somebody may still want to look at."""
    with machine.made() as table:
        machine.write(table)
    path = machine.runtime / "table"
    path.write_bytes(damage)
    with pytest.raises(Stop, match="not touched") as refused:
        opened(machine.runtime, machine.state)
    assert 65 == refused.value.code
    assert damage == path.read_bytes()


def test_table_with_too_few_slots_moves_to_one_with_more(machine: Machine) -> None:
    """A machine with more processors needs more workers than the old table has slots."""
    with machine.made(slots=2) as table:
        machine.spend(table, 70, mark=90)
        table.freeze(table.intern(BUDGET, b"team"))
        table.publish_clock(5, (1, 2, 3, 4, 5, 0))
        before = snapshot(table.cells(), Names(table))
    found = opened(machine.runtime, machine.state)
    with found.table as table:
        after = snapshot(table.cells(), Names(table))
        assert [c._replace(mark=0) for c in before] == after
        assert usual_slots() == table.sizes.slots
        assert (5, (1, 2, 3, 4, 5, 0)) == table.clock()
        assert 1 == len(table.frozen())
        assert "first" != found.identity


def test_table_with_too_few_slots_stays_while_rows_wait(machine: Machine) -> None:
    """Rows are the sums of spend; the steward reads them first."""
    with machine.made(slots=2) as table:
        table.join(0)
        table.row()[32] = 7
        table.publish()
    with opened(machine.runtime, machine.state).table as table:
        assert 2 == table.sizes.slots
