"""How an answer of the responses API looks: as one body, or as a stream of numbered events.

Stream semantics (OpenAI API reference, "Streaming events", 2026-11): created, in_progress, then
each item with its parts, then one terminal event, the only one with the usage; no [DONE].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.choice import LENGTH, Choice
from s4fw.sim.endless import endless
from s4fw.sim.faults import Faults
from s4fw.sim.form import Event
from s4fw.sim.lies import ballast, lie

_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


@dataclass(slots=True)
class Response:
    """Everything that was generated for one request; `request` is its body."""

    id: str
    created_s: int
    model: str
    tier: str
    choice: Choice
    usage: Usage
    faults: Faults
    request: Mapping[str, Any]
    allowed: int
    searches: int = 0
    _number: int = field(default=0)

    @property
    def status(self) -> str:
        """How it ends."""
        if "failed" in self.faults:
            return "failed"
        return "incomplete" if self.choice.finish_reason == LENGTH else "completed"

    def body(self, status: str = "") -> dict[str, Any]:
        """The whole answer as one document; before its end under another status."""
        status = status or self.status
        document = {name: self.request.get(name, value) for name, value in _ECHOED.items()}
        document |= {
            "id": self.id,
            "object": "response",
            "created_at": self.created_s,
            "status": status,
            "background": self.request.get("background") is True,
            "error": None,
            "incomplete_details": None,
            "model": self.model,
            "output": [],
            "service_tier": self.tier,
            "store": self.request.get("store") is not False,
            "usage": None,
        }
        if status in ("queued", "in_progress"):
            return document
        document["output"] = self.output()
        if status == "failed":
            document["error"] = {"code": "server_error", "message": "The model failed."}
        if status == "incomplete":
            document["incomplete_details"] = {"reason": "max_output_tokens"}
        if "no_usage" not in self.faults:
            document["usage"] = self._reported(self.usage)
        return document

    def output(self) -> list[dict[str, Any]]:
        """The items that were generated."""
        items: list[dict[str, Any]] = []
        if self.choice.reasoning:
            items.append({"id": self._item_id("rs"), "type": "reasoning", "summary": []})
        items += [self._search(number) for number in range(self.searches)]
        if self.choice.tool_call is not None:
            items.append(self._call("completed", self.choice.tool_call.arguments))
        elif self.choice.words:
            items.append(self._message("completed", self._text()))
        return items

    def events(self) -> Iterator[Event]:
        """The same answer as a stream."""
        yield self._whole("response.created", "in_progress")
        if self.request.get("background") is True:
            yield self._whole("response.queued", "queued")
        yield self._whole("response.in_progress", "in_progress")
        if "endless" in self.faults:
            yield from self._endless()
        for index, item in enumerate(self.output()):
            if item["type"] == "message":
                yield from self._message_events(index)
            elif item["type"] == "function_call":
                yield from self._call_events(index, item)
            else:
                tokens = self.choice.reasoning if item["type"] == "reasoning" else 0
                yield self._item_event("added", index, item, tokens)
                yield self._item_event("done", index, item)
        yield self._whole(f"response.{self.status}", self.status)

    def _message_events(self, index: int) -> Iterator[Event]:
        yield from self._opening(index)
        words = self.choice.words
        for at, word in enumerate(words):
            if at == len(words) // 2:
                yield from self._usage_of_faults()
            text = word + ballast(self.faults) if at == len(words) - 1 else word
            yield self._delta(index, text, 1)
        whole = self._text()
        part = {"content_index": 0, "item_id": self._item_id("msg"), "output_index": index}
        yield self._event("response.output_text.done", part | {"text": whole, "logprobs": []})
        yield self._event("response.content_part.done", part | {"part": _part(whole)})
        yield self._item_event("done", index, self._message("completed", whole))

    def _call_events(self, index: int, item: dict[str, Any]) -> Iterator[Event]:
        call = self.choice.tool_call
        assert call is not None
        yield self._item_event("added", index, self._call("in_progress", ""), self.choice.tokens)
        at = {"item_id": item["id"], "output_index": index}
        for fragment in call.fragments():
            yield self._event("response.function_call_arguments.delta", at | {"delta": fragment})
        done = at | {"name": call.name, "arguments": call.arguments}
        yield self._event("response.function_call_arguments.done", done)
        yield self._item_event("done", index, item)

    def _opening(self, index: int) -> Iterator[Event]:
        yield self._item_event("added", index, self._message("in_progress", None))
        part = {"content_index": 0, "item_id": self._item_id("msg"), "output_index": index}
        yield self._event("response.content_part.added", part | {"part": _part("")})

    def _delta(self, index: int, text: str, tokens: int) -> Event:
        delta = {
            "content_index": 0,
            "item_id": self._item_id("msg"),
            "output_index": index,
            "delta": text,
            "logprobs": [],
            "obfuscation": "x" * (16 - len(text) % 16),
        }
        return self._event("response.output_text.delta", delta, tokens)

    def _endless(self) -> Iterator[Event]:
        yield from self._opening(0)
        for word, tokens in endless(self.allowed):
            yield self._delta(0, word, tokens)

    def _whole(self, kind: str, status: str) -> Event:
        document = self.body(status)
        if "usage_mid" in self.faults:
            document["usage"] = None
        return self._event(kind, {"response": document})

    def _usage_of_faults(self) -> Iterator[Event]:
        """An account in the middle of the stream, for the faults that want one."""
        if not {"usage_mid", "usage_twice"} & self.faults.keys():
            return
        half = self.usage.output // (2 if "usage_twice" in self.faults else 1)
        usage = self._reported(replace(self.usage, output=half))
        document = self.body("in_progress") | {"usage": usage}
        yield self._event("response.in_progress", {"response": document})

    def _item_event(self, what: str, index: int, item: dict[str, Any], tokens: int = 0) -> Event:
        kind = f"response.output_item.{what}"
        return self._event(kind, {"output_index": index, "item": item}, tokens)

    def _event(self, kind: str, document: dict[str, Any], tokens: int = 0) -> Event:
        numbered = {"type": kind, **document, "sequence_number": self._number}
        self._number += 1
        return Event(orjson.dumps(numbered), tokens, kind)

    def _text(self) -> str:
        return "".join(self.choice.words) + ballast(self.faults)

    def _message(self, status: str, text: str | None) -> dict[str, Any]:
        return {
            "id": self._item_id("msg"),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [] if text is None else [_part(text)],
        }

    def _call(self, status: str, arguments: str) -> dict[str, Any]:
        call = self.choice.tool_call
        assert call is not None
        return {
            "id": self._item_id("fc"),
            "type": "function_call",
            "status": status,
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments,
        }

    def _search(self, number: int) -> dict[str, Any]:
        return {
            "id": f"{self._item_id('ws')}{number}",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "order"},
        }

    def _item_id(self, prefix: str) -> str:
        return f"{prefix}_{self.id.removeprefix('resp_')}"

    def _reported(self, usage: Usage) -> dict[str, Any]:
        """The usage as reported to the caller; faults lie here and only here."""
        return lie(usage_body(usage), self.faults, "input_tokens", "output_tokens")


def usage_body(usage: Usage) -> dict[str, Any]:
    """Write disjoint buckets the way OpenAI does: cached tokens inside the input's."""
    written = usage.cache_write_30m + usage.cache_write_12h
    details: dict[str, Any] = {"cached_tokens": usage.cache_read, "cache_write_tokens": written}
    if written:
        details["cache_write_tokens_details"] = {
            "ttl_30m_tokens": usage.cache_write_30m,
            "ttl_12h_tokens": usage.cache_write_12h,
        }
    return {
        "input_tokens": usage.input,
        "input_tokens_details": details,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
