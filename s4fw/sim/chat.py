"""The chat completions API: reads a request body, decides what is generated, prices it.

Text is drawn from the content of the request and the simulator's seed, so the same request gets the
same answer.  How long it is: what the header `x-sim-output` or `[[output N]]` in the last message
orders, else the simulator's default, and never more than the request and the model allow.
`[[tool]]`, or a `tool_choice` that demands it, is answered with a call of a tool.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.pricing import PriceRow
from s4fw.sim.completion import Choice, Completion, ToolCall
from s4fw.sim.faults import Faults
from s4fw.sim.ledger import Charge
from s4fw.sim.models import Catalogue, bills_cache_writes, is_reasoning
from s4fw.sim.prompt import Counted, Prompts
from s4fw.sim.reply import Call, Event, ProviderError, Reply
from s4fw.sim.words import words

_TRIGGER = re.compile(r"\[\[(output|tool|fault)(?: ([^\]]*))?\]\]")
_REASONING_TOKENS = {"none": 0, "minimal": 0, "low": 64, "high": 512}
_REASONING_TOKENS_DEFAULT = 128
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority", "scale": "scale"}
_CHOICES_MAX = 128
_OUTPUT_TOKENS_MAX_UNKNOWN = 4096  # of the few priced models without a stated maximum


class Chat:
    """Answers POST /v1/chat/completions for one simulator."""

    def __init__(
        self, catalogue: Catalogue, prompts: Prompts, *, seed: int, output_tokens: int
    ) -> None:
        self._catalogue = catalogue
        self._prompts = prompts
        self._seed = seed
        self._output_tokens = output_tokens

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Generate the answer to a call.  `faults` asked for by a header come before all others.

        Raises ProviderError for what the provider would refuse.
        """
        body = _read(call.body)
        model = str(body.get("model", ""))
        price = self._catalogue.row(model)
        if price is None:
            message = f"The model `{model[:64]}` does not exist or you do not have access to it."
            raise ProviderError(404, message, code="model_not_found")
        triggers = _triggers(body["messages"])
        faults = faults or Faults.of_model(model) or _parse(triggers.get("fault", ""))
        served = self._catalogue.served(model)
        if "dearer_model" in faults:
            served = faults["dearer_model"] or self._catalogue.dearer(model)
            price = self._catalogue.row(served) or price
        prompt = self._prompts.count(model, body)
        allowed = _allowed(model, price, body)
        choices = self._generate(call, body, allowed, triggers, faults)
        usage = _usage(model, prompt, choices)
        tier = _TIERS.get(str(body.get("service_tier")), "default")
        options = body.get("stream_options") or {}
        completion = Completion(
            id="chatcmpl-" + call.id[-24:],
            created_s=int(time.time()),
            model=served,
            tier=tier,
            choices=choices,
            usage=usage,
            faults=faults,
            include_usage=options.get("include_usage") is True,
            include_obfuscation=options.get("include_obfuscation") is not False,
        )
        is_stream = body.get("stream") is True
        charge = Charge(call.id, model, served, price, tier, is_stream, usage)
        if not is_stream:
            return Reply(200, _headers(call), completion.body(), charge=charge, faults=faults)
        events = _endless(completion, allowed) if "endless" in faults else completion.events()
        return Reply(200, _headers(call), events=events, charge=charge, faults=faults)

    def _generate(
        self,
        call: Call,
        body: dict[str, Any],
        allowed: int,
        triggers: dict[str, str],
        faults: Faults,
    ) -> list[Choice]:
        ordered = call.headers.get("x-sim-output") or triggers.get("output") or ""
        wanted = int(ordered) if ordered.isdigit() else self._output_tokens
        if "full" in faults:
            wanted = allowed
        if "overrun" in faults:
            wanted = allowed = allowed * (faults.number("overrun") or 1)
        model = str(body["model"])
        thinking = _reasoning_tokens(model, body)
        seed = self._seed.to_bytes(8, "big") + orjson.dumps([model, body["messages"]])
        made = []
        for index in range(_choices(body)):
            digest = blake2b(seed, digest_size=12, salt=index.to_bytes(2, "big")).digest()
            choice = self._tool_choice(model, body, index, digest, triggers, allowed)
            made.append(choice or _text_choice(index, digest, thinking, wanted, allowed))
        return made

    def _tool_choice(
        self,
        model: str,
        body: dict[str, Any],
        index: int,
        digest: bytes,
        triggers: dict[str, str],
        allowed: int,
    ) -> Choice | None:
        """A call of the tool that is asked for; None when none is, or when it does not fit."""
        function = _tool_asked(body, triggers)
        if function is None:
            return None
        name = str(function.get("name", ""))
        arguments = orjson.dumps(_sample(function.get("parameters") or {})).decode()
        tokens = self._prompts.text_tokens(model, name + arguments) + 8
        if tokens > allowed:
            return None
        tool_call = ToolCall("call_" + digest.hex(), name, arguments)
        return Choice(index, tokens, "tool_calls", tool_call=tool_call)


