"""The generator of the shipped rates keeps them exact and takes only what is ours to price."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s4fw.pricing import RateCard
from s4fw.pricing.make_prices import main

SOURCE = """{
  "sample_spec": {"mode": "chat", "input_cost_per_token": 1, "litellm_provider": "one of ..."},
  "m": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07,
        "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08,
        "output_cost_per_image": 0.1, "max_input_tokens": 1000, "max_output_tokens": 100,
        "input_cost_per_token_above_272k_tokens": 3e-07,
        "search_context_cost_per_query": {"low": 0.01, "high": 0.03}},
  "image": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 1},
  "other": {"litellm_provider": "cohere", "mode": "chat", "input_cost_per_token": 1},
  "x/1-month-commitment/y": {"litellm_provider": "bedrock", "mode": "chat",
                             "input_cost_per_token": 1},
  "free": {"litellm_provider": "openai", "mode": "chat"}
}"""


def test_made_prices_are_exact_and_load(tmp_path: Path) -> None:
    """Because a float on the way would turn $0.15 into $0.150000000001."""
    source, target = tmp_path / "source.json", tmp_path / "prices.json"
    source.write_text(SOURCE)

    main(str(source), str(target), "1.2.3")

    written = json.loads(target.read_bytes())
    assert ["m"] == list(written["models"])
    assert {
        "provider": "openai",
        "mode": "chat",
        "rates": {
            "input_cost_per_token": "0.15",
            "output_cost_per_token": "0.6",
            "cache_read_input_token_cost": "0.075",
            "input_cost_per_token_above_272k_tokens": "0.3",
        },
        "max_in": 1000,
        "max_out": 100,
        "web_search_usd_per_call": "0.03",
    } == written["models"]["m"]
    row = RateCard.load({}, target).row("m")
    assert row is not None
    assert (150_000, 600_000) == (row.rates()[""][1][1].input, row.rates()[""][1][1].output)


def test_made_prices_need_three_arguments() -> None:
    """Because a version that is left out would be a source nobody can find."""
    with pytest.raises(TypeError):
        main("source.json", "prices.json")  # type: ignore[call-arg]
