"""The cells of a table by names, for what outlives the table; and a table filled from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger.checkpoint import Checkpoint, SavedCell
from s4fw.ledger.records import other_id
from s4fw.ledger.rule import BUDGET_DIMENSION
from s4fw.ledger.table import MARKED_FROM, CellInfo, Table, TableFull
from s4fw.units import NUSD_MAX


class Names:
    """Remembers what ids of one table stand for.  Forget them when ids were freed."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names: dict[int, tuple[int, str | None]] = {}

    def forget(self) -> None:
        self._names.clear()

    def of(self, value_id: int) -> tuple[int, str | None]:
        """Dimension and text; no text for the dimension's `other`.  Raises KeyError."""
        name = self._names.get(value_id)
        if name is None:
            dimension, text = self._table.value(value_id)
            is_other = self._table.is_other(value_id)
            name = self._names[value_id] = (dimension, None if is_other else text.decode())
        return name

    def saved(self, cell: CellInfo) -> SavedCell | None:
        """A cell by names; None for one that counts no money."""
        dimension, budget = self.of(cell.budget)
        if dimension != BUDGET_DIMENSION or budget is None:
            return None
        return SavedCell(
            budget,
            cell.kind,
            cell.start_s,
            tuple(self.of(value_id) for value_id in cell.ids),
            cell.limit,
            cell.stated,
            cell.used,
            cell.charged,
            cell.accrued,
            cell.mark if cell.kind >= MARKED_FROM else 0,
        )


def snapshot(cells: Iterable[CellInfo], names: Names) -> list[SavedCell]:
    """All cells with money, by names."""
    saved = []
    for cell in cells:
        one = names.saved(cell)
        if one is not None:
            saved.append(one)
    return saved


def frozen_names(table: Table, names: Names) -> tuple[str | None, ...]:
    """What is frozen: budgets by name, None for everything."""
    return tuple(names.of(value_id)[1] if value_id else None for value_id in table.frozen())


class Restored(NamedTuple):
    """What came back."""

    cells: int
    lost_cells: int  # of them: charged up to their durable mark
    lost_nusd: int  # the largest amount so charged in one cell: cells overlap, no sum means much


def worst_of(cell: SavedCell) -> int:
    """What may have been spent from a cell by the moment the machine died."""
    held_too = max(cell.used, cell.charged)
    return max(held_too, cell.mark) if cell.kind >= MARKED_FROM else held_too


def restore(table: Table, checkpoint: Checkpoint, at_ns: int) -> Restored:
    """Bring a checkpoint into a table that no other process uses; no cell is ever lowered.

    A checkpoint of a stop in order is brought in exactly.  Any other is charged up to what may have
    been spent, as accrued, with a journal row for each such cell.  May be cut off and begun anew.
    """
    lost_cells = lost_nusd = 0
    slot = -1
    for cell in sorted(checkpoint.cells, key=_is_shared):
        index, generation = open_cell(table, cell)
        spent = min(cell.charged, NUSD_MAX - 1)
        table.raise_charged(index, generation, spent - min(cell.accrued, spent), False)
        table.raise_charged(index, generation, spent, True)
        if checkpoint.head.is_clean:
            continue
        worst = min(worst_of(cell), NUSD_MAX - 1)
        now = table.cell(index).charged
        if worst <= now:
            continue
        slot = slot_with_room(table, slot)
        journal.fill_correction(table.row(), at_ns, Reason.POWER_LOSS)
        table.raise_charged(index, generation, worst, True, has_row=slot >= 0)
        lost_cells, lost_nusd = lost_cells + 1, max(lost_nusd, worst - now)
    if slot >= 0:
        table.leave()
    for budget in checkpoint.head.frozen:
        table.freeze(0 if budget is None else table.intern(BUDGET_DIMENSION, budget.encode()))
    return Restored(len(checkpoint.cells), lost_cells, lost_nusd)


def open_cell(table: Table, cell: SavedCell) -> tuple[int, int]:
    """Find or open a saved cell in another table: index and generation."""
    ids = [
        other_id(dimension) if text is None else table.intern(dimension, text.encode())
        for dimension, text in cell.names
    ]
    budget = table.intern(BUDGET_DIMENSION, cell.budget.encode())
    return table.claim(budget, cell.kind, cell.start_s, ids, cell.limit, cell.stated)


def _is_shared(cell: SavedCell) -> bool:
    """Whether a cell is for no values, or nothing but `other`: the last room is kept for those."""
    return all(text is None for _, text in cell.names)


def slot_with_room(table: Table, slot: int) -> int:
    """A slot joined by this process whose ring takes one more row; -1: all are full, and the row,
    not the money, is given up."""
    if slot >= 0:
        if table.ring_lag(slot) + 1 < table.sizes.rows:
            return slot
        table.leave()
    try:
        slot = table.free_slot()
    except TableFull:
        return -1
    table.join(slot)
    return slot
