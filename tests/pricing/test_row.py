"""How published columns become rates, and what stands in for those that are not published."""

from __future__ import annotations

import pytest

from s4fw.pricing.row import PriceRow, published


def row(**rates: str) -> PriceRow:
    columns = {
        "input_cost_per_token": "1",
        "output_cost_per_token": "4",
        **{name.replace("INPUT", "input_cost_per_token"): rate for name, rate in rates.items()},
    }
    return PriceRow("model", "openai", published(columns), None, None)


def test_row_without_cache_rates_bills_them_as_input() -> None:
    """Because a bucket without a price must not be free."""
    rates = row().rates()[""][0][1]

    assert {1_000_000} == {*rates[:6], rates.audio_input}
    assert (4_000_000, 4_000_000) == (rates.output, rates.audio_output)


def test_cache_write_rates_follow_how_long_the_cache_is_kept() -> None:
    """Because the hour costs more than the five minutes, and 12 hours more than 30 minutes."""
    rates = row(
        cache_creation_input_token_cost="1.25",
        cache_creation_input_token_cost_above_1hr="2",
        cache_creation_input_token_cost_above_12hr="2.5",
        cache_read_input_token_cost="0.1",
    ).rates()[""][0][1]

    assert 1_250_000 == rates.cache_write_5m == rates.cache_write_30m
    assert 2_000_000 == rates.cache_write_1h
    assert 2_500_000 == rates.cache_write_12h
    assert 100_000 == rates.cache_read


def test_longer_cache_without_a_rate_costs_what_the_short_one_does() -> None:
    """Because input alone would be below what is published for writing."""
    rates = row(cache_creation_input_token_cost="1.25").rates()[""][0][1]

    assert 1_250_000 == rates.cache_write_1h == rates.cache_write_12h


def test_tier_without_a_cache_rate_costs_at_least_its_input() -> None:
    """Because the default tier's discount may not be offered there."""
    tiers = row(INPUT_priority="2", cache_read_input_token_cost="0.1").rates()

    assert 2_000_000 == tiers["priority"][0][1].cache_read
    assert 100_000 == tiers[""][0][1].cache_read


def test_cheaper_tier_without_a_rate_costs_what_the_default_does() -> None:
    """Because a discount that is not published is not ours to give."""
    tiers = row(INPUT_flex="0.5").rates()

    assert 4_000_000 == tiers["flex"][0][1].output


def test_long_context_in_a_tier_without_a_rate_costs_the_dearer_neighbour() -> None:
    """Because both the tier and the size make it dearer, and which wins is not published."""
    tiers = row(INPUT_above_200k_tokens="2", INPUT_priority="3", INPUT_flex="0.5").rates()

    assert (200_000, 3_000_000) == (tiers["priority"][0][0], tiers["priority"][0][1].input)
    assert 2_000_000 == tiers["flex"][0][1].input
    assert (-1, 500_000) == (tiers["flex"][1][0], tiers["flex"][1][1].input)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"output_cost_per_token": "1"}, "there is no input_cost_per_token"),
        ({"input_cost_per_token": "1"}, "there is no output_cost_per_token"),
        ({"input_cost_per_token": "0.0000001"}, "more than 6 decimal places"),
        ({"input_cost_per_token": "-1"}, "not a plain decimal"),
        ({"input_cost_per_token": "1e-3"}, "not a plain decimal"),
        ({"input_cost_per_image": "1"}, "'input_cost_per_image' is not known"),
        ({"input_cost_per_token_turbo": "1"}, "is not known"),
    ],
)
def test_columns_that_cannot_be_priced_exactly_are_refused(
    columns: dict[str, str], problem: str
) -> None:
    """Because a rate that was rounded or left out would bill something else."""
    with pytest.raises(ValueError, match=problem):
        published(columns)


def test_repr_shows_the_tiers() -> None:
    """Because it is what a log line shows of a row."""
    assert "<PriceRow openai model tiers=['', 'flex']>" == repr(row(INPUT_flex="0.5"))
