"""What a request may cost at most, and what it did cost.  The one place where money is rounded."""

from __future__ import annotations

from s4fw.core.request import CACHE_12H
from s4fw.core.usage import Usage
from s4fw.pricing.row import PLAIN, PriceRow
from s4fw.units import PUSD_PER_NUSD, ceil_div


def quote_nusd(
    row: PriceRow,
    tokens_in: int,
    tokens_out: int,
    tier: str | None,
    cache: int = CACHE_12H,
    *,
    multiplier: int = PLAIN,
    searches: int = 0,
) -> int:
    """The worst case of a request with at most so many tokens, in nano-USD.

    Every input token at the dearest of the input rate and the cache writes that the request can
    trigger (newer models write to the cache without being asked), every rate at its long-context
    value when `tokens_in` passes the threshold, in the dearest tier that the request can land in.
    `tier` is the request's service tier: with none or `auto` the caller's project decides, so the
    dearer of default and priority is held.  Output is text: audio has rates that are not held.
    `cache` is what the request can write to (`core.request`), `multiplier` that of the row, and
    `searches` the most web searches it can run, of a row that has a fee for them.
    """
    fees = searches * (row.search_pusd or 0)
    for size, rate_in, rate_out in row.plan(tier, cache):
        if tokens_in > size:
            tokens = tokens_in * rate_in + tokens_out * rate_out
            return _nusd(tokens, multiplier, fees)
    raise AssertionError("the last step of a plan holds for every input")


def cost_nusd(row: PriceRow, usage: Usage, tier: str | None) -> int:
    """The cost of an exchange by the provider's own usage, in nano-USD, rounded up once.

    Billed in the tier that the answer reports; `tier` is the request's, for answers that report
    none.  A long-context rate holds for all tokens of an exchange whose whole input, however it
    was billed, passes the threshold.
    """
    steps = row.steps(tier, usage.tier)
    rates = steps[-1][1]
    if len(steps) > 1:
        tokens_in = usage.input
        for size, rates in steps:  # noqa: B007 - the loop ends at the rates that hold
            if tokens_in > size:
                break
    base, read, write_5m, write_1h, write_30m, write_12h, output, audio_in, audio_out = rates
    tokens = (
        usage.uncached_input * base
        + usage.cache_read * read
        + usage.cache_write_5m * write_5m
        + usage.cache_write_1h * write_1h
        + usage.cache_write_30m * write_30m
        + usage.cache_write_12h * write_12h
        + usage.output * output
        + usage.audio_input * audio_in
        + usage.audio_output * audio_out
    )
    fees = usage.web_searches * (row.search_pusd or 0)
    return _nusd(tokens, row.multiplier(usage.speed, usage.geo), fees)


def _nusd(tokens_pusd: int, multiplier: int, fees_pusd: int) -> int:
    """Pico-USD as nano-USD, rounded up.  Fees are not multiplied: they are listed apart."""
    if multiplier == PLAIN:
        return ceil_div(tokens_pusd + fees_pusd, PUSD_PER_NUSD)
    return ceil_div(tokens_pusd * multiplier + fees_pusd * PLAIN, PUSD_PER_NUSD * PLAIN)
