"""Grey zone: where a calibrated bound lets through what the byte bound would refuse.

A calibrated bound can be passed.  That does no harm while a budget has room for the byte bound too;
where it has not, or is used up but for a tenth, the provider's own counter is asked, as with
`counting: exact`, while the reservation is held.  A count within what is held changes nothing.  For
a higher one, and for the byte bound where no answer comes in time, the reservation is taken anew,
if it fits.  A model that no counter knows stays with its calibrated bound.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.budgets import Budgets
from s4fw.stages.budget import Budget
from s4fw.stages.inputs import Ask, Estimate
from s4fw.stages.price import output_bound, price, worst_case

_TENTH: Final = 10


class GreyZone(Stage):
    """Looks at a reservation that was just taken: stands right behind `budget`."""

    name = "grey zone"

    def __init__(self, budget: Budget, budgets: Budgets, ask: Ask | None) -> None:
        self._budget = budget
        self._budgets = budgets
        self._ask = ask

    def admit(self, x: Exchange) -> Admitted:
        """Let it be, or find out more."""
        estimate: Estimate | None = x.estimate
        if self._ask is None or estimate is None or estimate.strict <= x.quote_tokens_in:
            return None
        if not self._is_risky(x, estimate):
            return None
        told = self._ask(x)
        if isinstance(told, Awaitable):
            return self._told_later(x, estimate, told)
        return None if told is None else self._hold(x, told)

    def _is_risky(self, x: Exchange, estimate: Estimate) -> bool:
        held_tokens, x.quote_tokens_in = x.quote_tokens_in, estimate.strict
        more_nusd = worst_case(x, output_bound(x))[1] - x.quote_nusd
        x.quote_tokens_in = held_tokens
        return any(
            left_nusd < more_nusd or left_nusd * _TENTH < limit_nusd
            for left_nusd, limit_nusd in self._budgets.left(x)
        )

    async def _told_later(
        self, x: Exchange, estimate: Estimate, waiting: Awaitable[int | None]
    ) -> Verdict:
        tokens = await waiting
        verdict = self._hold(x, estimate.strict if tokens is None else tokens)
        return await verdict if isinstance(verdict, Awaitable) else verdict

    def _hold(self, x: Exchange, tokens: int) -> Admitted:
        """Hold at least so many tokens of input."""
        if tokens <= x.quote_tokens_in:
            return None
        if x.reservation is not None:
            x.reservation.void(Reason.NOT_SENT, x)
            x.reservation = None
            x.budget_id = x.budget_resets_at = None  # of what is no longer held
        x.quote_tokens_in = tokens
        price(x)
        return self._budget.admit(x)
