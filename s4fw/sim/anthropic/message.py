"""How a message looks: as one body, or as a stream of named events.

Stream semantics (Anthropic, "Streaming messages", 2026-11): message_start with the exact input,
the blocks one after the other, message_delta with cumulative totals, message_stop; pings at any
time; no [DONE].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from s4fw.sim.anthropic.account import Account
from s4fw.sim.anthropic.blocks import Block
from s4fw.sim.choice import LENGTH, STOP, TOOL
from s4fw.sim.endless import endless
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event

_STOP_REASONS = {STOP: "end_turn", LENGTH: "max_tokens", TOOL: "tool_use"}


@dataclass(slots=True)
class Message:
    """Everything that was generated for one request; `allowed` bounds what endless words bill."""

    id: str
    model: str
    blocks: list[Block]
    finish_reason: str
    account: Account
    faults: Faults
    allowed: int

    def body(self) -> dict[str, Any]:
        """The whole answer as one document."""
        answer = self._envelope([block.whole for block in self.blocks], self._stop_reason)
        if "no_usage" not in self.faults:
            answer["usage"] = self.account.body()
        return answer

    def events(self) -> Iterator[Event]:
        """The same answer as a stream."""
        yield self._start()
        if "endless" in self.faults:
            yield from self._endless()
        deltas = sum(len(block.deltas) for block in self.blocks)
        done = 0
        for index, block in enumerate(self.blocks):
            yield _block_start(index, block.start, block.start_tokens)
            if index == 0:
                yield _event({"type": "ping"})
            for delta, tokens in block.deltas:
                if done == deltas // 2:
                    yield from self._usage_of_faults()
                done += 1
                yield _event(
                    {"type": "content_block_delta", "index": index, "delta": delta}, tokens
                )
            yield _event({"type": "content_block_stop", "index": index})
        yield self._end()
        yield _event({"type": "message_stop"})

    @property
    def _stop_reason(self) -> str:
        return _STOP_REASONS[self.finish_reason]

    def _envelope(self, content: list[Any], stop_reason: str | None) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
        }

    def _start(self) -> Event:
        message = self._envelope([], None)
        if "no_usage" not in self.faults:
            message["usage"] = self.account.at_start()
        return _event({"type": "message_start", "message": message})

    def _end(self) -> Event:
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        document: dict[str, Any] = {"type": "message_delta", "delta": delta}
        if not {"no_usage", "usage_mid"} & self.faults.keys():
            document["usage"] = self.account.at_end()
        return _event(document)

    def _usage_of_faults(self) -> Iterator[Event]:
        """An account in the middle of the stream, for the faults that want one."""
        usage = None
        if "usage_mid" in self.faults:
            usage = self.account.at_end()
        elif "usage_twice" in self.faults:
            usage = self.account.partial()
        if usage is not None:
            delta = {"stop_reason": None, "stop_sequence": None}
            yield _event({"type": "message_delta", "delta": delta, "usage": usage})

    def _endless(self) -> Iterator[Event]:
        yield _block_start(0, {"type": "text", "text": ""}, 0)
        for word, tokens in endless(self.allowed):
            delta = {"type": "text_delta", "text": word}
            yield _event({"type": "content_block_delta", "index": 0, "delta": delta}, tokens)


def _block_start(index: int, block: dict[str, Any], tokens: int) -> Event:
    start = {"type": "content_block_start", "index": index, "content_block": block}
    return _event(start, tokens)


def _event(document: dict[str, Any], tokens: int = 0) -> Event:
    return Event(orjson.dumps(document), tokens, document["type"])
