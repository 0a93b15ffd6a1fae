"""What every request of OpenAI's generating endpoints has: a body, a model, a tier, bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.pricing import PriceRow
from s4fw.sim.choice import Choice
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Headers, ProviderError
from s4fw.sim.generator import Tool
from s4fw.sim.models import bills_cache_writes, is_reasoning, output_tokens_max
from s4fw.sim.prompt import Counted
from s4fw.sim.reply import Call

_REASONING_TOKENS = {"none": 0, "minimal": 0, "low": 64, "high": 512}
_REASONING_TOKENS_DEFAULT = 128
_TIERS = {
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "scale": "scale",
    "ultrafast": "ultrafast",
}


def document(call: Call) -> dict[str, Any]:
    """The body as JSON with a model.  Raises ProviderError."""
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        message = "We could not parse the JSON body of your request."
        raise ProviderError(400, message) from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise ProviderError(400, "you must provide a model parameter")
    return body


def price_of(engine: Engine, model: str, provider: str) -> PriceRow:
    """The prices of a model that is there.  Raises ProviderError."""
    price = engine.catalogue.row(model, provider)
    if price is None:
        message = f"The model `{model[:64]}` does not exist or you do not have access to it."
        raise ProviderError(404, message, code="model_not_found")
    return price


def tier(body: Mapping[str, Any], faults: Faults) -> str:
    """The service tier that really runs."""
    return faults.get("tier") or _TIERS.get(str(body.get("service_tier")), "default")


def allowed(model: str, price: PriceRow, body: Mapping[str, Any], *names: str) -> int:
    """The most tokens one choice may have: what was asked, within the model's maximum."""
    bound = output_tokens_max(price)
    least = bound
    for name in names:
        asked = body.get(name)
        if asked is None:
            continue
        if name == "max_tokens" and is_reasoning(model):
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            raise ProviderError(400, message, code="unsupported_parameter", param=name)
        if not isinstance(asked, int) or not 1 <= asked <= bound:
            message = f"Invalid '{name}': this model supports 1 to {bound} completion tokens."
            raise ProviderError(400, message, code="invalid_value", param=name)
        least = asked
    return least


def count_of(body: Mapping[str, Any], name: str, most: int) -> int:
    """How many answers are asked for by `n` or `best_of`."""
    asked = body.get(name) or 1
    if not isinstance(asked, int) or not 1 <= asked <= most:
        message = f"Invalid '{name}': expected an integer between 1 and {most}."
        raise ProviderError(400, message, code="integer_out_of_range", param=name)
    return asked


def reasoning_tokens(model: str, effort: object) -> int:
    """How long the model thinks before it answers."""
    if not is_reasoning(model):
        return 0
    return _REASONING_TOKENS.get(str(effort), _REASONING_TOKENS_DEFAULT)


def tools(functions: Iterable[Any]) -> list[Tool]:
    """The functions among the tools of a request."""
    return [
        Tool(str(function["name"]), function.get("parameters") or {})
        for function in functions
        if isinstance(function, dict) and "name" in function
    ]


def usage(body: Mapping[str, Any], prompt: Counted, choices: Iterable[Choice], tier: str) -> Usage:
    """What is billed.  From gpt-5.6 on, writing the cache costs, more if it is kept for longer."""
    made = list(choices)
    written = prompt.written if bills_cache_writes(str(body["model"])) else 0
    options = body.get("prompt_cache_options")
    is_long = isinstance(options, dict) and options.get("ttl") == "12h"
    return Usage(
        uncached_input=prompt.tokens - prompt.cached - written,
        cache_read=prompt.cached,
        cache_write_30m=0 if is_long else written,
        cache_write_12h=written if is_long else 0,
        output=sum(choice.tokens for choice in made),
        reasoning=sum(choice.reasoning for choice in made),
        tier=tier,
    )


def headers(call: Call) -> Headers:
    """What every answer of the provider carries."""
    return [
        ("openai-organization", "simulated"),
        ("openai-processing-ms", "1"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-request-id", call.id),
    ]
