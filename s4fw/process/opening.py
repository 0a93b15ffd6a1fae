"""The table at the start: attached, restored from a checkpoint, or made because nothing was spent.

Theory of operation.  What is there decides, and what is missing never means zero:

  table of this boot, or left in order   it is right as it is
  table of an earlier boot, in use       on a disk; what was written last may be missing: its leases
                                         are recovered, its cells raised to what the checkpoint says
  table with too few slots               by now there are more processors: its cells are moved
  no table, a checkpoint                 the machine or the runtime directory was lost: a table is
                                         made beside, filled, and only then gets its name
  no table, no checkpoint, no sums       the first start
  anything else                          refused with a sentence; nothing is touched
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from s4fw.ledger.checkpoint import Checkpoint
from s4fw.ledger.snapshot import Names, Restored, restore, snapshot
from s4fw.ledger.table import Table, TableDamaged, TableError, usual_slots
from s4fw.process import checkpoints, rundir
from s4fw.process.checkpoints import CheckpointsDamaged
from s4fw.process.durability import head_of
from s4fw.process.exitcode import DAMAGED_TABLE, FAILED, Stop
from s4fw.units import usd


class Opened(NamedTuple):
    """The table and its identity: positions in its rings mean nothing for another one."""

    table: Table
    identity: str
    is_same_boot: bool  # the clock's offset in it is of this boot
    sentence: str | None  # what was restored, for people
    is_lossy: bool  # it was charged up to the durable marks


def opened(runtime: Path, state: Path) -> Opened:
    """The table, ready to be used.  Raises Stop.

    The identity is renewed before a table is made, so a crash between the two does no harm.
    """
    path = runtime / "table"
    is_same_boot = rundir.is_same_boot(runtime)
    try:
        if not path.exists():
            return _remade(path, state)
        if not (runtime / "table.id").exists():
            _renew_identity(runtime)
        table = Table.attach(path)
        is_alone = table.reset_lock_if_alone()
        restored = None
        if is_alone and not is_same_boot and not table.is_clean:
            restored = _mend(table, checkpoints.found(state))
        if is_alone and table.sizes.slots < usual_slots():
            table = _migrated(table, is_same_boot)
    except (TableDamaged, CheckpointsDamaged) as fault:
        raise Stop(DAMAGED_TABLE, _untouched(str(fault))) from fault
    except (OSError, TableError) as fault:
        raise Stop(FAILED, f"cannot open or make the table {path}: {fault}") from fault
    is_lossy = restored is not None and restored.lost_cells > 0
    sentence = _told(restored, False) if restored is not None and is_lossy else None
    return Opened(table, (runtime / "table.id").read_text(), is_same_boot, sentence, is_lossy)


def _untouched(sentence: str) -> str:
    return sentence if "not touched" in sentence else f"{sentence}; it was not touched"


def _renew_identity(runtime: Path) -> None:
    rundir.write_whole(runtime / "table.id", secrets.token_hex(16).encode())


def _remade(path: Path, state: Path) -> Opened:
    checkpoint = checkpoints.found(state)
    if checkpoint is None and (state / "spend.json").exists():
        raise Stop(
            DAMAGED_TABLE,
            f"there is no table in {path.parent} and no checkpoint in {state}, but spend.json there"
            " says that money was spent: what was spent is not known, so nothing is let through."
            " Bring the files back, or remove spend.json to begin from zero",
        )
    _renew_identity(path.parent)
    identity = (path.parent / "table.id").read_text()
    if checkpoint is None:
        return Opened(Table.create(path), identity, False, None, False)
    restored = make_restored(path, checkpoint)
    table = Table.attach(path)
    is_same_boot = checkpoint.head.boot == rundir.boot_id()
    is_lossy = restored.lost_cells > 0
    sentence = _told(restored, checkpoint.head.is_clean)
    return Opened(table, identity, is_same_boot, sentence, is_lossy)


def make_restored(path: Path, checkpoint: Checkpoint) -> Restored:
    """Make a table from a checkpoint; it gets its name when it is whole."""
    beside = path.with_name(path.name + ".restoring")
    beside.unlink(missing_ok=True)
    with Table.create(beside) as table:
        table.reset_lock_if_alone()
        restored = restore(table, checkpoint, time.time_ns())
        is_same_boot = checkpoint.head.boot == rundir.boot_id()
        # After a reboot the wall clock is believed; the windows never go back all the same.
        offset_ns = checkpoint.head.offset_ns if is_same_boot else 0
        table.publish_clock(offset_ns, checkpoint.head.starts_s)
        table.set_clean(checkpoint.head.is_clean)
    os.rename(beside, path)
    return restored


def _mend(table: Table, checkpoint: Checkpoint | None) -> Restored | None:
    for slot in table.slots():
        if slot.open_leases:
            table.recover(slot.slot, time.time_ns())
    return restore(table, checkpoint, time.time_ns()) if checkpoint is not None else None


def _migrated(table: Table, is_same_boot: bool) -> Table:
    """The same cells in a table of the usual sizes: the machine has more processors by now.

    Put off while rows wait to be read: they would be lost, and the steward reads them soon.
    """
    for slot in table.slots():
        if slot.open_leases:
            table.recover(slot.slot, time.time_ns())
    if any(slot.ring_lag for slot in table.slots()):
        return table
    names, path, was_clean = Names(table), table.path, table.is_clean
    head = head_of(table, names, is_clean=True)
    if not is_same_boot:
        head = head._replace(offset_ns=0)
    checkpoint = Checkpoint(head, tuple(snapshot(table.cells(), names)))
    table.close()
    _renew_identity(path.parent)
    make_restored(path, checkpoint)
    table = Table.attach(path)
    table.set_clean(was_clean)
    return table


def _told(restored: Restored, is_exact: bool) -> str:
    if is_exact:
        return f"{restored.cells} budget cells were restored exactly from the checkpoint"
    return (
        f"{restored.cells} budget cells were restored from a checkpoint; {restored.lost_cells} were"
        f" charged up to what may have been spent, {usd(restored.lost_nusd)} at most in one"
    )
