"""Quotes and costs: golden figures worked out by hand, and exact arithmetic for all others."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.core.request import CACHE_30M
from s4fw.core.usage import Usage
from s4fw.pricing import PriceRow, RateCard, cost_nusd, quote_nusd
from s4fw.pricing.ratecard import DATA

CARD = RateCard.load({})
ENTRIES = {
    model: entry
    for model, entry in json.loads(DATA.read_bytes())["models"].items()
    if entry["provider"] == "openai" and entry["mode"] in ("chat", "responses", "completion")
}


def row(model: str) -> PriceRow:
    found = CARD.row(model)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "tokens_in", "tokens_out", "tier", "nusd"),
    [
        # $2.50 and $10 per million: 1000 x 2,500 + 500 x 10,000 nano-USD
        ("gpt-4o", 1_000, 500, "default", 7_500_000),
        # The project may be set to priority, $4.25 and $17: 4,250,000 + 8,500,000
        ("gpt-4o", 1_000, 500, None, 12_750_000),
        ("gpt-4o", 1_000, 500, "auto", 12_750_000),
        ("gpt-4o", 1_000, 500, "priority", 12_750_000),
        ("gpt-4o", 1_000, 500, "fast", 12_750_000),
        ("gpt-4o", 1_000, 500, "scale", 7_500_000),
        # Flex may be served as default: $1.25 and $10
        ("gpt-5", 1_000, 1_000, "flex", 11_250_000),
        ("gpt-5", 1_000, 1_000, "default", 11_250_000),
        # No priority rates published: one rate, $0.50 and $1.50
        ("gpt-3.5-turbo", 1_000, 100, None, 650_000),
        # $0.15 and $0.60: one token in is 150, one out 600 nano-USD
        ("gpt-4o-mini", 1, 1, "default", 750),
        ("gpt-4o-mini", 0, 0, "default", 0),
        # Writes to the cache without being asked; 12 hours: $10 per million, output $20
        ("gpt-5.6-sol", 1_000, 1_000, "default", 30_000_000),
        # More than 272,000 tokens: 12 hours at $20, output $30, for all of them
        ("gpt-5.6-sol", 272_001, 1_000, "default", 5_470_020_000),
        ("gpt-5.6-sol", 272_000, 1_000, "default", 2_740_000_000),
        # A tier nobody knows is held at the dearest: 12 hours at $20, output $40
        ("gpt-5.6-sol", 1_000, 1_000, "brand-new", 60_000_000),
    ],
)
def test_quote_is_the_figure_worked_out_by_hand(
    model: str, tokens_in: int, tokens_out: int, tier: str | None, nusd: int
) -> None:
    """Because a hold that is a factor off blocks what fits or lets pass what does not."""
    assert nusd == quote_nusd(row(model), tokens_in, tokens_out, tier)


def test_quote_without_long_kept_cache_holds_the_short_write() -> None:
    """Because 12 hours are only written where a request asks for them: $5 instead of $10."""
    assert 25_000_000 == quote_nusd(row("gpt-5.6-sol"), 1_000, 1_000, "default", CACHE_30M)


@pytest.mark.parametrize(
    ("model", "usage", "tier", "nusd"),
    [
        ("gpt-4o", Usage(uncached_input=1_000, output=200), None, 4_500_000),
        # 80 at $2.50, 1,920 at $1.25, 18 at $10
        ("gpt-4o", Usage(uncached_input=80, cache_read=1_920, output=18), None, 2_780_000),
        # The reported tier settles, whatever was asked for
        ("gpt-4o", Usage(uncached_input=100, output=10, tier="priority"), None, 595_000),
        ("gpt-4o", Usage(uncached_input=100, output=10, tier="default"), "priority", 350_000),
        ("gpt-5", Usage(uncached_input=100, output=10, tier="flex"), "flex", 112_500),
        # No tier reported: what was asked for on top counts, a discount does not
        ("gpt-4o", Usage(uncached_input=100, output=10), "priority", 595_000),
        ("gpt-5", Usage(uncached_input=100, output=10), "flex", 225_000),
        ("gpt-4o", Usage(uncached_input=100, output=10), "auto", 350_000),
        # A tier nobody knows costs the dearest
        ("gpt-4o", Usage(uncached_input=100, output=10, tier="brand-new"), None, 595_000),
        # 30 minutes at $5, 12 hours at $10, read at $0.40
        (
            "gpt-5.6-sol",
            Usage(cache_write_30m=100, cache_write_12h=10, cache_read=1_000, tier="default"),
            None,
            500_000 + 100_000 + 400_000,
        ),
        # All buckets together pass the threshold: every token at the long-context rate
        (
            "gpt-5.6-sol",
            Usage(uncached_input=1, cache_read=272_000, output=1, tier="default"),
            None,
            8_000 + 217_600_000 + 30_000,
        ),
        # $40 and $80 for audio beside $2.50 and $10 for text
        (
            "gpt-4o-audio-preview-2025-06-03",
            Usage(uncached_input=1, audio_input=1, output=1, audio_output=1),
            None,
            2_500 + 40_000 + 10_000 + 80_000,
        ),
        # $0.05 per million: 50 nano-USD; cached $0.005: 5
        ("gpt-5-nano", Usage(uncached_input=1, cache_read=1, tier="default"), None, 55),
        # Half of it in flex, $0.0025 for a cached token: 2.5 nano-USD, rounded up once
        ("gpt-5-nano", Usage(cache_read=1, tier="flex"), None, 3),
        ("gpt-5-nano", Usage(cache_read=2, tier="flex"), None, 5),
        ("gpt-4o", Usage(reasoning=1_000), None, 0),
    ],
)
def test_cost_is_the_figure_worked_out_by_hand(
    model: str, usage: Usage, tier: str | None, nusd: int
) -> None:
    """Because what is charged must be what the provider's invoice says."""
    assert nusd == cost_nusd(row(model), usage, tier)


