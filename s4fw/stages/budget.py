"""Budget: the reservation in every budget of the exchange, all or nothing, one call into C."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.applied import Denial
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.marks import Unmarked
from s4fw.stages.exceed import Before, Exceed

TRIES: Final = 8  # each fails only if others took what was left while it waited


class Budget(Stage):
    """Blocks exactly if the quote does not fit one budget; equal fits."""

    name = "budget"

    def __init__(self, budgets: Budgets, exceed: Exceed) -> None:
        self._budgets = budgets
        self._exceed = exceed

    def admit(self, x: Exchange) -> Admitted:
        """Take the reservation, or say which budget it does not fit; some budgets then take a
        smaller one."""
        verdict = self._budgets.reserve(x)
        if verdict is None or (isinstance(verdict, Denial) and not self._exceed.knows(verdict)):
            return verdict
        before = Before(x)
        made = self._exceed.instead(x, verdict) if isinstance(verdict, Denial) else verdict
        if isinstance(made, Awaitable):
            return self._later(x, made, before)
        return self._marked(x, before) if isinstance(made, Unmarked) else made

    async def _later(self, x: Exchange, waiting: Awaitable[Verdict], before: Before) -> Verdict:
        verdict = await waiting
        return await self._marked(x, before) if isinstance(verdict, Unmarked) else verdict

    async def _marked(self, x: Exchange, before: Before) -> Verdict:
        """Wait for a durable mark.  Where others took meanwhile what was left, begin anew with the
        request as it came."""
        verdict: Verdict = None
        for _ in range(TRIES):
            verdict = await self._budgets.reserve_marked(x)
            if not isinstance(verdict, Denial):
                return verdict
            if not before.is_same(x):  # else it was just refused, and counted, as it came
                before.restore(x)
                verdict = self._budgets.reserve(x)
            if isinstance(verdict, Denial):
                made = self._exceed.instead(x, verdict)
                verdict = await made if isinstance(made, Awaitable) else made
            if not isinstance(verdict, Unmarked):
                return verdict
        return verdict

    def sent(self, x: Exchange) -> None:
        """From here on a crash charges the whole reservation."""
        if x.reservation is not None:
            x.reservation.sent()
