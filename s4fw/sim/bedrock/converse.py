"""The Converse API: reads a request body, decides what is generated, prices it."""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.pricing import PriceRow
from s4fw.sim.bedrock import modelid, prompt
from s4fw.sim.bedrock.conversation import Conversation
from s4fw.sim.bedrock.form import FORM
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.generator import Task, Tool
from s4fw.sim.ledger import Charge
from s4fw.sim.models import output_tokens_max
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply
from s4fw.sim.shape import check_object, check_objects

_THINKING_TOKENS = 32
# Where the model's own fields may bound the output beside Converse's; the larger one counts.
_BOUNDS = ("max_tokens", "maxTokens", "max_completion_tokens", "max_gen_len", "max_new_tokens")


class Converse:
    """Answers /model/{id}/converse and converse-stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, call: Call, model_id: str, faults: Faults, *, is_stream: bool) -> Reply:
        """Generate the answer to a call.  Raises ProviderError."""
        body = call.document()
        talk, charge = self.generate(call, body, model_id, "converse", faults)
        charge.is_stream = is_stream
        reply = Reply(FORM, 200, FORM.id_headers(call.id), charge=charge, faults=talk.faults)
        if is_stream:
            reply.events = talk.events()
        else:
            reply.body = orjson.dumps(talk.body())
        return reply

    def tokens(self, model_id: str, body: dict[str, Any]) -> int:
        """The input tokens of a prompt; leaves the cache alone."""
        model = modelid.priced(model_id)
        return self._engine.prompts.tokens(model, prompt.CONVERSE, prompt.pieces(body))

    def generate(
        self, call: Call, body: dict[str, Any], model_id: str, shape: str, faults: Faults
    ) -> tuple[Conversation, Charge]:
        """Generate the answer of a body, also of Nova's by Invoke.  Raises ProviderError."""
        engine = self._engine
        model = modelid.priced(model_id)
        price = price_of(engine, model_id)
        _check(body)
        orders = Orders(call, prompt.last_text(body))
        faults = faults or orders.faults(model)
        allowed = _allowed(body, price)
        counted = engine.prompts.count(model, prompt.CONVERSE, prompt.pieces(body))
        counted = counted.with_cached(orders.number("cached"))
        choice = engine.generator.choices(_task(body, model, allowed), orders, faults)[0]
        usage = Usage(
            uncached_input=counted.uncached,
            cache_read=counted.cached,
            cache_write_5m=counted.written,
            cache_write_1h=counted.written_1h,
            output=choice.tokens,
            reasoning=choice.reasoning,
            tier=faults.get("tier") or (body.get("serviceTier") or {}).get("type", "default"),
        )
        charge = Charge(shape, "bedrock", call.id, model_id, model, price, False, usage)
        return Conversation(choice, usage, faults, allowed), charge


def price_of(engine: Engine, model_id: str) -> PriceRow:
    """The prices of a model.  Raises ProviderError."""
    price = engine.catalogue.row(modelid.priced(model_id), "bedrock")
    if price is None:
        raise ProviderError(400, "The provided model identifier is invalid.")
    return price


def _check(body: dict[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ProviderError(400, "messages: at least one message is required")
    if not all(isinstance(each, dict) for each in messages):
        raise ProviderError(400, "messages: each message is a structure")
    for name in ("inferenceConfig", "additionalModelRequestFields", "toolConfig", "serviceTier"):
        check_object(body.get(name), name)
    check_objects((body.get("toolConfig") or {}).get("tools"), "toolConfig.tools")
    check_objects(body.get("system"), "system")
    for message in messages:
        check_objects(message.get("content"), "messages.content")
        for block in message.get("content") or ():
            _check_block(block)


def _check_block(block: dict[str, Any]) -> None:
    """A text is a text; what a block holds as a structure is one."""
    if not isinstance(block.get("text", ""), str):
        raise ProviderError(400, "text: expected a string")
    for kind in ("cachePoint", "toolUse", "toolResult", "reasoningContent"):
        check_object(block.get(kind), kind)
    inner = (block.get("toolResult") or {}).get("content")
    check_objects(inner, "toolResult.content")


def _allowed(body: dict[str, Any], price: PriceRow) -> int:
    """The most tokens of the answer: what was asked, else the model's maximum."""
    bound = output_tokens_max(price)
    config = body.get("inferenceConfig") or {}
    more = body.get("additionalModelRequestFields") or {}
    asked = [config.get(name) for name in ("maxTokens", "max_new_tokens")]
    asked += [more.get(name) for name in _BOUNDS]
    given = [each for each in asked if each is not None]
    if any(not isinstance(each, int) or not 1 <= each <= bound for each in given):
        raise ProviderError(400, f"The maximum tokens you requested exceed the limit of {bound}.")
    return max(given, default=bound)


def _task(body: dict[str, Any], model: str, allowed: int) -> Task:
    config = body.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    thinking = (body.get("additionalModelRequestFields") or {}).get("thinking") or {}
    specs = [each["toolSpec"] for each in config.get("tools") or () if "toolSpec" in each]
    tool = "" if "any" in choice else None
    if "tool" in choice:
        tool = str(choice["tool"].get("name"))
    return Task(
        model,
        body["messages"],
        allowed,
        thinking=_THINKING_TOKENS if thinking.get("type") in ("enabled", "adaptive") else 0,
        tools=[
            Tool(str(spec["name"]), (spec.get("inputSchema") or {}).get("json") or {})
            for spec in specs
        ],
        tool=tool,
        prefix="tooluse_",
    )
