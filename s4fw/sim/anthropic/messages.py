"""The messages API: reads a request body, decides what is generated, prices it."""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.pricing import PriceRow
from s4fw.sim.anthropic import prompt
from s4fw.sim.anthropic.account import account, searches_of
from s4fw.sim.anthropic.blocks import blocks
from s4fw.sim.anthropic.form import AnthropicForm
from s4fw.sim.anthropic.message import Message
from s4fw.sim.choice import LENGTH, Choice
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Headers, ProviderError
from s4fw.sim.generator import Task, Tool
from s4fw.sim.ledger import Charge
from s4fw.sim.models import output_tokens_max
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply
from s4fw.sim.shape import check_content, check_object, check_objects

FORM = AnthropicForm()

_THINKING_TOKENS = 32  # how long the model thinks where it may
_COUNTED_FIELDS = frozenset(
    {
        *("model", "messages", "system", "tools", "tool_choice", "thinking"),
        *("output_config", "cache_control", "speed"),
    }
)


class Messages:
    """Answers POST /v1/messages and its count_tokens; `provider` is who bills it."""

    def __init__(self, engine: Engine, provider: str) -> None:
        self._engine = engine
        self._provider = provider

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Generate the answer to a call.  Raises ProviderError."""
        body = call.document()
        message, charge = self.generate(call, body, str(body.get("model", "")), "messages", faults)
        charge.is_stream = body.get("stream") is True
        reply = Reply(FORM, 200, headers(call), charge=charge, faults=message.faults)
        if charge.is_stream:
            reply.events = message.events()
        else:
            reply.body = orjson.dumps(message.body())
        return reply

    def count(self, call: Call, faults: Faults) -> Reply:
        """Answer count_tokens.  Raises ProviderError."""
        body = call.document()
        for name in body.keys() - _COUNTED_FIELDS:
            raise ProviderError(400, f"{name}: Extra inputs are not permitted")
        model = str(body.get("model", ""))
        self._price_of(model)
        counted = orjson.dumps({"input_tokens": self.tokens(model, body)})
        return Reply(FORM, 200, headers(call), counted, faults=faults)

    def tokens(self, model: str, body: dict[str, Any]) -> int:
        """The input tokens of a prompt; leaves the cache alone."""
        return self._engine.prompts.tokens(model, prompt.MESSAGES, prompt.pieces(body))

    def generate(
        self, call: Call, body: dict[str, Any], model: str, shape: str, faults: Faults
    ) -> tuple[Message, Charge]:
        """Generate the message of a body, also of Bedrock's Invoke.  Raises ProviderError."""
        engine = self._engine
        check_messages(body)
        found = self._price_of(model)
        orders = Orders(call, prompt.last_text(body))
        faults = faults or orders.faults(model)
        if shape == "invoke":
            faults = faults.without("dearer_model")  # no answer here names a model with a price
        served, price = engine.catalogue.serving(model, found, self._provider, faults)
        allowed = _allowed(body, output_tokens_max(price))
        counted = engine.prompts.count(model, prompt.MESSAGES, prompt.pieces(body))
        choice = Choice(0, 0, LENGTH)
        if allowed:
            choice = engine.generator.choices(_task(body, model, allowed), orders, faults)[0]
        kept = account(
            body,
            counted.with_cached(orders.number("cached")),
            choice,
            orders,
            faults,
            has_fast="fast" in price.multipliers,
            is_bedrock=shape == "invoke",
        )
        content = list(blocks(choice, faults, searches_of(body, orders), thinks=_thinks(body)))
        message_id = "msg_" + call.id[-24:]
        message = Message(message_id, served, content, choice.finish_reason, kept, faults, allowed)
        extras = () if kept.compaction is None else ((price, kept.compaction),)
        charge = Charge(
            shape, self._provider, call.id, model, served, price, False, kept.whole, extras
        )
        return message, charge

    def _price_of(self, model: str) -> PriceRow:
        price = self._engine.catalogue.row(model, self._provider)
        if price is None:
            raise ProviderError(404, f"model: {model[:64]}")
        return price


def check_messages(body: dict[str, Any]) -> None:
    """Raises ProviderError for a body without messages, or with parts of a wrong shape."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        raise ProviderError(400, "messages: Field required")
    if not messages:
        raise ProviderError(400, "messages: at least one message is required")
    for item in messages:
        check_content(item.get("content"), "messages.content")
        blocks = item.get("content")
        for block in blocks if isinstance(blocks, list) else ():
            _check_block(block)
    check_content(body.get("system"), "system")
    check_objects(body.get("tools"), "tools")
    check_object(body.get("tool_choice"), "tool_choice")


def _check_block(block: dict[str, Any]) -> None:
    """The parts of a block that are read themselves."""
    if block.get("type") in ("image", "document"):
        check_object(block.get("source"), "source")
    if block.get("type") == "tool_result":
        check_content(block.get("content"), "tool_result.content")


def headers(call: Call) -> Headers:
    """What every answer of the provider carries."""
    return [
        ("request-id", call.id),
        ("anthropic-organization-id", "simulated"),
        ("anthropic-ratelimit-requests-limit", "10000"),
        ("anthropic-ratelimit-requests-remaining", "9999"),
    ]


def _allowed(body: dict[str, Any], bound: int) -> int:
    asked = body.get("max_tokens")
    if asked is None:
        raise ProviderError(400, "max_tokens: Field required")
    if not isinstance(asked, int) or isinstance(asked, bool) or not 0 <= asked <= bound:
        raise ProviderError(400, f"max_tokens: {asked} is not between 0 and {bound}")
    return asked


def _thinks(body: dict[str, Any]) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled")


def _task(body: dict[str, Any], model: str, allowed: int) -> Task:
    choice = body.get("tool_choice") or {}
    tool = {"any": "", "tool": str(choice.get("name"))}.get(str(choice.get("type")))
    return Task(
        model,
        body["messages"],
        allowed,
        thinking=_THINKING_TOKENS if _thinks(body) else 0,
        tools=[
            Tool(str(each["name"]), each.get("input_schema") or {})
            for each in body.get("tools") or ()
            if each.get("type") in (None, "custom")
        ],
        tool=tool,
        is_tool_barred=choice.get("type") == "none",
        prefix="toolu_",
    )
