"""Which budget a journal row's cell belongs to, for events that people read."""

from __future__ import annotations

import time
from collections.abc import Callable

from s4fw.ledger.table import Table

SCAN_EACH_S = 1.0  # a scan of all cells takes milliseconds; a storm of events must not repeat it


class CellNames:
    """Remembers (cell, generation) -> budget id; a cell that is closed already tells nothing."""

    def __init__(self, table: Table, budget_name: Callable[[int], str]) -> None:
        self._table = table
        self._budget_name = budget_name
        self._budgets: dict[tuple[int, int], int] = {}
        self._scanned_s = 0.0

    def of(self, cell: tuple[int, int]) -> str | None:
        """The id of the budget, None where it is not known (any more)."""
        budget = self._budgets.get(cell)
        if budget is None and time.monotonic() - self._scanned_s > SCAN_EACH_S:
            self._scanned_s = time.monotonic()
            self._budgets = {(c.index, c.generation): c.budget for c in self._table.cells()}
            budget = self._budgets.get(cell)
        return None if budget is None else self._budget_name(budget)
