"""What was generated for one chat request, and how it looks: as one body, or as a stream.

Stream semantics (OpenAI API reference, "chat completion chunk", 2026-11): without `include_usage`
no chunk has a `usage` member; with it every chunk has `usage: null`, and one extra chunk with no
choices brings the usage before `[DONE]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.choice import Choice, ToolCall
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event
from s4fw.sim.lies import ballast, lie


@dataclass(slots=True)
class Completion:
    """Everything that was generated for one request."""

    id: str
    created_s: int
    model: str
    tier: str
    choices: list[Choice]
    usage: Usage
    faults: Faults
    include_usage: bool = False
    include_obfuscation: bool = True

    def body(self) -> bytes:
        """The whole answer as one JSON document."""
        answer = self._envelope("chat.completion") | {
            "choices": [self._choice_body(choice) for choice in self.choices]
        }
        if "no_usage" not in self.faults:
            answer["usage"] = self._reported()
        return orjson.dumps(answer)

    def _choice_body(self, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if choice.tool_call is not None:
            message["tool_calls"] = [_tool_body(choice.tool_call)]
        else:
            message["content"] = "".join(choice.words) + ballast(self.faults)
        return {
            "index": choice.index,
            "message": message | {"annotations": []},
            "logprobs": None,
            "finish_reason": choice.finish_reason,
        }

    def events(self) -> Iterator[Event]:
        """The same answer as a stream; the choices take turns, as they do at the provider."""
        streams = [self._choice_events(choice) for choice in self.choices]
        total = sum(max(1, len(choice.words)) for choice in self.choices)
        done = 0
        while streams:
            for stream in list(streams):
                event = next(stream, None)
                if event is None:
                    streams.remove(stream)
                    continue
                done += 1
                if done == total // 2 + 1 and "usage_twice" in self.faults:
                    yield self._usage_event(is_partial=True)
                yield event
        if self._is_usage_due and "usage_mid" not in self.faults:
            yield self._usage_event()
        yield Event(b"[DONE]")

    def delta(self, text: str) -> bytes:
        """One more chunk of text, for a stream that never ends."""
        return orjson.dumps(self._chunk(0, {"content": text}, None))

    @property
    def _is_usage_due(self) -> bool:
        return self.include_usage and "no_usage" not in self.faults

    def _choice_events(self, choice: Choice) -> Iterator[Event]:
        """Opening, deltas, closing.  Tokens that no delta shows (reasoning) come with the first."""
        if choice.tool_call is not None:
            deltas = list(_tool_deltas(choice.tool_call))
        else:
            words = choice.words[:-1] + [w + ballast(self.faults) for w in choice.words[-1:]]
            opening = {"role": "assistant", "content": "", "refusal": None}
            deltas = [opening, *({"content": word} for word in words)]
        visible = len(choice.words)
        middle = len(deltas) // 2 if "usage_mid" in self.faults and choice.index == 0 else -1
        for at, delta in enumerate(deltas):
            tokens = choice.tokens - visible if at == 0 else int(bool(choice.words))
            chunk = self._chunk(choice.index, delta, None)
            if at == middle:
                chunk["usage"] = self._reported()
            if at and self.include_obfuscation:
                chunk["obfuscation"] = "x" * (16 - len(str(delta)) % 16)
            yield Event(orjson.dumps(chunk), tokens)
        yield Event(orjson.dumps(self._chunk(choice.index, {}, choice.finish_reason)))

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = self._envelope("chat.completion.chunk") | {"choices": [choice]}
        if self._is_usage_due:
            chunk["usage"] = None
        return chunk

    def _usage_event(self, *, is_partial: bool = False) -> Event:
        usage = self._reported()
        if is_partial:
            usage["completion_tokens"] = usage["completion_tokens"] // 2
        chunk = self._envelope("chat.completion.chunk") | {"choices": [], "usage": usage}
        return Event(orjson.dumps(chunk))

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created_s,
            "model": self.model,
            "service_tier": self.tier,
            "system_fingerprint": "fp_simulated",
        }

    def _reported(self) -> dict[str, Any]:
        """The usage as reported to the caller; faults lie here and only here."""
        return lie(usage_body(self.usage), self.faults, "prompt_tokens", "completion_tokens")


def usage_body(usage: Usage) -> dict[str, Any]:
    """Write disjoint buckets the way OpenAI does: cached tokens inside the prompt's."""
    details = {"cached_tokens": usage.cache_read, "audio_tokens": 0}
    written = usage.cache_write_30m + usage.cache_write_12h
    if written:
        details["cache_write_tokens"] = written
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tool_body(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _tool_deltas(call: ToolCall) -> Iterator[dict[str, Any]]:
    opening = _tool_body(ToolCall(call.id, call.name, "")) | {"index": 0}
    yield {"role": "assistant", "content": None, "refusal": None, "tool_calls": [opening]}
    for fragment in call.fragments():
        yield {"tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}
