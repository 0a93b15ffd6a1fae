"""`s4fw init`: the first file people see."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from s4fw.cli import main
from s4fw.cli.init import TEMPLATE
from s4fw.config import load, parse


def test_written_configuration_is_fine_without_warnings(tmp_path: Path) -> None:
    """What we hand out must pass our own check."""
    assert 0 == CliRunner().invoke(main, ["init", str(tmp_path / "new")]).exit_code
    assert () == load(tmp_path / "new" / "s4fw.yaml", {}).warnings


def test_existing_configuration_is_never_overwritten(tmp_path: Path) -> None:
    """It may be the only copy."""
    path = tmp_path / "s4fw.yaml"
    path.write_text("mine")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert 1 == result.exit_code
    assert "mine" == path.read_text()


def test_what_is_commented_out_is_right_too() -> None:
    """People remove the hash signs and expect it to work."""
    keys = ("token:", "api_key:", "overrides: {acme", "keys:", "  - {id", "pricing:", "bedrock:")
    text = TEMPLATE
    for key in (*keys, "  overrides:", "    my-model", "limits:", "  per_key_held_share:"):
        assert f"# {key}" in text
        text = text.replace(f"# {key}", key)
    text = text.replace('sha256: "..."', f'sha256: "{"a" * 64}"')
    env = {"S4FW_ADMIN_TOKEN": "0123456789abcdef", "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    config = parse(text, "s4fw.yaml", env)
    assert ("support-bot", 4096) == (
        config.keys[0].id,
        config.pricing.overrides["my-model"].max_output_tokens,
    )
    assert 1 == len(config.budgets[1].overrides)
    assert 500 == config.limits.per_key_held_share
