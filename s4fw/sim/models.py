"""Which models the simulated provider has, what they cost, and what it calls them in answers."""

from __future__ import annotations

from dataclasses import dataclass

from s4fw import units
from s4fw.pricing import PriceRow, RateCard
from s4fw.sim.faults import MODES, Faults


@dataclass(frozen=True, slots=True)
class MockPrice:
    """The price of a mock model, in the shape `RateCard.load` takes overrides."""

    input_pusd: int
    output_pusd: int
    max_output_tokens: int = 4096
    cache_read_pusd: int | None = None
    cache_write_pusd: int | None = None
    max_input_tokens: int | None = None


_SMALL = MockPrice(1_000_000, 2_000_000)
_STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)

# The mock models of tests, demo and load runs.  A configuration that prices exactly these is
# `price_overrides()`.  mock-reasoning thinks before it answers.
MOCK_PRICES: dict[str, MockPrice] = {
    "mock-small": _SMALL,
    "mock-large": MockPrice(10_000_000, 20_000_000, 16_384),
    "mock-reasoning": _SMALL,
    **{f"mock-{mode}": _SMALL for mode in MODES},
    **{f"mock-status-{status}": _SMALL for status in _STATUSES},
}

# What an undated name stands for in answers (provider's model pages, 2026-11); the rates of a
# snapshot are those of the price table, so an alias moves only where the table has both.
SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-4": "gpt-4-0613",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}

_DEARER = {
    "openai": "gpt-4-0613",
    "anthropic": "claude-opus-4-5-20251101",
    "bedrock": "anthropic.claude-opus-4-5-20251101-v1:0",
}

_OUTPUT_TOKENS_MAX_UNKNOWN = 4096  # of the few priced models without a stated maximum

REGION = "us-east-1"  # where the simulated Bedrock runs: prices differ by region

_REASONING = ("mock-reasoning", "o1", "o3", "o4", "gpt-5", "gpt-6")
_BILLED_CACHE_WRITES = ("gpt-5.6", "gpt-6")


def price_overrides() -> dict[str, dict[str, str | int]]:
    """The mock models as `pricing.overrides` of an `s4fw.yaml`."""
    return {
        model: {
            "input_usd_per_mtok": _usd_per_mtok(price.input_pusd),
            "output_usd_per_mtok": _usd_per_mtok(price.output_pusd),
            "max_output_tokens": price.max_output_tokens,
        }
        for model, price in MOCK_PRICES.items()
    }


def parse_price(text: str) -> tuple[str, MockPrice]:
    """Read `model=input:output[:max output tokens]`, rates in USD per million tokens."""
    model, _, rates = text.partition("=")
    parts = rates.split(":")
    if not model or len(parts) not in (2, 3):
        raise ValueError("expected MODEL=INPUT:OUTPUT or MODEL=INPUT:OUTPUT:MAX_OUTPUT_TOKENS")
    rate_in, rate_out = (units.pusd_per_token(part) for part in parts[:2])
    bound = int(parts[2]) if len(parts) == 3 else _SMALL.max_output_tokens
    return model, MockPrice(rate_in, rate_out, bound)


class Catalogue:
    """Every model that is answered for: those of the price table and the mock ones."""

    def __init__(self, prices: dict[str, MockPrice] | None = None) -> None:
        self.prices = MOCK_PRICES | (prices or {})
        self.rates = RateCard.load(self.prices, regions={"bedrock": REGION})

    def row(self, model: str, provider: str = "openai") -> PriceRow | None:
        """The prices of a model; any mock name that is not listed costs what mock-small does."""
        row = self.rates.row(model, provider, provider)
        if row is None and model.startswith("mock-"):
            row = self.rates.row("mock-small", provider)
        return row

    def serving(
        self, model: str, price: PriceRow, provider: str, faults: Faults
    ) -> tuple[str, PriceRow]:
        """What really runs when a model is asked for, and its prices: the dated snapshot of an
        alias, or a dearer model where a fault wants it."""
        if "dearer_model" not in faults:
            dated = SNAPSHOTS.get(model, model)
            return dated if self.row(dated, provider) is not None else model, price
        dearer = faults["dearer_model"]
        if not dearer:
            dearer = "mock-large" if model.startswith("mock-") else _DEARER[provider]
        return dearer, self.row(dearer, provider) or price

    def ids(self, provider: str = "openai") -> list[str]:
        """The models listed to callers; more mock names are accepted than are listed."""
        real = [row.model for row in self.rates.rows() if row.provider == provider]
        return sorted({*self.prices, *real})


def output_tokens_max(price: PriceRow) -> int:
    """The most tokens a model generates in one answer."""
    return price.max_out or _OUTPUT_TOKENS_MAX_UNKNOWN


def is_reasoning(model: str) -> bool:
    """Whether the model thinks before it answers, and refuses `max_tokens`."""
    return model.startswith(_REASONING) and "-chat" not in model


def bills_cache_writes(model: str) -> bool:
    """Whether writing the prompt cache costs: from gpt-5.6 on it does, and it is implicit."""
    return model.startswith(_BILLED_CACHE_WRITES)


def _usd_per_mtok(rate_pusd: int) -> str:
    whole, fraction = divmod(rate_pusd, 1_000_000)
    return f"{whole}.{fraction:06d}".rstrip("0").rstrip(".")
