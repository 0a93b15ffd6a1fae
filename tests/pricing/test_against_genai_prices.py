"""Our price table against one that others keep (genai-prices, MIT): two sources that agree are
hardly wrong in the same way.

Every difference is listed.  A new one fails, and so does one that is gone: then the list is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from genai_prices import Usage, calc_price

from s4fw.pricing import PriceRow, RateCard

PROVIDERS = ("openai", "anthropic")
LONG = 1_000_000  # tokens of input beyond every long-context threshold

# Models that the other table does not have.
MISSING = {
    *("claude-mythos-5", "claude-mythos-5-1", "claude-mythos-preview"),
    *("daybreak-blue-latest", "daybreak-red-latest"),
    *("gpt-daybreak-blue-latest", "gpt-daybreak-red-latest"),
    *("ft:babbage-002", "ft:davinci-002", "ft:o4-mini-2025-04-16"),
    *("ft:gpt-4.1-2025-04-14", "ft:gpt-4.1-mini-2025-04-14", "ft:gpt-4.1-nano-2025-04-14"),
    *("gpt-5-search-api-2025-10-14", "gpt-5.5-cyber-preview", "gpt-6-astra-law"),
}

# (model, kind of token) -> ours and theirs, in pico-USD per token.  Theirs has no discount for
# cached input of these fine-tuned and searching models, or prices a write that costs as input does.
DIFFERENT = {
    ("ft:gpt-4o-2024-08-06", "cache_read"): (1_875_000, 3_750_000),
    ("ft:gpt-4o-2024-11-20", "cache_write"): (1_875_000, 3_750_000),
    ("ft:gpt-4o-mini-2024-07-18", "cache_read"): (150_000, 300_000),
    ("gpt-4o-search-preview", "cache_read"): (1_250_000, 2_500_000),
    ("gpt-4o-search-preview-2025-03-11", "cache_read"): (1_250_000, 2_500_000),
}

# Above 200,000 tokens theirs still has the rates of a long context, which these models took in a
# beta that is over: they take no more than 200,000.
DIFFERENT_LONG = {
    (model, kind): (ours, theirs)
    for model in ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
    for kind, ours, theirs in (
        ("input", 3_000_000, 6_000_000),
        ("output", 15_000_000, 22_500_000),
        ("cache_read", 300_000, 600_000),
        ("cache_write", 3_750_000, 7_500_000),
    )
}
# The other table has no long context of this one; ours is the dearer.
DIFFERENT_LONG |= {
    ("gpt-5.6-cyber", "input"): (25_000_000, 12_500_000),
    ("gpt-5.6-cyber", "output"): (112_500_000, 75_000_000),
    ("gpt-5.6-cyber", "cache_read"): (2_500_000, 1_250_000),
    ("gpt-5.6-cyber", "cache_write"): (31_250_000, 15_625_000),
}


def ours(row: PriceRow, tokens_in: int) -> dict[str, int]:
    """Our rates of the default tier for an input of this size, by kind of token."""
    steps = row.rates()[""]
    rates = next(rates for size, rates in steps if tokens_in > size)
    return {
        "input": rates.input,
        "output": rates.output,
        "cache_read": rates.cache_read,
        "cache_write": rates.cache_write_5m,
    }


def theirs(row: PriceRow, tokens_in: int) -> dict[str, int]:
    """The same by the other table.  Raises LookupError for a model it does not have."""

    def rate(kind: str) -> int:
        counted = {"input_tokens": tokens_in}
        base = price(**counted)
        if kind == "input":
            return base // tokens_in
        if kind == "output":
            return (price(**counted, output_tokens=1000) - base) // 1000
        return price(**counted, **{f"{kind}_tokens": tokens_in}) // tokens_in

    def price(**counted: int) -> int:
        asked = calc_price(Usage(**counted), model_ref=row.model, provider_id=row.provider)
        pusd = asked.total_price * 10**12
        assert pusd == int(pusd), "a rate with more than six decimals"
        return int(pusd)

    return {kind: rate(kind) for kind in ("input", "output", "cache_read", "cache_write")}


def differences(tokens_in: int) -> Iterator[tuple[tuple[str, str], tuple[int, int]]]:
    """What the tables do not agree on, for an input of this size."""
    for row in RateCard.load().rows():
        if row.provider not in PROVIDERS or row.model in MISSING:
            continue
        mine, other = ours(row, tokens_in), theirs(row, tokens_in)
        for kind, rate in mine.items():
            if rate != other[kind]:
                yield (row.model, kind), (rate, other[kind])


def test_models_the_other_table_lacks_are_listed() -> None:
    """Nobody has checked the price of a model that only one table has."""
    missing = set()
    for row in RateCard.load().rows():
        if row.provider in PROVIDERS:
            try:
                theirs(row, 1000)
            except LookupError:
                missing.add(row.model)
    assert missing == MISSING


@pytest.mark.parametrize(
    ("tokens_in", "listed"), [(1000, DIFFERENT), (LONG, DIFFERENT | DIFFERENT_LONG)]
)
def test_rates_agree_but_for_what_is_listed(
    tokens_in: int, listed: dict[tuple[str, str], tuple[int, int]]
) -> None:
    """A wrong rate is wrong money for every customer who has not overridden it."""
    assert listed == dict(differences(tokens_in))
