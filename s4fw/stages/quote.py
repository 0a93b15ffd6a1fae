"""Quote: the worst-case price of a request before it runs.

Input tokens at their bound (see `stages.inputs`), output tokens at theirs, both at the dearest rate
the request can meet (see `stages.price`).
"""

from __future__ import annotations

from collections.abc import Awaitable

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block
from s4fw.errors import UNBOUNDED_REQUEST, UNKNOWN_MODEL
from s4fw.pricing import RateCard
from s4fw.stages.inputs import Inputs
from s4fw.stages.price import price


class Quote(Stage):
    """What the request could cost at worst, in `x.quote_nusd`."""

    name = "quote"

    def __init__(self, rates: RateCard, inputs: Inputs) -> None:
        self._rates = rates
        self._inputs = inputs

    def admit(self, x: Exchange) -> Admitted:
        """Price the request; refuses models without a price and requests without a bound."""
        request = x.request
        row = self._rates.row(request.model, x.route.provider, x.upstream)
        if row is None:
            return Block(
                UNKNOWN_MODEL,
                "not sent. The firewall has no price for this model; add one under "
                "pricing.overrides.",
            )
        x.price = row
        if request.is_context_bound and row.max_in is None:
            return Block(
                UNBOUNDED_REQUEST,
                "not sent. Part of the input is kept by the provider, and this model's context is "
                "not known; set max_input_tokens under pricing.overrides.",
            )
        if request.speed is not None and request.speed not in row.multipliers:
            return Block(UNBOUNDED_REQUEST, "not sent. This model has no price at that speed.")
        if request.searches_max and row.search_pusd is None:
            return Block(UNBOUNDED_REQUEST, "not sent. A web search of this model has no price.")
        if request.output_tokens_max is None and row.max_out is None:
            return Block(
                UNBOUNDED_REQUEST,
                "not sent. This model's longest answer is not known; set max_completion_tokens.",
            )
        waiting = self._inputs.bound(x)
        if waiting is not None:
            return self._later(x, waiting)
        price(x)
        return None

    @staticmethod
    async def _later(x: Exchange, waiting: Awaitable[None]) -> None:
        await waiting
        price(x)
