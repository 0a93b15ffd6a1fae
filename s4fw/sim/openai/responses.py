"""The responses API: reads a request body, decides what is generated, prices it, and remembers.

A request that continues an earlier response, or a conversation, is billed for everything that was
read and said in it before.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.generator import Task
from s4fw.sim.ledger import Charge
from s4fw.sim.openai import items, request
from s4fw.sim.openai.form import ResponsesForm
from s4fw.sim.openai.items import Items
from s4fw.sim.openai.response import Response
from s4fw.sim.openai.store import Store
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply

FORM = ResponsesForm()


class Responses:
    """Answers every call under /v1/responses for one simulator."""

    def __init__(self, engine: Engine, provider: str) -> None:
        self._engine = engine
        self._provider = provider
        self.store = Store()

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Generate the answer to a call.  Raises ProviderError."""
        engine = self._engine
        body = request.document(call)
        model = str(body["model"])
        found = request.price_of(engine, model, self._provider)
        given = items.input_items(body)
        whole = self._earlier(body) + given
        orders = Orders(call, items.last_text(given))
        faults = faults or orders.faults(model)
        served, price = engine.catalogue.serving(model, found, self._provider, faults)
        allowed = request.allowed(model, price, body, "max_output_tokens")
        counted = engine.prompts.count(model, items.RESPONSES, items.pieces(body, whole))
        counted = counted.with_cached(orders.number("cached"))
        choice = engine.generator.choices(_task(body, whole, allowed), orders, faults)[0]
        tier = request.tier(body, faults)
        searches = _searches(body, orders)
        usage = _with_searches(request.usage(body, counted, [choice], tier), searches)
        response = Response(
            id="resp_" + call.id[-24:],
            created_s=int(time.time()),
            model=served,
            tier=tier,
            choice=choice,
            usage=usage,
            faults=faults,
            request=body,
            allowed=allowed,
            searches=searches,
        )
        self._keep(body, response, whole, given)
        is_stream = body.get("stream") is True
        charge = Charge(
            "responses", self._provider, call.id, model, served, price, is_stream, usage
        )
        reply = Reply(FORM, 200, request.headers(call), charge=charge, faults=faults)
        if is_stream:
            reply.events = response.events()
        else:
            is_later = body.get("background") is True
            reply.body = orjson.dumps(response.body("queued" if is_later else ""))
        return reply

    def count(self, call: Call, faults: Faults) -> Reply:
        """Answer input_tokens, the free count.  Raises ProviderError."""
        body = request.document(call)
        whole = self._earlier(body) + items.input_items(body)
        pieces = items.pieces(body, whole)
        tokens = self._engine.prompts.tokens(str(body["model"]), items.RESPONSES, pieces)
        counted = {"object": "response.input_tokens", "input_tokens": tokens}
        return self._document(call, counted, faults)

    def stored(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer a call for one response that was kept.  Raises ProviderError."""
        response_id, _, rest = path.removeprefix("/v1/responses/").partition("/")
        if (call.method, rest) == ("GET", ""):
            return self._document(call, self.store.document(response_id), faults)
        if (call.method, rest) == ("DELETE", ""):
            self.store.delete(response_id)
            gone = {"id": response_id, "object": "response.deleted", "deleted": True}
            return self._document(call, gone, faults)
        if (call.method, rest) == ("GET", "input_items"):
            listed = self.store.inputs(response_id)
            document = {"object": "list", "data": listed, "has_more": False}
            return self._document(call, document | {"first_id": None, "last_id": None}, faults)
        if (call.method, rest) == ("POST", "cancel"):
            document = self.store.document(response_id)
            if not document["background"]:
                raise ProviderError(400, "Only background responses can be cancelled.")
            return self._document(call, document, faults)
        raise ProviderError(404, "Invalid URL", code="unknown_url")

    def _document(self, call: Call, document: dict[str, Any], faults: Faults) -> Reply:
        return Reply(FORM, 200, request.headers(call), orjson.dumps(document), faults=faults)

    def _earlier(self, body: dict[str, Any]) -> Items:
        """What the request continues.  Raises ProviderError for an id that is not known."""
        previous = body.get("previous_response_id")
        if previous is not None:
            found = self.store.earlier(str(previous))
            if found is None:
                message = f"Previous response with id '{str(previous)[:64]}' not found."
                code = "previous_response_not_found"
                raise ProviderError(400, message, code=code, param="previous_response_id")
            return found
        talk = _conversation(body)
        return self.store.earlier(talk) or [] if talk else []

    def _keep(self, body: dict[str, Any], response: Response, whole: Items, given: Items) -> None:
        said = [item for item in response.output() if item["type"] != "reasoning"]
        talk = _conversation(body)
        if talk:
            self.store.chain(talk, whole + said)
        if body.get("store") is not False:
            self.store.chain(response.id, whole + said)
            self.store.keep(response.body(), given)


def _conversation(body: dict[str, Any]) -> str:
    given = body.get("conversation")
    return str(given.get("id", "")) if isinstance(given, dict) else str(given or "")


def _task(body: dict[str, Any], whole: Items, allowed: int) -> Task:
    model = str(body["model"])
    demanded = body.get("tool_choice")
    tool = "" if demanded == "required" else None
    if isinstance(demanded, dict) and demanded.get("type") == "function":
        tool = str(demanded.get("name"))
    functions = [each for each in body.get("tools") or () if each.get("type") == "function"]
    return Task(
        model,
        whole,
        allowed,
        thinking=request.reasoning_tokens(model, (body.get("reasoning") or {}).get("effort")),
        tools=request.tools(functions),
        tool=tool,
        is_tool_barred=demanded == "none",
    )


def _searches(body: dict[str, Any], orders: Orders) -> int:
    """How many web searches run: as ordered, where the request offers and allows them."""
    kinds = [str(tool.get("type", "")) for tool in body.get("tools") or ()]
    if not any(kind.startswith("web_search") for kind in kinds):
        return 0
    ordered = orders.number("search") or 0
    return min(ordered, body.get("max_tool_calls") or ordered)


def _with_searches(usage: Usage, searches: int) -> Usage:
    """Each search is a turn of its own that reads the whole input again."""
    return replace(
        usage,
        uncached_input=usage.uncached_input * (searches + 1),
        cache_read=usage.cache_read * (searches + 1),
        web_searches=searches,
    )
