"""How a budget stands for somebody, read from its cell."""

from __future__ import annotations

from s4fw.ledger.applied import AppliedCell
from s4fw.ledger.records import CellInfo
from s4fw.ledger.rule import BudgetRule


class Standing:
    """One budget in its current window, for one scope; amounts in nano-USD."""

    __slots__ = (
        "charged_nusd", "is_frozen", "limit_nusd", "resets_at", "rule", "scope", "used_nusd",
    )  # fmt: skip

    def __init__(self, cell: AppliedCell, info: CellInfo) -> None:
        self.rule: BudgetRule = cell.rule
        self.scope = cell.scope
        self.resets_at = cell.resets_at
        self.limit_nusd = cell.limit_nusd
        self.used_nusd = info.used
        self.charged_nusd = info.charged
        self.is_frozen = info.is_frozen
