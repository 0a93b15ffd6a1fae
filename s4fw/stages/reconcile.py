"""Reconcile: what an exchange did cost, settled against what was held for it.

Money errs toward spent.  The provider's own usage settles exactly, whatever happened around it;
a reservation is given back only when provably nothing was charged; everything else is charged at
worst case and shown as accrued, with its reason.
"""

from __future__ import annotations

from typing import Final, Protocol

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange, Reservation
from s4fw.core.reason import Reason
from s4fw.core.stage import Stage
from s4fw.core.usage import Usage
from s4fw.core.verdict import Block
from s4fw.errors import BUDGET_EXCEEDED, INVALID_API_KEY, RATE_LIMITED, Source
from s4fw.pricing import RateCard, cost_nusd
from s4fw.stages.inputs import Estimate
from s4fw.tokens.factors import Factors

# Refused before any work was done, so not billed: OpenAI bills completed requests only
# (platform.openai.com/docs/guides/error-codes).  500, 502, 503 and 529 at once, without a body of
# tokens, are failures of the same kind.  408 and 504 are not here: the work may have been done.
UNBILLED: Final = frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 502, 503, 529})


class Refusals(Protocol):
    """Where refused exchanges are written down."""

    def journal_block(self, x: Exchange) -> None:
        """Journal an exchange that cost nothing."""


class Reconcile(Stage):
    """Resolves every reservation, once, and counts what became of the exchange."""

    name = "reconcile"
    is_for_free_routes = True

    def __init__(
        self,
        refusals: Refusals,
        rates: RateCard,
        counters: memoryview,
        factors: Factors | None = None,
    ) -> None:
        self._refusals = refusals
        self._rates = rates
        self._counters = counters
        self._factors = factors

    def finish(self, x: Exchange) -> None:
        """Settle, accrue or give back."""
        reservation = x.reservation
        if x.is_sent:
            self._count("upstream_requests")
        if reservation is None:
            self._finish_unreserved(x)
            return
        self._count("allowed")
        if x.clamped_to:
            self._count("clamped")
        if x.rerouted_to is not None:
            self._count("rerouted")
        if x.shadow_reason:
            self._count("shadow_blocked")
        reason = self._reason_not_to_settle(x)
        if reason is None:
            self._settle(x, reservation)
        elif reason in (Reason.NOT_SENT, Reason.UNBILLED_STATUS):
            reservation.void(reason, x)
            x.billed_nusd, x.outcome = 0, "voided"
            self._count("voided")
        else:
            reservation.accrue(reason, x)
            x.billed_nusd, x.outcome = reservation.amount_nusd, "accrued"
            self._count("accrued")

    @staticmethod
    def _reason_not_to_settle(x: Exchange) -> Reason | None:
        """Why the exchange is not simply charged what the provider reported; None: it is."""
        if not x.is_sent:
            return Reason.NOT_SENT
        meter = x.meter
        if meter is not None and meter.is_implausible:
            return Reason.IMPLAUSIBLE_USAGE
        if meter is not None and meter.usage is not None:
            return None
        if x.status in UNBILLED:
            return Reason.UNBILLED_STATUS
        if x.reason is not Reason.USAGE:
            return x.reason
        if meter is not None and meter.saw_error:
            return Reason.ERROR_EVENT
        if not 200 <= x.status < 300:
            return Reason.UNKNOWN_STATUS
        return Reason.NO_USAGE

    def _settle(self, x: Exchange, reservation: Reservation) -> None:
        assert x.meter is not None
        usage = x.meter.usage
        assert usage is not None
        cost = self._cost(x, usage)
        for other in usage.others:
            cost += self._cost(x, other)
        reservation.settle(cost, x)
        x.billed_nusd, x.outcome = cost, "settled"
        self._count("settled")
        if cost > reservation.amount_nusd:
            self._count("overruns")
        self._compare(x, usage.input)

    def _compare(self, x: Exchange, tokens_in: int) -> None:
        """Compare the input that was billed with its bound, and learn from it."""
        is_overshoot = tokens_in > x.quote_tokens_in * x.request.input_turns
        if is_overshoot:
            self._count("input_overshoots")
        estimate: Estimate | None = x.estimate
        if estimate is None or self._factors is None:
            return
        if estimate.may_lower or is_overshoot:
            actual = max(0, tokens_in - estimate.flat)
            self._factors.learn(estimate.family, estimate.tokens, actual, is_overshoot)

    def _cost(self, x: Exchange, usage: Usage) -> int:
        """What one run of a model cost, at the rates of the one that ran."""
        row = x.price
        # An answer that does not say how it was run was run as it was asked for.
        usage.speed = usage.speed or x.request.speed
        usage.geo = usage.geo or x.request.geo
        if usage.model is not None and usage.model != x.request.model:
            row = self._rates.row_of_answer(usage.model, row, x.route.provider, x.upstream)
        return cost_nusd(row, usage, usage.tier or x.request.tier)

    def _finish_unreserved(self, x: Exchange) -> None:
        block = x.block
        if block is None:
            x.outcome = "free"
            return
        x.outcome = "blocked"
        self._count(_counter_of(block))
        self._refusals.journal_block(x)

    def _count(self, name: str) -> None:
        self._counters[COUNTER_INDEX[name]] += 1


def _counter_of(block: Block) -> str:
    if block.code is BUDGET_EXCEEDED:
        return "blocked_budget"
    if block.code is RATE_LIMITED:
        return "rate_limited"
    if block.code is INVALID_API_KEY:
        return "unauthorized"
    if block.code.source is Source.DOWNSTREAM:
        return "invalid"
    return "internal_errors" if block.code.source is Source.INTERNAL else "blocked_policy"
