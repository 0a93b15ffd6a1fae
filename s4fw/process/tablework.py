"""What an operator does with the table by hand: look, take out, bring in, mend.

Nothing here lowers what is charged.  What changes a table needs the firewall to be stopped: it
holds the master lock meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger.checkpoint import SavedCell
from s4fw.ledger.snapshot import Names, open_cell, slot_with_room, snapshot
from s4fw.ledger.table import Mismatch, Table, TableDamaged
from s4fw.process import checkpoints
from s4fw.process.checkpoints import CheckpointFiles, CheckpointsDamaged
from s4fw.process.durability import write_now
from s4fw.process.exitcode import ANOTHER_MASTER, DAMAGED_TABLE, FAILED, Stop
from s4fw.process.masterlock import MasterLock
from s4fw.process.opening import make_restored, opened
from s4fw.units import usd

NOTHING_THERE = 66  # EX_NOINPUT of sysexits.h
AUDIT_CELLS = 1024


class Looked(NamedTuple):
    """What `check` found, sentence by sentence, and the exit code."""

    sentences: tuple[str, ...]
    code: int


def check(runtime: Path, state: Path) -> Looked:
    """Look at table and checkpoints; may be done while the firewall runs."""
    sentences, code = [], 0
    path = runtime / "table"
    try:
        with Table.attach(path) as table:
            table.check()
            slots = table.slots()
            live, leases = sum(s.is_live for s in slots), sum(s.open_leases for s in slots)
            sentences.append(
                f"table {path}: sound, {len(table.cells())} of {table.sizes.cells} cells open,"
                f" {leases} reservations held, {live} of {len(slots)} slots live,"
                f" {'left in order' if table.is_clean else 'in use'}"
            )
    except FileNotFoundError:
        sentences.append(f"table {path}: there is none")
        code = NOTHING_THERE
    except TableDamaged as fault:
        sentences.append(f"table {path}: {fault}")
        code = DAMAGED_TABLE
    try:
        known = checkpoints.found(state)
    except CheckpointsDamaged as fault:
        sentences.append(f"checkpoints: {fault}")
        return Looked(tuple(sentences), DAMAGED_TABLE)
    if known is None:
        sentences.append(f"checkpoints in {state}: there are none")
        return Looked(tuple(sentences), code)
    age_s = max(0, time.time_ns() // 10**9 - known.head.at_s)
    sentences.append(
        f"checkpoint {known.head.sequence} in {state}: whole, {len(known.cells)} cells, {age_s} s"
        f" old, {'exact' if known.head.is_clean else 'of a firewall in use'}"
    )
    return Looked(tuple(sentences), code if code != NOTHING_THERE else 0)


def saved_cells(runtime: Path, state: Path) -> tuple[list[SavedCell], str]:
    """All cells by names, from the table or else from the checkpoint; and where they are from.

    Raises Stop.
    """
    try:
        with Table.attach(runtime / "table") as table:
            return snapshot(table.cells(), Names(table)), "the table"
    except FileNotFoundError:
        pass
    except TableDamaged as fault:
        raise Stop(DAMAGED_TABLE, str(fault)) from fault
    try:
        known = checkpoints.found(state)
    except CheckpointsDamaged as fault:
        raise Stop(DAMAGED_TABLE, str(fault)) from fault
    if known is None:
        raise Stop(NOTHING_THERE, f"there is no table in {runtime} and no checkpoint in {state}")
    return list(known.cells), "the checkpoint"


def audit(runtime: Path) -> list[tuple[str, Mismatch]]:
    """Recount all cells from their leases; those that do not add up are frozen.  Raises Stop."""
    try:
        with Table.attach(runtime / "table") as table:
            found = [
                mismatch
                for start in range(0, table.sizes.cells, AUDIT_CELLS)
                for mismatch in table.audit(start, AUDIT_CELLS)
            ]
            names = Names(table)
            return [(_name(names, mismatch.budget), mismatch) for mismatch in found]
    except FileNotFoundError as fault:
        raise Stop(NOTHING_THERE, str(fault)) from fault
    except TableDamaged as fault:
        raise Stop(DAMAGED_TABLE, str(fault)) from fault


def _name(names: Names, budget: int) -> str:
    try:
        return names.of(budget)[1] or "other"
    except KeyError:
        return f"number {budget}"


@contextlib.contextmanager
def _stopped(runtime: Path) -> Iterator[None]:
    """While the firewall does not run.  Raises Stop."""
    if not runtime.is_dir():
        raise Stop(NOTHING_THERE, f"there is no runtime directory {runtime}")
    lock = MasterLock(runtime / "master.lock")
    try:
        yield
    finally:
        (runtime / "master.lock").write_text("")  # we were no master
        lock.release()


def _alone(table: Table) -> Table:
    if not table.reset_lock_if_alone():
        raise Stop(ANOTHER_MASTER, "processes of the firewall still use the table; try again")
    return table


def import_cells(runtime: Path, state: Path, cells: Sequence[SavedCell], anew: bool) -> int:
    """Raise cells to what was exported once; how many were raised.  Raises Stop: nothing happened.

    `anew`: there is no table, and what the checkpoints say is not looked at.
    """
    with _stopped(runtime):
        if anew:
            if (runtime / "table").exists():
                raise Stop(FAILED, f"there is a table in {runtime}: it is not replaced")
            (runtime / "table.id").unlink(missing_ok=True)
            table = Table.create(runtime / "table")
        else:
            table = opened(runtime, state).table
        with _alone(table):
            raised = _raise(table, cells)
            _write(table, state)
    return raised


def _raise(table: Table, cells: Sequence[SavedCell]) -> int:
    names = Names(table)
    known = {cell.key: cell for cell in snapshot(table.cells(), names)}
    lower = [c for c in cells if c.key in known and c.charged < known[c.key].charged]
    if lower:
        worst = lower[0]
        raise Stop(
            FAILED,
            f"{len(lower)} lines are below what is charged already, the first of budget"
            f" {worst.budget}: {usd(worst.charged)} instead of {usd(known[worst.key].charged)};"
            " an import never lowers anything, so nothing was changed",
        )
    raised, slot = 0, -1
    for cell in cells:
        index, generation = open_cell(table, cell)
        now = table.cell(index)
        if cell.charged <= now.charged:
            continue
        accrued = min(max(0, cell.accrued - now.accrued), cell.charged - now.charged)
        slot = slot_with_room(table, slot)
        for upto, is_accrued in ((cell.charged - accrued, False), (cell.charged, True)):
            journal.fill_correction(table.row(), time.time_ns(), Reason.CORRECTION)
            table.raise_charged(index, generation, upto, is_accrued, has_row=slot >= 0)
        raised += 1
    if slot >= 0:
        table.leave()
    return raised


def _write(table: Table, state: Path) -> None:
    """Both files, so that none of them is older than what was done."""
    files = CheckpointFiles(state)
    if not files.take():
        raise Stop(ANOTHER_MASTER, "a steward of the firewall still writes checkpoints; try again")
    try:
        for _ in checkpoints.NAMES:
            write_now(table, files, is_clean=table.is_clean)
    finally:
        files.release()


def repair(runtime: Path, state: Path) -> list[str]:
    """Mend a table, upwards only; what was done, sentence by sentence.  Raises Stop."""
    path = runtime / "table"
    with _stopped(runtime):
        try:
            with _alone(Table.attach(path)) as table:
                done = [*_recovered(table), *_recounted(table), *_caught_up(table, state)]
                _write(table, state)
            return done
        except FileNotFoundError as fault:
            raise Stop(NOTHING_THERE, str(fault)) from fault
        except TableDamaged as fault:
            return [str(fault), *_rebuilt(path, state)]


def _recovered(table: Table) -> Iterator[str]:
    for slot in table.slots():
        if slot.open_leases:
            done = table.recover(slot.slot, time.time_ns())
            yield (
                f"slot {slot.slot} of a dead process: {done.accrued} reservations were charged,"
                f" {usd(done.accrued_nusd)} together, and {done.voided} given back"
            )


def _recounted(table: Table) -> Iterator[str]:
    slot = slot_with_room(table, -1)
    names = Names(table)
    for cell in table.cells():
        journal.fill_correction(table.row(), time.time_ns(), Reason.CORRECTION)
        wrong = table.recount(cell.index, cell.generation)
        if wrong is not None:
            yield (
                f"cell {cell.index} of budget {_name(names, cell.budget)}: {usd(wrong.held)} were"
                f" held, its reservations come to {usd(wrong.held_by_leases)};"
                " what they do not explain is charged as accrued"
            )
    if slot >= 0:
        table.leave()


def _caught_up(table: Table, state: Path) -> Iterator[str]:
    """What the disk knows to be charged, the table must know as well."""
    try:
        known = checkpoints.found(state)
    except CheckpointsDamaged as fault:
        yield f"{fault}; they are written anew"
        return
    now = {cell.key: cell.charged for cell in snapshot(table.cells(), Names(table))}
    for cell in known.cells if known is not None else ():
        behind = cell.charged - now.get(cell.key, cell.charged)
        if behind > 0:
            index, generation = open_cell(table, cell)
            table.raise_charged(index, generation, cell.charged, True)
            yield f"a cell of budget {cell.budget} was {usd(behind)} behind its checkpoint: raised"


def _rebuilt(path: Path, state: Path) -> Iterator[str]:
    """A table that cannot be mended gives way to the checkpoint, charged up to its marks."""
    try:
        known = checkpoints.found(state)
    except CheckpointsDamaged as fault:
        raise Stop(DAMAGED_TABLE, str(fault)) from fault
    if known is None:
        raise Stop(DAMAGED_TABLE, f"and there is no checkpoint in {state} to make it from")
    aside = path.with_name(f"table.damaged-{time.time_ns() // 10**9}")
    os.rename(path, aside)
    (path.parent / "table.id").unlink(missing_ok=True)
    head = known.head._replace(is_clean=False)
    restored = make_restored(path, known._replace(head=head))
    yield f"the damaged table was set aside as {aside.name}"
    yield (
        f"{restored.cells} cells were made from checkpoint {head.sequence}; {restored.lost_cells}"
        " were charged up to what may have been spent"
    )
