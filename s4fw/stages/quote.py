"""Quote: the worst-case price of a request before it runs.

Input tokens counted now, output tokens at their bound, both at the dearest rate the request can
meet.  Pure arithmetic after the count; counts are remembered by keyed hash, so a transcript that
grew costs only its new suffix.
"""

from __future__ import annotations

from collections.abc import Callable

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange, Offload
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block
from s4fw.errors import UNBOUNDED_REQUEST, UNKNOWN_MODEL
from s4fw.pricing import RateCard, quote_nusd
from s4fw.tokens import BYTES, TokenCounter

# tiktoken takes about 45 us for 1 kB of English (108 kB: 4.8 ms); up to this size it is counted at
# once and stays below 2 ms, a larger rest is counted in a thread.
INLINE_BYTES = 32 * 1024

# Beside its bytes, what a model without a public tokenizer may add for a request: 64 flat, and 700
# for a hidden prompt that explains tools (the largest known is 530).
BYTES_EXTRA = 64 + 700

_COUNTED = COUNTER_INDEX["tokens_counted"]


class Quote(Stage):
    """What the request could cost at worst, in `x.quote_nusd`."""

    name = "quote"

    def __init__(
        self, rates: RateCard, tokens: TokenCounter, offload: Offload, counters: memoryview
    ) -> None:
        self._rates = rates
        self._tokens = tokens
        self._offload = offload
        self._counters = counters

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
        return self._count(x)

    def _count(self, x: Exchange) -> Admitted:
        """Count what is not remembered, here or in a thread, then price."""
        request = x.request
        encoding = self._tokens.encoding_for(request.model) or BYTES
        known, pending = 0, []
        for run in request.runs:
            tokens, at = self._tokens.seek(encoding, run)
            known += tokens
            if at < len(run.spans):
                pending.append((run, tokens, at))
        if not pending:
            self._price(x, known, encoding)
            return None

        def count() -> int:
            return sum(
                self._tokens.count(encoding, request.body, run, tokens, at) - tokens
                for run, tokens, at in pending
            )

        if sum(self._tokens.pending_bytes(run, at) for run, _, at in pending) > INLINE_BYTES:
            return self._wait(x, known, encoding, count)
        self._counted(x, known, encoding, count())
        return None

    async def _wait(self, x: Exchange, known: int, encoding: str, count: Callable[[], int]) -> None:
        self._counted(x, known, encoding, await self._offload(count))

    def _counted(self, x: Exchange, known: int, encoding: str, more: int) -> None:
        self._counters[_COUNTED] += more
        self._price(x, known + more, encoding)

    @staticmethod
    def _price(x: Exchange, tokens: int, encoding: str) -> None:
        request, row = x.request, x.price
        tokens_in = tokens + request.tokens_extra
        if encoding is BYTES:
            tokens_in += BYTES_EXTRA
            if row.max_in is not None:
                # A model reads no more than its context; of several prompts, each may fill it.
                tokens_in = min(tokens_in, row.max_in * request.choices)
        if request.is_context_bound:
            tokens_in = max(tokens_in, row.max_in)
        bound, most = request.output_tokens_max, row.max_out
        if bound is None or (most is not None and most < bound):
            bound = most
        tokens_out = request.choices * (bound + request.output_tokens_extra)
        x.quote_tokens_in = tokens_in
        x.quote_tokens_out = tokens_out
        # Each turn of tools that the provider runs reads the whole input again, at most a context.
        x.quote_nusd = quote_nusd(
            row,
            tokens_in * request.input_turns,
            tokens_out,
            request.tier,
            request.cache,
            multiplier=row.multiplier(request.speed, request.geo),
            searches=request.searches_max,
        )
