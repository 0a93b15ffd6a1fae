"""The Invoke API: native bodies, whole or in chunks, with the counts in headers or in the last
chunk.  Claude's body is that of the messages API, Nova's that of Converse."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.anthropic.messages import Messages
from s4fw.sim.bedrock import modelid
from s4fw.sim.bedrock.account import count_headers, metrics
from s4fw.sim.bedrock.converse import Converse, price_of
from s4fw.sim.bedrock.form import FORM
from s4fw.sim.bedrock.native import Family, Said, family_of
from s4fw.sim.choice import STOP, Choice
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, ProviderError
from s4fw.sim.generator import Task
from s4fw.sim.ledger import Charge
from s4fw.sim.models import output_tokens_max
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply

# A whole body, the native events of a stream with their tokens, and what is billed.
Made = tuple[dict[str, Any], Iterable[tuple[dict[str, Any], int]], Charge, Faults]


class Invoke:
    """Answers /model/{id}/invoke and invoke-with-response-stream."""

    def __init__(self, engine: Engine, converse: Converse, messages: Messages) -> None:
        self._engine = engine
        self._converse = converse
        self._messages = messages

    def answer(self, call: Call, model_id: str, faults: Faults, *, is_stream: bool) -> Reply:
        """Generate the answer to a call.  Raises ProviderError."""
        body = call.document()
        price_of(self._engine, model_id)
        name = modelid.family(model_id)
        family = family_of(name)
        if name.startswith(("anthropic.", "mock-")):
            whole, events, charge, faults = self._claude(call, body, model_id, faults)
        elif name.startswith("amazon.nova"):
            whole, events, charge, faults = self._nova(call, body, model_id, faults)
        elif family is not None:
            whole, events, charge, faults = self._native(call, body, model_id, family, faults)
        else:
            raise ProviderError(400, f"Native bodies of {name} are not simulated.")
        charge.is_stream = is_stream
        reply = Reply(FORM, 200, FORM.id_headers(call.id), charge=charge, faults=faults)
        if is_stream:
            reply.headers.append(("x-amzn-bedrock-content-type", "application/json"))
            reply.events = _chunks(events, charge.usage, faults)
        else:
            reply.headers += count_headers(charge.usage, faults)
            reply.body = orjson.dumps(whole)
        return reply

    def _claude(self, call: Call, body: dict[str, Any], model_id: str, faults: Faults) -> Made:
        if "anthropic_version" not in body:
            raise ProviderError(400, "anthropic_version: Field required")
        model = modelid.priced(model_id)
        message, charge = self._messages.generate(call, body, model, "invoke", faults)
        message.model = modelid.native(model_id)
        charge.model = model_id
        events = ((orjson.loads(event.data), event.tokens) for event in message.events())
        return message.body(), events, charge, message.faults

    def _nova(self, call: Call, body: dict[str, Any], model_id: str, faults: Faults) -> Made:
        talk, charge = self._converse.generate(call, body, model_id, "invoke", faults)
        events = (({event.name: orjson.loads(event.data)}, event.tokens) for event in talk.events())
        return talk.body(), events, charge, talk.faults

    def _native(
        self, call: Call, body: dict[str, Any], model_id: str, family: Family, faults: Faults
    ) -> Made:
        engine, model = self._engine, modelid.priced(model_id)
        price = price_of(engine, model_id)
        text = family.text(body)
        orders = Orders(call, text)
        faults = faults or orders.faults(model)
        choice = Choice(0, 0, STOP)
        if family.bound is not None:
            allowed = _allowed(family.bound(body), output_tokens_max(price))
            choice = engine.generator.choices(Task(model, text, allowed), orders, faults)[0]
        said = Said(choice, engine.prompts.text_tokens(model, text))
        usage = Usage(uncached_input=said.tokens_in, output=choice.tokens, tier="default")
        parts = [(family.part(word), 1) for word in choice.words]
        end = (family.body(Said(Choice(0, choice.tokens, choice.finish_reason), said.tokens_in)), 0)
        charge = Charge("invoke", "bedrock", call.id, model_id, model, price, False, usage)
        return family.body(said), [*parts, end], charge, faults


def _allowed(asked: object, bound: int) -> int:
    if asked is None:
        return bound
    if not isinstance(asked, int) or not 1 <= asked <= bound:
        raise ProviderError(400, f"The maximum tokens you requested exceed the limit of {bound}.")
    return asked


def _chunks(
    events: Iterable[tuple[dict[str, Any], int]], usage: Usage, faults: Faults
) -> Iterator[Event]:
    """Wrap native events; the last one carries the counts as well."""
    held: tuple[dict[str, Any], int] | None = None
    for event in events:
        if held is not None:
            yield _chunk(*held)
        held = event
    if held is not None:
        yield _chunk(held[0] | metrics(usage, faults), held[1])


def _chunk(document: dict[str, Any], tokens: int) -> Event:
    payload = {"bytes": b64encode(orjson.dumps(document)).decode(), "p": "abcdefgh"}
    return Event(orjson.dumps(payload), tokens, "chunk")
