"""What a cell of a journal row stands for: its budget, window and scope, as the ledger names them.

A cell's index is used again, its (index, generation) never.  Cells are closed minutes after their
window, and not while the ledger is behind, so a row's cells are still there when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from s4fw.core.attribution import DIMENSIONS, OTHER
from s4fw.ledger.lines import Names
from s4fw.ledger.rule import BudgetRule
from s4fw.ledger.table import CellInfo, Table
from s4fw.ledger.window import KINDS, end_of, iso

UNKNOWN: Mapping[str, Any] = {"budget": None}  # it was closed before its row was written


class CellScopes:
    """Looks cells up, all at once when one is not known yet."""

    def __init__(
        self,
        table: Table,
        budget_name: Callable[[int], str],
        rule_of: Callable[[int], BudgetRule | None],
    ) -> None:
        self._table = table
        self._budget_name = budget_name
        self._rule_of = rule_of
        self._cells: dict[tuple[int, int], CellInfo] = {}

    def adopt(self, names: Names) -> None:
        self._names = names

    def of(self, cell: tuple[int, int]) -> Mapping[str, Any]:
        """The content of the cell's line.  Called once for each cell and segment."""
        info = self._cells.get(cell)
        if info is None:
            self._cells = {(c.index, c.generation): c for c in self._table.cells()}
            info = self._cells.get(cell)
        return UNKNOWN if info is None else self._described(info)

    def _described(self, cell: CellInfo) -> dict[str, Any]:
        kind = KINDS[cell.kind]
        scope = {}
        for value_id in cell.ids:
            dimension, text = self._table.value(value_id)
            name = DIMENSIONS[dimension]
            value = OTHER if self._table.is_other(value_id) else text.decode()
            scope[name] = self._names.of(name, value) or ""
        content: dict[str, Any] = {
            "budget": self._budget_name(cell.budget),
            "window": kind,
            "scope": scope,
        }
        if kind != "total":
            content["starts_at"] = iso(cell.start_s)
            rule = self._rule_of(cell.budget)
            if rule is not None:
                content["resets_at"] = iso(end_of(kind, cell.start_s, rule.zone))
        return content
