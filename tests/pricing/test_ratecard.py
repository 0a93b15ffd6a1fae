"""The shipped rates, the customer's own before them, and what is unknown."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from s4fw.core.usage import Usage
from s4fw.pricing import RateCard, cost_nusd, quote_nusd
from s4fw.pricing.ratecard import DATA


@dataclass(frozen=True)
class Own:
    """A customer's rates, as the configuration holds them."""

    input_pusd: int
    output_pusd: int
    cache_read_pusd: int | None = None
    cache_write_pusd: int | None = None
    max_output_tokens: int | None = 4_096
    max_input_tokens: int | None = None


@pytest.fixture(scope="module")
def card() -> RateCard:
    return RateCard.load({})


def test_every_shipped_row_has_its_published_rates(card: RateCard) -> None:
    """Because a column that is not read would be a price that is not billed."""
    entries = json.loads(DATA.read_bytes())["models"]
    rows = {row.model: row for row in card.rows()}
    for model, entry in entries.items():
        row = rows.get(model)
        if entry["mode"] == "moderation":
            assert row is None
            continue
        assert row is not None
        rates = row.rates()[""][-1][1]
        exact = tuple(
            Fraction(entry["rates"][f"{kind}_cost_per_token"]) * 1_000_000
            for kind in ("input", "output")
        )
        assert exact == (rates.input, rates.output), model
        assert entry.get("max_in") == row.max_in


def test_shipped_data_is_what_its_notice_names() -> None:
    """Because the licence asks for the notice, and reviews for the source."""
    source = json.loads(DATA.read_bytes())["source_sha256"]

    assert source in (DATA.parent / "NOTICE").read_text()


@pytest.mark.parametrize(
    "model", ["", "gpt-99", "GPT-4o", " gpt-4o", "gpt-4o-2099-01-01", "omni-moderation-latest"]
)
def test_row_of_what_is_not_listed_is_none(card: RateCard, model: str) -> None:
    """Because an unknown model is refused, never priced as its neighbour or at nothing."""
    assert card.row(model) is None


def test_row_of_another_provider_is_none(card: RateCard) -> None:
    """Because a Claude model behind the OpenAI dialect has no rate there."""
    assert card.row("claude-opus-4-5", "openai") is None
    assert card.row("claude-opus-4-5", "anthropic") is not None


def test_row_of_a_fine_tuned_model_is_its_base(card: RateCard) -> None:
    """Because the ids of fine-tuned models carry names that no list can hold."""
    assert card.row("ft:gpt-4o-2024-08-06") is card.row("ft:gpt-4o-2024-08-06:acme:support:9x")
    assert card.row("ft:gpt-99:acme::9x") is None


def test_row_of_an_embedding_model_has_no_output(card: RateCard) -> None:
    """Because it generates nothing, which is a bound."""
    row = card.row("text-embedding-3-small")

    assert row is not None
    assert 0 == row.max_out


def test_override_wins_and_holds_in_every_tier() -> None:
    """Because negotiated rates are what the customer pays."""
    card = RateCard.load({"gpt-4o": Own(2_000_000, 8_000_000, 500_000, None, 999, 5_000)})

    row = card.row("gpt-4o")

    assert row is not None
    assert (999, 5_000) == (row.max_out, row.max_in)
    assert 2_000 * 10 + 8_000 * 5 == quote_nusd(row, 10, 5, "priority")
    usage = Usage(uncached_input=1, cache_read=1, cache_write_30m=1, output=1, tier="priority")
    assert 2_000 + 500 + 2_000 + 8_000 == cost_nusd(row, usage, None)


def test_override_makes_a_model_known_for_every_provider() -> None:
    """Because a compatible server has its own models."""
    card = RateCard.load({"my-model": Own(1, 1)})

    assert card.row("my-model", "openai") is card.row("my-model", "bedrock") is not None


def test_version_names_the_rates() -> None:
    """Because each journal row tells which rates it was priced at."""
    plain, again = RateCard.load({}).version, RateCard.load({}).version
    own = [
        RateCard.load({"m": Own(1, 1)}).version,
        RateCard.load({"m": Own(1, 2)}).version,
        RateCard.load({"n": Own(1, 1)}).version,
    ]

    assert plain == again
    assert 4 == len({plain, *own})
    assert 12 == len(plain)
    assert plain == hashlib.sha256(DATA.read_bytes() + b"[]").hexdigest()[:12]


def test_data_with_a_rate_too_fine_names_the_model(tmp_path: Path) -> None:
    """Because whoever updates the data must see which row cannot be priced exactly."""
    data = tmp_path / "prices.json"
    rates = {"input_cost_per_token": "0.0000001", "output_cost_per_token": "1"}
    entry = {"provider": "openai", "mode": "chat", "rates": rates}
    data.write_text(json.dumps({"models": {"fine": entry}}))

    with pytest.raises(ValueError, match="price data of fine: more than 6 decimal places"):
        RateCard.load({}, data)


def test_regional_host_costs_its_uplift_where_the_model_has_one() -> None:
    """Newer models cost a tenth more where data stays in a region; others and our own do not."""
    own = {"mine": Own(1_000_000, 2_000_000)}
    card = RateCard.load(own, residencies={"openai-eu": "eu"})
    for model, price in (("gpt-5.5", 1100), ("gpt-4o", 1000), ("mine", 1000)):
        row = card.row(model, "openai", "openai-eu")
        assert row is not None
        assert price == row.multiplier(None, None), model
    elsewhere = card.row("gpt-5.5", "openai", "openai")
    assert elsewhere is not None
    assert 1000 == elsewhere.multiplier(None, None)
    usage = Usage(uncached_input=1000, output=100)
    regional = card.row("gpt-5.5", "openai", "openai-eu")
    assert regional is not None
    plain = cost_nusd(elsewhere, usage, None)
    assert plain * 11 == cost_nusd(regional, usage, None) * 10
    assert quote_nusd(elsewhere, 1000, 100, "default", multiplier=1100) == quote_nusd(
        regional, 1000, 100, "default", multiplier=regional.multiplier(None, None)
    )


def test_answer_of_a_regional_host_is_billed_at_its_rates() -> None:
    """An answer names the snapshot behind an alias: that one has the uplift as well."""
    card = RateCard.load({}, residencies={"openai-eu": "eu"})
    quoted = card.row("gpt-5.5", "openai", "openai-eu")
    assert quoted is not None
    row = card.row_of_answer("gpt-5.5-2026-04-23", quoted, "openai", "openai-eu")
    assert ("gpt-5.5-2026-04-23", 1100) == (row.model, row.multiplier(None, None))


def test_usual_place_holds_where_nothing_else_is_said() -> None:
    """A workspace that runs in the US pays for it with every request, named or not."""
    plain, us = RateCard.load({}), RateCard.load({}, inference_geo="us")
    for card, expected in ((plain, 1000), (us, 1100)):
        row = card.row("claude-opus-4-7", "anthropic")
        assert row is not None
        assert (expected, 1100, 1000) == tuple(
            row.multiplier(None, geo) for geo in (None, "us", "global")
        )
    row = us.row("gpt-5.5", "openai")
    assert row is not None
    assert 1000 == row.multiplier(None, None)
    assert plain.version != us.version != RateCard.load({}, residencies={"a": "us"}).version
