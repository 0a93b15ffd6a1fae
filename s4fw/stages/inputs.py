"""Inputs: how many input tokens a request has at most.

Theory of operation.  A model with a public tokenizer is counted exactly, here.  For all others the
operator chooses (`pricing.counting`):

strict      the UTF-8 bytes of the texts: never exceeded, and three times too much for English.
calibrated  the smaller of that and o200k tokens times the factor of the model's family, learned
            from settlements (`s4fw.tokens.factors`).  It can be passed; then the factor rises.
exact       the provider's own free counter is asked first (`s4fw.dialects.counting`).  One that
            does not answer in time leaves the byte bound.

What is counted is remembered by keyed hash, so a transcript that grew costs only its new suffix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange, Offload
from s4fw.core.request import Run
from s4fw.tokens import BYTES, O200K_BASE, TokenCounter
from s4fw.tokens.factors import PLAIN, Factors, Family, family_of

STRICT, CALIBRATED, EXACT = ("strict", "calibrated", "exact")

# tiktoken takes about 45 us for 1 kB of English (108 kB: 4.8 ms); up to this size it is counted at
# once and stays below 2 ms, a larger rest is counted in a thread.
INLINE_BYTES: Final = 32 * 1024

# Beside its texts, what a model without a public tokenizer may add for a request: 64 flat, and 700
# for a hidden prompt that explains tools (the largest known is 530).
FLAT: Final = 64 + 700

# The provider's own count of the input as a bound, at once or later; None where it does not say.
Ask = Callable[[Exchange], int | Awaitable[int | None] | None]

_COUNTED: Final = COUNTER_INDEX["tokens_counted"]

# What is left to count: of which encoding (its place), which, what run, its tokens so far, from
# where on.
_Pending = list[tuple[int, str, Run, int, int]]


class Estimate:
    """Of one request whose input was not counted exactly."""

    __slots__ = ("family", "flat", "may_lower", "strict", "tokens")

    def __init__(
        self, family: Family, tokens: int, flat: int, strict: int, may_lower: bool
    ) -> None:
        self.family = family
        self.may_lower = may_lower  # whether the factor may fall by what it comes to
        self.tokens = tokens  # o200k's count of the texts
        self.strict = strict  # the bound by bytes
        self.flat = flat  # what is held beside the texts, by no factor


class Inputs:
    """Fills `x.quote_tokens_in`, for one worker and one configuration."""

    def __init__(
        self,
        tokens: TokenCounter,
        offload: Offload,
        counters: memoryview,
        counting: str = STRICT,
        factors: Factors | None = None,
        ask: Ask | None = None,
    ) -> None:
        """`factors` for calibrated, `ask` for exact."""
        self._tokens = tokens
        self._offload = offload
        self._counters = counters
        self._factors = factors if counting == CALIBRATED else None
        self._ask = ask if counting == EXACT else None
        self._of_unknown = (BYTES, O200K_BASE) if self._factors is not None else (BYTES,)

    def bound(self, x: Exchange) -> Awaitable[None] | None:
        """Count what is not remembered, here or in a thread; an awaitable where that takes time."""
        request = x.request
        seek = self._tokens.seek
        known = self._tokens.encoding_for(request.model)
        encodings = (known,) if known is not None else self._of_unknown
        sums: list[int] = []
        remembered_all = 0
        pending: _Pending = []
        for place, encoding in enumerate(encodings):
            remembered = 0
            for run in request.runs:
                tokens, at = seek(encoding, run)
                remembered += tokens
                if at < len(run.spans):
                    pending.append((place, encoding, run, tokens, at))
            sums.append(remembered)
            remembered_all += remembered
        if pending:
            if self._bytes_of(pending) > INLINE_BYTES:
                return self._counted_later(x, known is not None, sums, pending)
            self._count(x, sums, pending)
            self._counters[_COUNTED] += sum(sums) - remembered_all
        return self._bounded(x, known is not None, sums)

    def _bytes_of(self, pending: _Pending) -> int:
        return sum(self._tokens.pending_bytes(run, at) for _, _, run, _, at in pending)

    def _count(self, x: Exchange, sums: list[int], pending: _Pending) -> None:
        """Count the rest into `sums`.  May run in a thread."""
        body = x.request.body
        for place, encoding, run, tokens, at in pending:
            sums[place] += self._tokens.count(encoding, body, run, tokens, at) - tokens

    async def _counted_later(
        self, x: Exchange, is_known: bool, sums: list[int], pending: _Pending
    ) -> None:
        remembered = sum(sums)
        await self._offload(lambda: self._count(x, sums, pending))
        self._counters[_COUNTED] += sum(sums) - remembered
        rest = self._bounded(x, is_known, sums)
        if rest is not None:
            await rest

    def _bounded(self, x: Exchange, is_known: bool, sums: list[int]) -> Awaitable[None] | None:
        request = x.request
        x.estimate = None
        if is_known:
            self._hold(x, sums[0] + request.tokens_extra)
            return None
        flat = request.tokens_extra + FLAT
        strict = sums[0] + flat
        if self._factors is not None:
            family = family_of(x.route.provider, request.model)
            factor = self._factors.of(family)
            # Files that are held at what the operator vouches for: they are never held below it,
            # and what is smaller says nothing of how texts are counted.
            may_name_files = request.opaque_file_tokens is not None
            if may_name_files:
                factor = max(factor, PLAIN)
            if _is_all_here(x):
                most = x.price.max_in
                bytes_bound = strict if most is None else min(strict, most)
                x.estimate = Estimate(family, sums[1], flat, bytes_bound, not may_name_files)
            strict = min(strict, -(-sums[1] * factor // PLAIN) + flat)
        self._hold_unknown(x, strict)
        if self._ask is None or not _is_all_here(x):
            return None
        told = self._ask(x)
        if isinstance(told, Awaitable):
            return self._asked(x, told)
        self._hold_told(x, told)
        return None

    async def _asked(self, x: Exchange, waiting: Awaitable[int | None]) -> None:
        self._hold_told(x, await waiting)

    @staticmethod
    def _hold_told(x: Exchange, tokens: int | None) -> None:
        if tokens is not None:
            x.quote_tokens_in = min(x.quote_tokens_in, tokens)

    @staticmethod
    def _hold_unknown(x: Exchange, tokens: int) -> None:
        """A model reads no more than its context; of several prompts, each may fill it."""
        most = x.price.max_in
        Inputs._hold(x, tokens if most is None else min(tokens, most * x.request.choices))

    @staticmethod
    def _hold(x: Exchange, tokens: int) -> None:
        if x.request.is_context_bound:
            tokens = max(tokens, x.price.max_in)
        x.quote_tokens_in = tokens


def _is_all_here(x: Exchange) -> bool:
    """Whether what is counted is what one run of the model reads."""
    request = x.request
    return not request.is_context_bound and request.input_turns == 1 and request.choices == 1