def _read(raw: bytes | bytearray) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        message = "We could not parse the JSON body of your request."
        raise ProviderError(400, message) from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise ProviderError(400, "you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        message = "Missing required parameter: 'messages'."
        raise ProviderError(400, message, code="missing_required_parameter", param="messages")
    if not messages:
        message = "Invalid 'messages': empty array."
        raise ProviderError(400, message, code="empty_array", param="messages")
    return body


def _parse(text: str) -> Faults:
    try:
        return Faults.parse(text)
    except ValueError as problem:
        raise ProviderError(400, str(problem), code="unknown_fault") from None


def _triggers(messages: list[dict[str, Any]]) -> dict[str, str]:
    content = messages[-1].get("content")
    if not isinstance(content, str):
        return {}
    return {match[1]: match[2] or "" for match in _TRIGGER.finditer(content)}


def _choices(body: dict[str, Any]) -> int:
    asked = body.get("n") or 1
    if not isinstance(asked, int) or not 1 <= asked <= _CHOICES_MAX:
        message = f"Invalid 'n': expected an integer between 1 and {_CHOICES_MAX}."
        raise ProviderError(400, message, code="integer_out_of_range", param="n")
    return asked


def _allowed(model: str, price: PriceRow, body: dict[str, Any]) -> int:
    """The most tokens one choice may have: what was asked, within the model's maximum."""
    bound = price.max_out or _OUTPUT_TOKENS_MAX_UNKNOWN
    allowed = bound
    for name in ("max_completion_tokens", "max_tokens"):
        asked = body.get(name)
        if asked is None:
            continue
        if name == "max_tokens" and is_reasoning(model):
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            raise ProviderError(400, message, code="unsupported_parameter", param=name)
        if not isinstance(asked, int) or not 1 <= asked <= bound:
            message = f"Invalid '{name}': this model supports 1 to {bound} completion tokens."
            raise ProviderError(400, message, code="invalid_value", param=name)
        allowed = asked
    return allowed


def _reasoning_tokens(model: str, body: dict[str, Any]) -> int:
    if not is_reasoning(model):
        return 0
    return _REASONING_TOKENS.get(str(body.get("reasoning_effort")), _REASONING_TOKENS_DEFAULT)


def _text_choice(index: int, digest: bytes, thinking: int, wanted: int, allowed: int) -> Choice:
    """Words, after thinking; both together stay within what is allowed."""
    visible = max(0, min(wanted, allowed - thinking))
    tokens = min(thinking + visible, allowed)
    finish = "length" if thinking + wanted > allowed else "stop"
    return Choice(index, tokens, finish, words(digest, visible))


def _usage(model: str, prompt: Counted, choices: list[Choice]) -> Usage:
    written = prompt.written if bills_cache_writes(model) else 0
    return Usage(
        uncached_input=prompt.tokens - prompt.cached - written,
        cache_read=prompt.cached,
        cache_write_30m=written,
        output=sum(choice.tokens for choice in choices),
        reasoning=sum(c.tokens - len(c.words) for c in choices if c.tool_call is None),
    )


def _tool_asked(body: dict[str, Any], triggers: dict[str, str]) -> dict[str, Any] | None:
    tools: list[dict[str, Any]] = [
        t["function"] for t in body.get("tools") or () if isinstance(t.get("function"), dict)
    ]
    demanded = body.get("tool_choice")
    name = triggers.get("tool")
    if isinstance(demanded, dict):
        name = str(demanded.get("function", {}).get("name"))
    elif demanded == "required":
        name = name or ""
    if not tools or name is None or demanded == "none":
        return None
    named = (tool for tool in tools if tool.get("name") == name)
    return next(named, tools[0]) if name else tools[0]


def _sample(schema: dict[str, Any]) -> Any:
    """A value that fits a JSON schema well enough for a tool call."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _sample(part) for name, part in properties.items()}
    samples: dict[str, Any] = {"string": "sample", "integer": 1, "number": 1.5, "boolean": True}
    return samples.get(kind, [] if kind == "array" else None)


def _endless(completion: Completion, allowed: int) -> Iterator[Event]:
    """A stream that goes on until the caller leaves; billed up to what was allowed."""
    for turn in count():
        word = words(turn.to_bytes(8, "big"), 2)[1]
        yield Event(completion.delta(word), int(turn < allowed))


def _headers(call: Call) -> list[tuple[str, str]]:
    return [
        ("openai-organization", "simulated"),
        ("openai-processing-ms", "1"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-request-id", call.id),
    ]
