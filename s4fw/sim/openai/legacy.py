"""The completions API: prompts as texts or tokens, several answers each, the best of many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.choice import Choice
from s4fw.sim.endless import endless
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, ProviderError
from s4fw.sim.generator import Task
from s4fw.sim.ledger import Charge
from s4fw.sim.lies import ballast, lie
from s4fw.sim.openai import request
from s4fw.sim.openai.completion import usage_body
from s4fw.sim.openai.form import OpenAIForm
from s4fw.sim.openai.texts import texts_of
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply

FORM = OpenAIForm()

_CHOICES_MAX = 20
_OUTPUT_TOKENS_DEFAULT = 16


class Completions:
    """Answers POST /v1/completions for one simulator."""

    def __init__(self, engine: Engine, provider: str) -> None:
        self._engine = engine
        self._provider = provider

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Generate the answer to a call.  Raises ProviderError."""
        engine = self._engine
        body = {"max_tokens": _OUTPUT_TOKENS_DEFAULT, **request.document(call)}
        model = str(body["model"])
        found = request.price_of(engine, model, self._provider)
        prompts = texts_of(body.get("prompt", ""))
        last = prompts[-1]
        orders = Orders(call, last if isinstance(last, str) else "")
        faults = faults or orders.faults(model)
        served, price = engine.catalogue.serving(model, found, self._provider, faults)
        shown = request.count_of(body, "n", _CHOICES_MAX)
        tried = max(shown, request.count_of(body, "best_of", _CHOICES_MAX))
        task = Task(model, prompts, request.allowed(model, price, body, "max_tokens"))
        task.count = tried * len(prompts)
        made = engine.generator.choices(task, orders, faults)
        usage = Usage(
            uncached_input=sum(engine.prompts.length(model, each) for each in prompts),
            output=sum(choice.tokens for choice in made),
            tier="default",
        )
        kept = [choice for at, choice in enumerate(made) if at % tried < shown]
        is_stream = body.get("stream") is True
        charge = Charge(
            "completions", self._provider, call.id, model, served, price, is_stream, usage
        )
        answer = _Answer(call, served, body, prompts, kept, usage, faults, task.allowed)
        reply = Reply(FORM, 200, request.headers(call), charge=charge, faults=faults)
        if is_stream:
            reply.events = answer.events()
        else:
            reply.body = orjson.dumps(answer.body())
        return reply


class _Answer:
    """How an answer looks: as one body, or as a stream."""

    def __init__(
        self,
        call: Call,
        model: str,
        body: dict[str, Any],
        prompts: list[Any],
        choices: list[Choice],
        usage: Usage,
        faults: Faults,
        allowed: int,
    ) -> None:
        if body.get("echo") is True and body.get("stream") is True:
            raise ProviderError(400, "echo is not simulated for streams.", param="echo")
        self._envelope = {
            "id": "cmpl-" + call.id[-24:],
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._echoed = (
            [p if isinstance(p, str) else "" for p in prompts] if body.get("echo") else []
        )
        self._of_each = len(choices) // len(prompts)
        self._choices = choices
        self._usage = usage
        self._faults = faults
        self._allowed = allowed
        options = body.get("stream_options") or {}
        self._reports = options.get("include_usage") is True and "no_usage" not in faults

    def body(self) -> dict[str, Any]:
        """The whole answer."""
        choices = []
        for at, choice in enumerate(self._choices):
            echoed = self._echoed[at // self._of_each] if self._echoed else ""
            text = echoed + "".join(choice.words) + ballast(self._faults)
            choices.append(_choice(at, text, choice.finish_reason))
        usage = {} if "no_usage" in self._faults else {"usage": self._reported()}
        return self._envelope | {"choices": choices} | usage

    def events(self) -> Iterator[Event]:
        """The choices one after the other, usage where it was asked for, `[DONE]`."""
        if "endless" in self._faults:
            for word, tokens in endless(self._allowed):
                yield self._chunk(_choice(0, word, None), tokens)
        hidden = self._usage.output - sum(len(choice.words) for choice in self._choices)
        for at, choice in enumerate(self._choices):
            for word in choice.words:
                yield self._chunk(_choice(at, word, None), 1 + hidden)
                hidden = 0
            yield self._chunk(_choice(at, "", choice.finish_reason), 0)
        if self._reports:
            last = self._envelope | {"choices": [], "usage": self._reported()}
            yield Event(orjson.dumps(last))
        yield Event(b"[DONE]")

    def _chunk(self, choice: dict[str, Any], tokens: int) -> Event:
        usage = {"usage": None} if self._reports else {}
        return Event(orjson.dumps(self._envelope | {"choices": [choice]} | usage), tokens)

    def _reported(self) -> dict[str, Any]:
        """The usage as reported to the caller; faults lie here and only here."""
        return lie(usage_body(self._usage), self._faults, "prompt_tokens", "completion_tokens")


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
