"""Prices of Bedrock by region and geography: no row stands for another that might be dearer."""

import pytest

from s4fw.pricing import RateCard

RATES = RateCard.load(regions={"london": "eu-west-2", "oregon": "us-west-2"})

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"


@pytest.mark.parametrize(
    ("row", "model", "upstream"),
    [
        (f"us.{SONNET}", f"us.{SONNET}", "oregon"),
        (f"global.{SONNET}", f"global.{SONNET}", "london"),
        (SONNET, SONNET, "oregon"),
        (f"us-gov.{SONNET}", f"apac.{SONNET}", "london"),
        (f"bedrock/eu-west-2/{LLAMA}", LLAMA, "london"),
        (LLAMA, LLAMA, "oregon"),
        (f"bedrock/sa-east-1/{LLAMA}", LLAMA, "unknown"),
        ("eu.amazon.nova-pro-v1:0", "global.amazon.nova-pro-v1:0", "london"),
        ("us.openai.gpt-5.5", "eu.openai.gpt-5.5", "london"),
        ("bedrock/us-west-2/moonshotai.kimi-k2-thinking", "moonshotai.kimi-k2-thinking", "oregon"),
        ("qwen.qwen3-32b-v1:0", "us.qwen.qwen3-32b-v1:0", "oregon"),
        (None, "us.amazon.nova-premier-v1:0", "oregon"),
        (None, "openai.gpt-5.5", "oregon"),
        (None, "moonshotai.kimi-k2-thinking", "unknown"),
        (None, "us.nobody.nothing-v1:0", "oregon"),
        (None, "gpt-5.5", "oregon"),
    ],
)
def test_row_is_of_the_model_where_it_runs_or_dearer(
    row: str | None, model: str, upstream: str
) -> None:
    """A tenth too little on every call is a cap that does not hold."""
    assert row == RATES.priced_as(model, "bedrock", upstream)


def test_row_of_another_provider_ignores_bedrock() -> None:
    """An id that two providers use has two prices."""
    assert RATES.row(f"us.{SONNET}", "anthropic") is None


def test_version_names_the_regions() -> None:
    """A settled price must be traceable to what it was looked up with."""
    assert RATES.version != RateCard.load().version
