"""Quote: the worst-case price of a request before it runs.

Input tokens counted now, output tokens at their bound, both at the dearest rate the request can
meet.  Pure arithmetic after the count; counts are remembered by keyed hash, so a transcript that
grew costs only its new suffix.
"""

from __future__ import annotations

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange, Offload
from s4fw.core.request import Request
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block
from s4fw.errors import UNBOUNDED_REQUEST, UNKNOWN_MODEL
from s4fw.pricing import RateCard, quote_nusd
from s4fw.tokens import TokenCounter

# tiktoken takes about 45 us for 1 kB of English (108 kB: 4.8 ms); up to this size it is counted at
# once and stays below 2 ms, a larger rest is counted in a thread.
INLINE_BYTES = 32 * 1024

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
        row = self._rates.row(request.model, x.route.dialect.provider)
        if row is None:
            return Block(
                UNKNOWN_MODEL,
                "not sent. The firewall has no price for this model; add one under "
                "pricing.overrides.",
            )
        x.price = row
        if request.output_tokens_max is None and row.max_out is None:
            return Block(
                UNBOUNDED_REQUEST,
                "not sent. This model's longest answer is not known; set max_completion_tokens.",
            )
        encoding = self._tokens.encoding_for(request.model)
        if encoding is None:
            self._price(x, self._bytes_bound(request, row.max_in))
            return None
        known = [self._tokens.seek(encoding, run) for run in request.runs]
        pending = [
            (run, tokens, at)
            for run, (tokens, at) in zip(request.runs, known, strict=True)
            if at < len(run.spans)
        ]
        if not pending:
            self._price(x, sum(tokens for tokens, _ in known) + request.tokens_extra)
            return None
        done = sum(tokens for tokens, _ in known) - sum(tokens for _, tokens, _ in pending)

        def count() -> int:
            return done + sum(
                self._tokens.count(encoding, request.body, run, tokens, at)
                for run, tokens, at in pending
            )

        if sum(self._tokens.pending_bytes(run, at) for run, _, at in pending) <= INLINE_BYTES:
            self._counted(x, count(), sum(tokens for tokens, _ in known))
            return None
        return self._count_in_thread(x, count, sum(tokens for tokens, _ in known))

    async def _count_in_thread(self, x: Exchange, count: object, known: int) -> None:
        self._counted(x, await self._offload(count), known)  # type: ignore[arg-type]

    def _counted(self, x: Exchange, tokens: int, known: int) -> None:
        self._counters[_COUNTED] += tokens - known
        self._price(x, tokens + x.request.tokens_extra)

    @staticmethod
    def _bytes_bound(request: Request, max_in: int | None) -> int:
        """Tokens never exceed the UTF-8 bytes of the text, nor the model's context."""
        bound = request.tokens_extra
        for run in request.runs:
            if len(run.spans):
                bound += run.spans[-1][1] - run.spans[0][0] + 32 * len(run.spans)
        return bound if max_in is None else min(bound, max_in)

    @staticmethod
    def _price(x: Exchange, tokens_in: int) -> None:
        request, row = x.request, x.price
        bounds = [b for b in (request.output_tokens_max, row.max_out) if b is not None]
        tokens_out = request.choices * (min(bounds) + request.output_tokens_extra)
        x.quote_tokens_in = tokens_in
        x.quote_tokens_out = tokens_out
        x.quote_nusd = quote_nusd(row, tokens_in, tokens_out, request.tier)
