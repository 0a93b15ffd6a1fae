"""All rates the firewall knows: the customer's own first, then the shipped ones.

The shipped data (`data/prices.json`, see its NOTICE) is pinned and generated; nothing is fetched.
A model is found by its exact id, dated snapshots as listed; what is not found is unknown, and never
priced at nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from s4fw.pricing.bedrock import BedrockRows
from s4fw.pricing.row import DEFAULT, PLAIN, PriceRow, Published, published
from s4fw.units import scaled_decimal

DATA: Final = Path(__file__).parent / "data" / "prices.json"
ANY_PROVIDER: Final = "*"


class PriceOverride(Protocol):
    """A customer's own rates for one model, in pico-USD per token; they hold in every tier and
    at every input size.  A cache rate that is left out costs as input does."""

    @property
    def input_pusd(self) -> int: ...
    @property
    def output_pusd(self) -> int: ...
    @property
    def cache_read_pusd(self) -> int | None: ...
    @property
    def cache_write_pusd(self) -> int | None: ...
    @property
    def max_output_tokens(self) -> int | None: ...
    @property
    def max_input_tokens(self) -> int | None: ...


class RateCard:
    """Every row, immutable; `version` names the rates it was made of (data and overrides)."""

    __slots__ = (
        "_bedrock",
        "_of_upstreams",
        "_own",
        "_regional",
        "_regions",
        "_shipped",
        "version",
    )

    def __init__(
        self,
        version: str,
        shipped: Mapping[str, PriceRow],
        own: Mapping[str, PriceRow],
        of_upstreams: Mapping[str, Mapping[str, PriceRow]],
        regions: Mapping[str, str] | None = None,
        regional: Mapping[str, Mapping[str, PriceRow]] | None = None,
    ) -> None:
        self.version = version
        self._shipped = shipped
        self._bedrock = BedrockRows(shipped)
        self._regions = regions or {}
        self._regional = regional or {}
        self._own = own
        self._of_upstreams = of_upstreams

    def __repr__(self) -> str:
        return f"<RateCard {self.version}: {len(self._shipped)} shipped, {len(self._own)} own>"

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, PriceOverride] | None = None,
        data: Path = DATA,
        of_upstreams: Mapping[str, Mapping[str, PriceOverride]] | None = None,
        regions: Mapping[str, str] | None = None,
        residencies: Mapping[str, str] | None = None,
        inference_geo: str = "",
    ) -> RateCard:
        """Read the shipped rates and put the overrides before them (about 20 ms); what an upstream
        has of its own, by its name, stands before both.  `regions` says where an upstream runs,
        by its name: some models of Bedrock have prices by region.  `residencies` says the same of
        OpenAI's regional hosts, where some models have an uplift, and `inference_geo` where
        Anthropic runs what does not name a place.

        Raises ValueError for data that cannot be priced exactly, such as a rate with more than six
        decimals, and OSError where there is none.
        """
        content = data.read_bytes()
        own = _own_rows(overrides or {})
        theirs = {name: _own_rows(prices) for name, prices in (of_upstreams or {}).items()}
        digest = hashlib.sha256(content)
        digest.update(repr([(model, own[model].rates()) for model in sorted(own)]).encode())
        for name in sorted(theirs):
            rows = theirs[name]
            digest.update(repr((name, [(m, rows[m].rates()) for m in sorted(rows)])).encode())
        if regions:
            digest.update(repr(sorted(regions.items())).encode())
        if residencies or inference_geo:
            digest.update(repr((sorted((residencies or {}).items()), inference_geo)).encode())
        entries = orjson.loads(content)["models"]
        shipped = _shipped_rows(entries, inference_geo)
        uplifted = {
            name: shipped | _uplifted_rows(entries, place)
            for name, place in (residencies or {}).items()
        }
        return cls(digest.hexdigest()[:12], shipped, own, theirs, regions, uplifted)

    def row(self, model: str, provider: str = "openai", upstream: str = "") -> PriceRow | None:
        """The rates of a model by its exact id; None where it is unknown.

        A fine-tuned model (`ft:base:organisation:name:id`) without a row of its own has that of
        `ft:base`.  An override holds for every provider.
        """
        row = self._of_upstream(model, upstream)
        if row is not None:
            return row
        row = self._own.get(model)
        if row is None and provider == "bedrock":
            return self._bedrock.row(model, self._regions.get(upstream))
        shipped = self._regional.get(upstream, self._shipped)
        row = row or shipped.get(model)
        if row is None and model.startswith("ft:"):
            base = ":".join(model.split(":", 2)[:2])
            row = self._own.get(base) or shipped.get(base)
        return row if row is not None and row.provider in (provider, ANY_PROVIDER) else None

    def _of_upstream(self, model: str, upstream: str) -> PriceRow | None:
        rows = self._of_upstreams.get(upstream)
        return None if rows is None else rows.get(model)

    def priced_as(self, model: str, provider: str = "openai", upstream: str = "") -> str | None:
        """The name of the row that a model has its rates from; None where it is unknown."""
        row = self.row(model, provider, upstream)
        return None if row is None else row.model

    def row_of_answer(
        self, model: str, quoted: PriceRow, provider: str = "openai", upstream: str = ""
    ) -> PriceRow:
        """The rates of an answer that names `model`, to a request that was quoted at `quoted`.

        Answers name the snapshot or the deployment behind an alias.  So the customer's own rates
        for the name that was asked for hold for whatever it stands for, unless that has rates of
        its own; and a name without a price ran at the quoted one.
        """
        own = self._of_upstream(model, upstream) or self._own.get(model)
        if own is None and quoted.provider == ANY_PROVIDER:
            return quoted
        return own or self.row(model, provider, upstream) or quoted

    def rows(self) -> Iterator[PriceRow]:
        """Every row that `row` can find, the customer's own first; for people to look at."""
        yield from self._own.values()
        yield from (row for model, row in self._shipped.items() if model not in self._own)


