"""A budget as the ledger sees it: scope, window and limit, prepared for the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from s4fw.core.attribution import DIMENSION_INDEX, DIMENSIONS
from s4fw.ledger.table import Sizes, Table
from s4fw.ledger.window import KIND_INDEX
from s4fw.units import NUSD_MAX

BUDGET_DIMENSION: Final = len(DIMENSIONS)  # budget ids are interned beside the values


class Override(Protocol):
    """A limit of its own for one scope of a budget."""

    @property
    def scope(self) -> dict[str, str]: ...
    @property
    def limit_nusd(self) -> int: ...


class Budget(Protocol):
    """What the configuration says of one budget (see `s4fw.config`)."""

    @property
    def id(self) -> str: ...
    @property
    def per(self) -> Sequence[str]: ...
    @property
    def window(self) -> str: ...
    @property
    def timezone(self) -> str | None: ...
    @property
    def limit_nusd(self) -> int: ...
    @property
    def mode(self) -> str: ...
    @property
    def overrides(self) -> Sequence[Override]: ...
    @property
    def warn_at(self) -> Sequence[int]: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def visible(self) -> bool: ...
    @property
    def idle_s(self) -> float | None: ...
    @property
    def was(self) -> str | None: ...


class BudgetRule:
    """One budget, prepared: its limit by scope, its window, what callers may see."""

    __slots__ = (
        "budget",
        "dimensions",
        "id",
        "is_shadow",
        "is_shown",
        "kind",
        "limits",
        "value_id",
        "zone",
    )

    def __init__(self, budget: Budget, value_id: int) -> None:
        self.budget = budget
        self.id = budget.id
        self.value_id = value_id
        self.kind = KIND_INDEX[budget.window]
        self.zone = ZoneInfo(budget.timezone) if budget.timezone else None
        self.dimensions = tuple(DIMENSION_INDEX[name] for name in budget.per)
        self.is_shadow = budget.mode == "shadow"
        self.is_shown = bool(budget.per) or budget.visible
        self.limits = {
            tuple(override.scope[name] for name in budget.per): override.limit_nusd
            for override in budget.overrides
        }

    def values_in(self, values: Sequence[str | None]) -> tuple[str, ...] | None:
        """The scope of an attribution under this budget; None where the budget does not apply."""
        scope = []
        for dimension in self.dimensions:
            value = values[dimension]
            if value is None:
                return None
            scope.append(value)
        return tuple(scope)

    def limit_of(self, scope: tuple[str, ...]) -> int:
        """The stated limit of one scope in nano-USD."""
        return self.limits.get(scope, self.budget.limit_nusd)

    def enforced_limit_of(self, scope: tuple[str, ...]) -> int:
        """The limit the table enforces: none for a shadow budget, which only counts."""
        return NUSD_MAX if self.is_shadow else self.limit_of(scope)


def rules_of(table: Table, budgets: Sequence[Budget]) -> list[BudgetRule]:
    """The rules of a configuration, in its order.

    A budget's id is interned, so its cells are found again after a restart or a reload.  A renamed
    budget (`was: old-id`) goes on under the interned id of its old name, with all its spend.
    """
    return [
        BudgetRule(budget, table.intern(BUDGET_DIMENSION, (budget.was or budget.id).encode()))
        for budget in budgets
    ]


# Dimensions whose values come and go for ever.
_ENDLESS: Final = ("customer", "agent", "session")
# How many windows of a kind have cells at once, those that just ended and wait to be closed
# included (see `upkeep`); all others: this one and the last.
_WINDOWS_AT_ONCE: Final = {"minute": 7, "total": 1}


def values_that_fit(
    rules: Sequence[BudgetRule], sizes: Sizes, values_max: Mapping[str, int]
) -> dict[str, int]:
    """How many values of each dimension are told apart: as configured, but of those that come and
    go for ever not more than the table can hold beside all others.

    A full table refuses everybody, and a refused request opens cells as well; so without this
    bound one caller with new sessions could stop all spending.  A quarter of the cells, and of the
    values, is kept for the rest.
    """
    fit = dict(values_max)
    windows = sum(
        _WINDOWS_AT_ONCE.get(rule.budget.window, 2)
        for rule in rules
        if not set(_ENDLESS).isdisjoint(rule.budget.per)
    )
    for dimension in _ENDLESS:
        room = sizes.values // 4
        if any(dimension in rule.budget.per for rule in rules):
            room = min(room, sizes.cells * 3 // 4 // windows)
        fit[dimension] = max(1, min(fit.get(dimension) or room, room))
    return fit
