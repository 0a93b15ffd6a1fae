"""Budget: the reservation in every budget of the exchange, all or nothing, one call into C."""

from __future__ import annotations

from collections.abc import Awaitable

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.applied import Denial
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.marks import Unmarked
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
        verdict: Admitted = self._budgets.reserve(x)
        if verdict is None:
            return None
        if isinstance(verdict, Denial):
            verdict = self._exceed.instead(x, verdict)
        if isinstance(verdict, Unmarked):
            return self._budgets.reserve_marked(x)
        return self._then_marked(x, verdict) if isinstance(verdict, Awaitable) else verdict

    async def _then_marked(self, x: Exchange, waiting: Awaitable[Verdict]) -> Verdict:
        verdict = await waiting
        return await self._budgets.reserve_marked(x) if isinstance(verdict, Unmarked) else verdict

    def sent(self, x: Exchange) -> None:
        """From here on a crash charges the whole reservation."""
        if x.reservation is not None:
            x.reservation.sent()