def _shipped_rows(entries: dict[str, dict[str, Any]], geo: str) -> dict[str, PriceRow]:
    """Rows of the shipped data; moderation is free, has no usage and so no row."""
    return {
        model: _shipped_row(model, entry, geo if entry["provider"] == "anthropic" else "")
        for model, entry in entries.items()
        if entry["mode"] != "moderation"
    }


def _uplifted_rows(entries: dict[str, dict[str, Any]], place: str) -> dict[str, PriceRow]:
    """The rows that cost more at a regional host."""
    return {
        model: _shipped_row(model, entry, "", scaled_decimal(entry["uplift"][place], 3))
        for model, entry in entries.items()
        if place in entry.get("uplift", {})
    }


def _shipped_row(model: str, entry: dict[str, Any], geo: str, uplift: int = PLAIN) -> PriceRow:
    multipliers = {
        name: scaled_decimal(text, 3) for name, text in entry.get("multipliers", {}).items()
    }
    search = entry.get("web_search_usd_per_call")
    return PriceRow(
        model,
        entry["provider"],
        _published(model, entry),
        entry.get("max_in"),
        _max_out(entry),
        multipliers,
        None if search is None else scaled_decimal(search, 12),
        geo,
        uplift,
    )


def _published(model: str, entry: dict[str, Any]) -> Published:
    try:
        return published(entry["rates"])
    except ValueError as problem:
        raise ValueError(f"price data of {model}: {problem}") from None


def _max_out(entry: dict[str, Any]) -> int | None:
    return 0 if entry["mode"] == "embedding" else entry.get("max_out")


def _own_rows(overrides: Mapping[str, PriceOverride]) -> dict[str, PriceRow]:
    return {model: _own_row(model, override) for model, override in overrides.items()}


def _own_row(model: str, override: PriceOverride) -> PriceRow:
    rates = {
        "input_cost_per_token": override.input_pusd,
        "output_cost_per_token": override.output_pusd,
        "cache_read_input_token_cost": override.cache_read_pusd,
        "cache_creation_input_token_cost": override.cache_write_pusd,
    }
    cells = {(kind, 0, DEFAULT): rate for kind, rate in rates.items() if rate is not None}
    return PriceRow(
        model, ANY_PROVIDER, cells, override.max_input_tokens, override.max_output_tokens
    )
