"""`s4fw prices show`: what people compare with the provider's price page."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from s4fw.cli import main
from s4fw.config.forms import usd_per_mtok
from s4fw.pricing.ratecard import RateCard


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prices", "show", *arguments])


def test_all_models_are_listed_on_whole_lines() -> None:
    """The lines go to grep; a cut name or rate would be wrong in silence."""
    result = show()
    rows = list(RateCard.load().rows())
    listed = {line.split()[0] for line in result.stdout.splitlines() if line}
    assert 0 == result.exit_code
    assert set() == {row.model for row in rows} - listed
    assert "…" not in result.stdout


def test_one_model_is_shown_with_the_rates_it_is_priced_at() -> None:
    """The page and the arithmetic must use the same numbers."""
    row = RateCard.load().row("gpt-4o")
    assert row is not None
    rates = row.rates()[""][-1][1]
    default = next(line for line in show("gpt-4o").stdout.splitlines() if line[:7] == "default")
    assert str(usd_per_mtok().show(rates.input)) == default.split()[2]
    assert str(usd_per_mtok().show(rates.output)) == default.split()[5]


def test_part_of_a_name_lists_the_models_with_it() -> None:
    """Nobody knows the dated names by heart."""
    lines = show("gpt-4o-").stdout.splitlines()[1:-1]
    assert lines
    assert [] == [line for line in lines if "gpt-4o-" not in line]


def test_unknown_model_exits_with_1_and_a_suggestion() -> None:
    """It is the model that requests would be refused for."""
    result = show("gtp-4o")
    assert 1 == result.exit_code
    assert "did you mean gpt-4o" in result.stderr


def test_overrides_of_a_configuration_come_first(tmp_path: Path) -> None:
    """Negotiated rates are what is charged, so they are what is shown."""
    path = tmp_path / "s4fw.yaml"
    path.write_text(
        "upstreams: {openai: {base_url: https://a.example}}\n"
        "pricing: {overrides: {gpt-4o: {input_usd_per_mtok: 0.125, output_usd_per_mtok: 7,"
        " max_output_tokens: 99}}}\n"
    )
    result = show("gpt-4o", "-c", str(path))
    assert "0.125" in result.stdout
    assert "99 out" in result.stdout
    assert 78 == show("gpt-4o", "-c", str(tmp_path / "none.yaml")).exit_code
