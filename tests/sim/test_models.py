"""The catalogue: prices that tests, demo and configuration share."""

import pytest

from s4fw.sim.faults import Faults
from s4fw.sim.models import MOCK_PRICES, SNAPSHOTS, Catalogue, parse_price, price_overrides


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def test_price_overrides_are_the_prices_as_configuration() -> None:
    """What the firewall is configured with is what the simulator charges."""
    overrides = price_overrides()
    assert set(MOCK_PRICES) == set(overrides)
    expected = {"input_usd_per_mtok": "10", "output_usd_per_mtok": "20"}
    assert {**expected, "max_output_tokens": 16384} == overrides["mock-large"]


def test_served_names_are_priced(catalogue: Catalogue) -> None:
    """An answer never names a model that has no price."""
    for model, dated in SNAPSHOTS.items():
        provider = "anthropic" if model.startswith("claude") else "openai"
        row = catalogue.row(model, provider)
        assert row is not None
        assert catalogue.serving(model, row, provider, Faults()) == (dated, row)
    row = catalogue.row("mock-small")
    assert row is not None
    assert catalogue.serving("mock-small", row, "openai", Faults()) == ("mock-small", row)


def test_row_of_an_unlisted_mock_is_that_of_mock_small(catalogue: Catalogue) -> None:
    """Any argument can be part of a mock model's name."""
    assert catalogue.row("mock-cut-17") is catalogue.row("mock-small")
    assert catalogue.row("no-such-model") is None


@pytest.mark.parametrize("text", ["x", "x=1", "=1:2", "x=1:2:3:4", "x=1:-2", "x=1:2:many"])
def test_parse_price_refuses_what_is_none(text: str) -> None:
    """A wrong price would make every comparison wrong."""
    with pytest.raises(ValueError, match=r"expected|decimal|invalid literal"):
        parse_price(text)
