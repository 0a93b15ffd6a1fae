"""Budget: the reservation in every budget of the exchange, all or nothing, one call into C."""

from __future__ import annotations

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Admitted, Stage
from s4fw.ledger.applied import Denial
from s4fw.ledger.budgets import Budgets
from s4fw.stages.exceed import Exceed


class Budget(Stage):
    """Blocks exactly if the quote does not fit one budget; equal fits."""

    name = "budget"

    def __init__(self, budgets: Budgets, exceed: Exceed) -> None:
        self._budgets = budgets
        self._exceed = exceed

    def admit(self, x: Exchange) -> Admitted:
        """Take the reservation, or say which budget it does not fit; some budgets then take a
        smaller one."""
        refused = self._budgets.reserve(x)
        return self._exceed.instead(x, refused) if isinstance(refused, Denial) else refused

    def sent(self, x: Exchange) -> None:
        """From here on a crash charges the whole reservation."""
        if x.reservation is not None:
            x.reservation.sent()
