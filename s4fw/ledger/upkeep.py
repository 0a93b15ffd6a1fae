"""Upkeep of the cells: opening the next windows, closing what is over, limits after a reload.

Only the steward and the master do this; a worker never closes a cell, it only opens what it needs.
Nothing here is needed for the cap to hold: without it the first request of a window would open its
cells itself, and closed windows would merely take up room.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic_ns

from s4fw.core.attribution import DIMENSIONS, OTHER
from s4fw.ledger.rule import Budget, BudgetRule, rules_of
from s4fw.ledger.table import CellInfo, Table
from s4fw.ledger.window import KINDS, Clock, end_of

OPEN_AHEAD_S = 60  # the next window's cells of live keys are opened this long before it starts
REMOVED_IDLE_S = 30 * 86400.0  # a removed budget may come back; for so long its spend is kept
LINGER_S = 300  # a window that is over stays readable this long: late settles, last look


class Upkeep:
    """The chores over all cells, for one configuration."""

    def __init__(self, table: Table, budgets: Sequence[Budget], clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._rules = {rule.value_id: rule for rule in rules_of(table, budgets)}

    def _rule_of(self, cell: CellInfo) -> BudgetRule | None:
        """The rule a cell is for; None where there is none or it has another scope or window by
        now, so that the cell only waits for its end."""
        rule = self._rules.get(cell.budget)
        if rule is None or rule.kind != cell.kind:
            return None
        dimensions = tuple(self._table.value(value_id)[0] for value_id in cell.ids)
        return rule if dimensions == rule.dimensions else None

    def _scope_of(self, cell: CellInfo) -> tuple[str, ...]:
        """The values a cell is for, in the order of its budget's dimensions."""
        return tuple(
            OTHER if self._table.is_other(value_id) else self._table.value(value_id)[1].decode()
            for value_id in cell.ids
        )

    def open_next(self) -> int:
        """Open the next window's cell of each key that is live now; returns how many."""
        opened = 0
        for cell, rule, ends_s in self._current():
            if ends_s - self._clock.now_ns() // 1_000_000_000 > OPEN_AHEAD_S:
                continue
            scope = self._scope_of(cell)
            self._table.claim(
                rule.value_id,
                rule.kind,
                ends_s,
                cell.ids,
                rule.enforced_limit_of(scope),
                rule.limit_of(scope),
            )
            opened += 1
        return opened

    def _current(self) -> list[tuple[CellInfo, BudgetRule, int]]:
        """The cells of current calendar windows with their rule and the window's end."""
        current = []
        for cell in self._table.cells():
            kind = KINDS[cell.kind]
            if kind == "total" or not cell.used:
                continue
            rule = self._rule_of(cell)
            if rule is not None and cell.start_s == self._clock.start_of(kind, rule.zone):
                current.append((cell, rule, end_of(kind, cell.start_s, rule.zone)))
        return current

    def close_over(self) -> int:
        """Close cells whose window is over or which idled; the table refuses where money is held.

        Returns how many were closed.
        """
        now_s = self._clock.now_ns() // 1_000_000_000
        closed = 0
        for cell in self._table.cells():
            if cell.open_leases == 0 and self._is_over(cell, now_s):
                closed += self._table.close_cell(cell.index, cell.generation)
        return closed

    def _is_over(self, cell: CellInfo, now_s: int) -> bool:
        rule = self._rules.get(cell.budget)
        kind = KINDS[cell.kind]
        if kind == "total":
            idle_s = rule.budget.idle_s if rule is not None else REMOVED_IDLE_S
            idle_ns = monotonic_ns() - cell.touched_ns
            return idle_s is not None and idle_ns > idle_s * 1_000_000_000
        zone = rule.zone if rule is not None else None
        return end_of(kind, cell.start_s, zone) + LINGER_S <= now_s

    def apply_limits(self) -> int:
        """Write the limits of this configuration into all open cells; returns how many changed.

        The master calls it after a reload, once every worker acknowledged the configuration.
        """
        changed = 0
        for cell in self._table.cells():
            rule = self._rule_of(cell)
            if rule is None:
                continue
            scope = self._scope_of(cell)
            limit, stated = rule.enforced_limit_of(scope), rule.limit_of(scope)
            if (cell.limit, cell.stated) != (limit, stated):
                changed += self._table.set_limit(cell.index, cell.generation, limit, stated)
        return changed

    def describe(self, cell: CellInfo) -> tuple[BudgetRule, dict[str, str], int | None] | None:
        """A cell of a current window for people: its rule, named scope and end; None for others."""
        rule = self._rule_of(cell)
        if rule is None:
            return None
        kind = KINDS[cell.kind]
        if cell.start_s != self._clock.start_of(kind, rule.zone):
            return None
        names = [DIMENSIONS[dimension] for dimension in rule.dimensions]
        scope = dict(zip(names, self._scope_of(cell), strict=True))
        ends_s = None if kind == "total" else end_of(kind, cell.start_s, rule.zone)
        return rule, scope, ends_s

    def open_undivided(self) -> None:
        """Open the cells of budgets without dimensions, so that they are seen from the start."""
        for rule in self._rules.values():
            if not rule.dimensions:
                start_s = self._clock.start_of(rule.budget.window, rule.zone)
                self._table.claim(
                    rule.value_id,
                    rule.kind,
                    start_s,
                    (),
                    rule.enforced_limit_of(()),
                    rule.limit_of(()),
                )
