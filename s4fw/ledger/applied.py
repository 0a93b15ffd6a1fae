"""The cells that one attribution must fit, resolved for the windows of now, and how they refuse."""

from __future__ import annotations

from typing import Any

from s4fw.core.verdict import Block
from s4fw.errors import BUDGET_EXCEEDED
from s4fw.ledger.rule import BudgetRule
from s4fw.ledger.table import CellSet
from s4fw.ledger.window import for_people, iso
from s4fw.units import usd


class Denial(Block):
    """The refusal of a quote that does not fit a budget, and what is left of that one."""

    __slots__ = ("budget", "left_nusd")

    def __init__(self, message: str, detail: dict[str, Any], budget: str, left_nusd: int) -> None:
        super().__init__(BUDGET_EXCEEDED, message, detail)
        self.budget = budget  # its id
        self.left_nusd = left_nusd


class AppliedCell:
    """One cell an exchange must fit, with what is said about it to people and in headers."""

    __slots__ = ("_told", "ends_s", "limit_nusd", "resets_at", "rule", "scope", "warn")

    def __init__(self, rule: BudgetRule, scope: tuple[str, ...], ends_s: int) -> None:
        self.rule = rule
        self.scope = scope
        self.ends_s = ends_s
        self.limit_nusd = rule.limit_of(scope)
        self.resets_at = None if rule.budget.window == "total" else iso(ends_s)
        # Highest threshold first: (amount, text of the header).
        self.warn = [
            (self.limit_nusd * permille // 1000, f"{rule.id} {permille / 10:g}%")
            for permille in sorted(rule.budget.warn_at, reverse=True)
        ]
        self._told: tuple[str, str, dict[str, Any]] | None = None

    @property
    def is_shared_by_keys(self) -> bool:
        """Whether an enforced limit is for several callers together."""
        return not self.rule.is_shadow and "key" not in self.rule.budget.per

    def refusal(self, quote_nusd: int, used_nusd: int) -> Denial:
        """The refusal of a quote that does not fit: which budget, how much, until when, whom to
        ask.  A budget that callers may not see tells no amounts."""
        if self._told is None:
            self._told = self._what_is_told()
        name, rest, detail = self._told
        left_nusd = max(0, self.limit_nusd - used_nusd)
        message = f"not sent. It could cost up to {usd(quote_nusd)} and budget {name} has "
        if not self.rule.is_shown:
            message += f"less than that left{rest}"
            return Denial(message, detail | {"requested_nusd": quote_nusd}, self.rule.id, left_nusd)
        message += f"{usd(left_nusd)} left of {usd(self.limit_nusd)}{rest}"
        amounts = {
            "limit_nusd": self.limit_nusd,
            "used_nusd": used_nusd,
            "remaining_nusd": left_nusd,
            "requested_nusd": quote_nusd,
        }
        return Denial(message, detail | amounts, self.rule.id, left_nusd)

    def _what_is_told(self) -> tuple[str, str, dict[str, Any]]:
        """What is the same in each refusal of this cell: name, end of the sentence, detail."""
        budget = self.rule.budget
        scope = dict(zip(budget.per, self.scope, strict=True))
        name = budget.id
        if scope:
            name += f" ({', '.join(f'{k} {v}' for k, v in scope.items())})"
        rest = f" until {for_people(self.ends_s)}." if self.resets_at else "."
        if budget.owner:
            rest += f" Ask {budget.owner}."
        detail = {
            "budget_id": budget.id,
            "scope": scope,
            "window": budget.window,
            "resets_at": self.resets_at,
        }
        return name, rest, detail


class Applied:
    """All cells of one attribution in the current windows."""

    __slots__ = ("cell_set", "cells", "places", "shown", "until_ns", "values", "warned")

    def __init__(
        self,
        cell_set: CellSet,
        cells: list[AppliedCell],
        places: list[tuple[int, int]],
        values: tuple[int, ...],
        until_ns: int,
    ) -> None:
        self.cell_set = cell_set
        self.cells = cells
        self.places = places  # index and generation of each cell
        self.values = values
        self.until_ns = until_ns  # by the accepted clock: when the first of its windows ends
        self.shown = [(i, c) for i, c in enumerate(cells) if c.rule.is_shown]
        self.warned = [(i, c) for i, c in self.shown if c.warn]
