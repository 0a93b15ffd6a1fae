"""What must fit between a configuration and the prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from s4fw.cli import main
from s4fw.config import parse
from s4fw.process.estate import rates_of
from s4fw.stages.check import problems

EVERY = {
    "openai": {"base_url": "http://127.0.0.1:1"},
    "anthropic": {"base_url": "http://127.0.0.1:1"},
    "bedrock": {"region": "us-east-1"},
}


def text(model: str, *upstreams: str, **sections: Any) -> str:
    """A configuration whose budget asks this model instead."""
    budget = {
        "id": "all",
        "per": [],
        "window": "day",
        "limit_usd": 1,
        "on_exceed": {"model": model},
    }
    chosen = {name: EVERY[name] for name in upstreams}
    return yaml.safe_dump({"upstreams": chosen, "budgets": [budget], **sections})


@pytest.mark.parametrize(
    ("model", "upstreams", "sentence"),
    [
        ("gpt-4o-mini", ("openai",), None),
        ("claude-haiku-4-5", ("openai", "anthropic"), None),
        ("claude-haiku-4-5", ("openai",), "has no price at any upstream"),
        ("gpt-none", ("openai", "anthropic", "bedrock"), "has no price at any upstream"),
        ("amazon.nova-lite-v1:0", ("openai", "bedrock"), "name the model in their path"),
    ],
)
def test_cheaper_model_needs_a_price_where_it_is_asked(
    model: str, upstreams: tuple[str, ...], sentence: str | None
) -> None:
    """Otherwise nobody would notice until the budget is used up."""
    config = parse(text(model, *upstreams), "s4fw.yaml", {})
    found = [str(problem) for problem in problems(config, rates_of(config))]
    if sentence is None:
        assert [] == found
    else:
        assert found[0].startswith(f"budgets[0].on_exceed.model: is {model}")
        assert sentence in found[0]


def test_price_of_our_own_will_do() -> None:
    """Whoever runs a model knows what it costs."""
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "max_output_tokens": 4096}
    config = parse(text("mine", "openai", pricing={"overrides": {"mine": price}}), "s4fw.yaml", {})
    assert [] == problems(config, rates_of(config))


def test_check_command_tells_it(tmp_path: Path) -> None:
    """Before the firewall is restarted with it."""
    path = tmp_path / "s4fw.yaml"
    path.write_text(text("gpt-none", "openai"))
    result = CliRunner().invoke(main, ["check", str(path)])
    assert 78 == result.exit_code
    assert "budgets[0].on_exceed.model" in result.output
