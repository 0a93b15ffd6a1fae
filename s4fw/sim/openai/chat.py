"""The chat completions API: reads a request body, decides what is generated, prices it.

Text is drawn from the content of the request and the simulator's seed, so the same request gets the
same answer.  How long it is: what an order says (`orders`), else the simulator's default, and never
more than the request and the model allow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from s4fw.sim.endless import endless
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, ProviderError
from s4fw.sim.generator import Task
from s4fw.sim.ledger import Charge
from s4fw.sim.openai import prompt, request
from s4fw.sim.openai.completion import Completion
from s4fw.sim.openai.form import OpenAIForm
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply
from s4fw.sim.shape import check_content, check_object, check_objects

FORM = OpenAIForm()

_CHOICES_MAX = 128


class Chat:
    """Answers POST /v1/chat/completions for one simulator."""

    def __init__(self, engine: Engine, provider: str) -> None:
        self._engine = engine
        self._provider = provider

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Generate the answer to a call.  `faults` asked for by a header come before all others.

        Raises ProviderError for what the provider would refuse.
        """
        engine = self._engine
        body = _read(call)
        model = str(body["model"])
        found = request.price_of(engine, model, self._provider)
        orders = Orders(call, _last_text(body["messages"]))
        faults = faults or orders.faults(model)
        served, price = engine.catalogue.serving(model, found, self._provider, faults)
        counted = engine.prompts.count(model, prompt.CHAT, prompt.pieces(body))
        bound = request.allowed(model, price, body, "max_completion_tokens", "max_tokens")
        choices = engine.generator.choices(_task(body, bound), orders, faults)
        tier = request.tier(body, faults)
        counted = counted.with_cached(orders.number("cached"))
        usage = request.usage(body, counted, choices, tier)
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
        charge = Charge("chat", self._provider, call.id, model, served, price, is_stream, usage)
        reply = Reply(FORM, 200, request.headers(call), charge=charge, faults=faults)
        if not is_stream:
            reply.body = completion.body()
        else:
            is_endless = "endless" in faults
            reply.events = _endless(completion, bound) if is_endless else completion.events()
        return reply


def _read(call: Call) -> dict[str, Any]:
    body = request.document(call)
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        message = "Missing required parameter: 'messages'."
        raise ProviderError(400, message, code="missing_required_parameter", param="messages")
    if not messages:
        message = "Invalid 'messages': empty array."
        raise ProviderError(400, message, code="empty_array", param="messages")
    for item in messages:
        check_content(item.get("content"), "messages.content")
        check_objects(item.get("tool_calls"), "messages.tool_calls")
    check_object(body.get("stream_options"), "stream_options")
    return body


def _last_text(messages: list[dict[str, Any]]) -> str:
    content = messages[-1].get("content")
    return content if isinstance(content, str) else ""


def _task(body: dict[str, Any], allowed: int) -> Task:
    model = str(body["model"])
    demanded = body.get("tool_choice")
    tool = "" if demanded == "required" else None
    if isinstance(demanded, dict):
        tool = str(demanded.get("function", {}).get("name"))
    return Task(
        model,
        body["messages"],
        allowed,
        thinking=request.reasoning_tokens(model, body.get("reasoning_effort")),
        count=request.count_of(body, "n", _CHOICES_MAX),
        tools=request.tools(each.get("function") for each in body.get("tools") or ()),
        tool=tool,
        is_tool_barred=demanded == "none",
    )


def _endless(completion: Completion, allowed: int) -> Iterator[Event]:
    for word, tokens in endless(allowed):
        yield Event(completion.delta(word), tokens)
