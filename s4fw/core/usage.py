"""The provider's own account of one exchange, normalised into disjoint buckets.

Providers disagree: OpenAI counts cached tokens inside its input, Anthropic and Bedrock beside it.
A dialect subtracts once, and from here on every token is in exactly one bucket.  Reasoning tokens
are inside `output`; `reasoning` repeats them for display and is never priced.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Tokens of one exchange, all >= 0, and which model and tier really ran."""

    uncached_input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_30m: int = 0
    cache_write_12h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    web_searches: int = 0  # calls, billed each beside the tokens
    model: str | None = None
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    # Further runs of a model within the exchange that the counts above leave out, each billed at
    # its own model's rates.
    others: tuple[Usage, ...] = ()

    @property
    def input(self) -> int:
        """All input tokens, however they were billed: what long-context rates look at."""
        return (
            self.uncached_input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_write_30m
            + self.cache_write_12h
            + self.audio_input
        )
