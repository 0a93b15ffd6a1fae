"""Makes data/prices.json from litellm's published price file; a developer's tool, never run by the
firewall.

    python -m s4fw.pricing.make_prices litellm.json s4fw/pricing/data/prices.json 1.109.1

The source is `model_prices_and_context_window_backup.json`; take it from the litellm wheel (MIT,
outside its enterprise/ folder) without installing it.  Keeps token prices of OpenAI, Anthropic and
Bedrock, exactly, as decimal text in USD per million tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

MODES = frozenset({"chat", "responses", "completion", "embedding", "moderation"})
PROVIDERS = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
}
_RATE = re.compile(
    r"(?:input_cost_per_token|output_cost_per_token|cache_read_input_token_cost"
    r"|cache_creation_input_token_cost|input_cost_per_audio_token|output_cost_per_audio_token"
    r"|output_cost_per_reasoning_token)(?:_.*)?"
)
_COMMITMENT = re.compile(r"/[16]-month-commitment/")  # capacity paid by the month, not by the token


def entry_of(model: str, source: dict[str, Any]) -> dict[str, Any] | None:
    """Our entry of one model, None where it is not ours to price."""
    provider = PROVIDERS.get(source.get("litellm_provider", ""))
    if provider is None or source.get("mode") not in MODES or _COMMITMENT.search(model):
        return None
    rates = {
        name: _per_million(value)
        for name, value in source.items()
        if _RATE.fullmatch(name) and _is_number(value)
    }
    if "input_cost_per_token" not in rates:
        return None
    entry: dict[str, Any] = {"provider": provider, "mode": source["mode"], "rates": rates}
    for theirs, ours in (("max_input_tokens", "max_in"), ("max_output_tokens", "max_out")):
        if isinstance(source.get(theirs), int):
            entry[ours] = source[theirs]
    for name in ("prompt_cache_min_tokens", "deprecation_date"):
        if source.get(name) is not None:
            entry[name] = source[name]
    return entry | _surcharges(source)


def _surcharges(source: dict[str, Any]) -> dict[str, Any]:
    """What multiplies or adds to token rates; kept for later, not priced yet."""
    found: dict[str, Any] = {}
    for region in ("us", "eu"):
        uplift = source.get(f"regional_processing_uplift_multiplier_{region}")
        if uplift is not None:
            found.setdefault("uplift", {})[region] = str(uplift)
    specific = source.get("provider_specific_entry")
    if isinstance(specific, dict):
        found["multipliers"] = {n: str(v) for n, v in specific.items() if _is_number(v)}
    search = source.get("search_context_cost_per_query")
    if isinstance(search, dict) and search:
        found["web_search_usd_per_call"] = str(max(search.values()))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _per_million(usd_per_token: int | Decimal) -> str:
    return format((Decimal(usd_per_token) * 1_000_000).normalize(), "f")


def made(content: bytes, version: str) -> dict[str, Any]:
    """The whole of prices.json from the bytes of litellm's file."""
    source = json.loads(content, parse_float=Decimal)
    entries = {model: entry_of(model, source[model]) for model in sorted(source)}
    return {
        "source": f"litellm {version} model_prices_and_context_window_backup.json",
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "licence": "MIT, Copyright (c) 2023 Berri AI",
        "unit": "USD per 1e6 tokens",
        "models": {model: entry for model, entry in entries.items() if entry is not None},
    }


def main(source: str, target: str, version: str) -> None:
    """Write `target` from `source`."""
    Path(target).write_text(json.dumps(made(Path(source).read_bytes(), version), indent=0) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
