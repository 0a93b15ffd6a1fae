"""Budget: the reservation in every budget of the exchange, all or nothing, one call into C."""

from __future__ import annotations

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.budgets import Budgets


class Budget(Stage):
    """Blocks exactly if the quote does not fit one budget; equal fits."""

    name = "budget"

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    def admit(self, x: Exchange) -> Verdict:
        """Take the reservation, or say which budget it does not fit."""
        return self._budgets.reserve(x)

    def sent(self, x: Exchange) -> None:
        """From here on a crash charges the whole reservation."""
        if x.reservation is not None:
            x.reservation.sent()