counts = st.integers(0, 400_000) | st.integers(0, 100)
SUFFIXES = {None: "", "default": "", "priority": "_priority", "flex": "_flex"}


def exact_usd(model: str, usage: Usage, tier: str | None) -> Fraction | None:
    """The cost by the published columns in exact arithmetic; None where one is not published."""
    published = ENTRIES[model]["rates"]
    long = usage.input > 272_000 and "input_cost_per_token_above_272k_tokens" in published
    suffix = ("_above_272k_tokens" if long else "") + SUFFIXES[tier]
    total = Fraction(0)
    for column, tokens in (
        ("input_cost_per_token", usage.uncached_input),
        ("cache_read_input_token_cost", usage.cache_read),
        ("cache_creation_input_token_cost", usage.cache_write_30m),
        ("cache_creation_input_token_cost_above_12hr", usage.cache_write_12h),
        ("output_cost_per_token", usage.output),
    ):
        if tokens:
            if column + suffix not in published:
                return None
            total += Fraction(published[column + suffix]) * tokens / 1_000_000
    return total


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    return Usage(
        uncached_input=draw(counts),
        cache_read=draw(counts),
        cache_write_30m=draw(counts),
        cache_write_12h=draw(counts),
        output=draw(counts),
    )


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(sorted(ENTRIES)), usages(), st.sampled_from(sorted(SUFFIXES, key=str)))
def test_cost_is_the_published_columns_in_exact_arithmetic(
    model: str, usage: Usage, tier: str | None
) -> None:
    """Because integers of pico-USD must lose nothing but the one rounding up."""
    usage.tier = tier
    exact = exact_usd(model, usage, tier)

    if exact is not None:
        assert ceil(exact * 10**9) == cost_nusd(row(model), usage, None)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from(sorted(ENTRIES)),
    usages(),
    st.sampled_from(
        [
            (None, "default"),
            (None, "priority"),
            ("auto", "default"),
            ("auto", "priority"),
            ("default", "default"),
            ("flex", "flex"),
            ("flex", "default"),
            ("priority", "priority"),
            ("priority", "default"),
            ("fast", "priority"),
            ("scale", "scale"),
            *((tier, None) for tier in (None, "auto", "default", "flex", "priority", "scale")),
        ]
    ),
    st.integers(0, 1_000),
    st.integers(0, 1_000),
)
def test_cost_within_the_bounds_never_exceeds_the_quote(
    model: str,
    usage: Usage,
    tiers: tuple[str | None, str | None],
    spare_in: int,
    spare_out: int,
) -> None:
    """Because the cap holds only if the worst case is really the worst case."""
    requested, usage.tier = tiers
    found = row(model)

    quote = quote_nusd(found, usage.input + spare_in, usage.output + spare_out, requested)

    assert cost_nusd(found, usage, requested) <= quote


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from(sorted(ENTRIES)),
    st.sampled_from([None, "default", "flex", "priority"]),
    counts,
    counts,
    counts,
)
def test_quote_grows_with_its_tokens(
    model: str, tier: str | None, tokens_in: int, tokens_out: int, more: int
) -> None:
    """Because a larger request must never be held at less."""
    found = row(model)
    quote = quote_nusd(found, tokens_in, tokens_out, tier)

    assert quote <= quote_nusd(found, tokens_in + more, tokens_out, tier)
    assert quote <= quote_nusd(found, tokens_in, tokens_out + more, tier)
