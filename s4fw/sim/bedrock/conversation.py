"""How an answer of Converse looks: as one body, or as a stream whose last event has the usage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.bedrock.account import usage_of
from s4fw.sim.choice import LENGTH, STOP, TOOL, Choice
from s4fw.sim.endless import endless
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event
from s4fw.sim.lies import ballast
from s4fw.sim.words import words

_STOP_REASONS = {STOP: "end_turn", LENGTH: "max_tokens", TOOL: "tool_use"}
_PADDING = "abcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class Conversation:
    """Everything that was generated for one request; `allowed` bounds what endless words bill."""

    choice: Choice
    usage: Usage
    faults: Faults
    allowed: int

    @property
    def stop_reason(self) -> str:
        """Why the model stopped."""
        return _STOP_REASONS[self.choice.finish_reason]

    def body(self) -> dict[str, Any]:
        """The whole answer as one document."""
        answer: dict[str, Any] = {
            "output": {"message": {"role": "assistant", "content": self._content()}},
            "stopReason": self.stop_reason,
        }
        return answer | self._metadata(self.usage)

    def events(self) -> Iterator[Event]:
        """The same answer as a stream."""
        yield _event("messageStart", {"role": "assistant"})
        index = 0
        if "endless" in self.faults:
            for word, tokens in endless(self.allowed):
                yield _delta(0, {"text": word}, tokens)
        if self.choice.reasoning:
            yield from self._thinking()
            index = 1
        if self.choice.tool_call is not None:
            yield from self._tool_use()
        elif self.choice.words:
            yield from self._text(index)
        yield _event("messageStop", {"stopReason": self.stop_reason})
        if not {"no_usage", "usage_mid"} & self.faults.keys():
            yield _event("metadata", self._metadata(self.usage))

    def _content(self) -> list[dict[str, Any]]:
        choice = self.choice
        content: list[dict[str, Any]] = []
        if choice.reasoning:
            thought = {"text": "".join(_thought(choice.reasoning)), "signature": "c2ln"}
            content.append({"reasoningContent": {"reasoningText": thought}})
        if choice.tool_call is not None:
            call = choice.tool_call
            use = {"toolUseId": call.id, "name": call.name, "input": orjson.loads(call.arguments)}
            content.append({"toolUse": use})
        elif choice.words:
            content.append({"text": "".join(choice.words) + ballast(self.faults)})
        return content

    def _metadata(self, usage: Usage) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "metrics": {"latencyMs": 1},
            "serviceTier": {"type": usage.tier},
        }
        if "no_usage" not in self.faults:
            metadata["usage"] = usage_of(usage, self.faults)
        return metadata

    def _thinking(self) -> Iterator[Event]:
        for word in _thought(self.choice.reasoning):
            yield _delta(0, {"reasoningContent": {"text": word}}, 1)
        yield _delta(0, {"reasoningContent": {"signature": "c2ln"}}, 0)
        yield _event("contentBlockStop", {"contentBlockIndex": 0})

    def _text(self, index: int) -> Iterator[Event]:
        said = self.choice.words
        for at, word in enumerate(said):
            if at == len(said) // 2:
                yield from self._usage_of_faults()
            text = word + ballast(self.faults) if at == len(said) - 1 else word
            yield _delta(index, {"text": text}, 1)
        yield _event("contentBlockStop", {"contentBlockIndex": index})

    def _tool_use(self) -> Iterator[Event]:
        call = self.choice.tool_call
        assert call is not None
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        opening = {"contentBlockIndex": 0, "start": start}
        yield _event("contentBlockStart", opening, self.choice.tokens)
        for fragment in call.fragments():
            yield _delta(0, {"toolUse": {"input": fragment}}, 0)
        yield _event("contentBlockStop", {"contentBlockIndex": 0})

    def _usage_of_faults(self) -> Iterator[Event]:
        """An account in the middle of the stream, for the faults that want one."""
        if "usage_mid" in self.faults:
            yield _event("metadata", self._metadata(self.usage))
        elif "usage_twice" in self.faults:
            half = replace(self.usage, output=self.usage.output // 2)
            yield _event("metadata", self._metadata(half))


def _thought(tokens: int) -> list[str]:
    return words(tokens.to_bytes(4, "big"), tokens)


def _delta(index: int, delta: dict[str, Any], tokens: int) -> Event:
    return _event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, tokens)


def _event(name: str, document: dict[str, Any], tokens: int = 0) -> Event:
    padding = _PADDING[: 3 + len(str(document)) % 20]
    return Event(orjson.dumps(document | {"p": padding}), tokens, name)
