"""Reads the usage out of a chat completions answer while it passes.

A stream is passed on chunk by chunk as it arrives.  Only a chunk in which the raw bytes of a usage,
an error or the end marker stand is cut into events and parsed: inside a JSON string a quote is
always escaped, so text that a model writes cannot look like one of these keys.  Where the caller
did not ask for usage, exactly the one event that carries it is taken out, and only the bytes of an
event that has not ended are held back.

Some servers tell a usage beside content with every chunk.  That is an account so far: a stream that
is cut after it was billed for more, so it counts only when the stream came to its end.
"""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.dialects.account import Account, count, details, required_count, text
from s4fw.dialects.sse import EventCutter, data_of


def usage_of(answer: dict[str, Any], has_12h: bool = False) -> Usage | None:
    """The usage of an answer or of the last chunk, None where it has none or one of nothing: no
    answer costs nothing, but there are servers that do not count and say 0.

    OpenAI counts cached and written tokens inside `prompt_tokens`.  `has_12h`: the request may
    have written to a cache that is kept for 12 hours; where the usage does not tell how long, all
    writes are those.  Raises ValueError when a usage is there but is none: negative, not integers,
    or without its two main counts.
    """
    raw = answer.get("usage")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("a usage that is no object")
    total_in = required_count(raw.get("prompt_tokens"))
    total_out = required_count(raw.get("completion_tokens"))
    if total_in == 0 and total_out == 0:
        return None
    inside = details(raw.get("prompt_tokens_details"))
    outside = details(raw.get("completion_tokens_details"))
    cached = count(inside.get("cached_tokens"))
    written = count(inside.get("cache_write_tokens"))
    audio_in = count(inside.get("audio_tokens"))
    audio_out = count(outside.get("audio_tokens"))
    uncached = total_in - cached - written - audio_in
    output = total_out - audio_out
    usage = Usage(uncached if uncached > 0 else 0, cached)
    if written:
        kept = inside.get("cache_write_tokens_details")
        long = count(kept.get("ttl_12h_tokens")) if isinstance(kept, dict) else None
        usage.cache_write_12h = long if long is not None else written if has_12h else 0
        usage.cache_write_30m = max(0, written - usage.cache_write_12h)
    usage.output = output if output > 0 else 0
    usage.reasoning = count(outside.get("reasoning_tokens"))
    usage.audio_input, usage.audio_output = audio_in, audio_out
    usage.model, usage.tier = text(answer.get("model")), text(answer.get("service_tier"))
    return usage


def usage_of_12h(answer: dict[str, Any]) -> Usage | None:
    """The same for a request that asked for a cache of 12 hours."""
    return usage_of(answer, True)


class StreamMeter(Account):
    """The meter of a streamed answer."""

    __slots__ = ("_events", "_hides_usage", "_is_dirty", "_so_far")

    def __init__(self, hides_usage: bool, has_12h: bool = False) -> None:
        super().__init__(usage_of_12h if has_12h else usage_of)
        self._so_far: Usage | None = None  # told beside content: the total if the stream ends so
        self._events = EventCutter()
        self._hides_usage = hides_usage
        self._is_dirty = False  # the cutter holds the beginning of an event

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; returns what goes to the caller now."""
        if (
            not self._is_dirty
            and b'_tokens"' not in chunk
            and b'"error"' not in chunk
            and b"[DONE]" not in chunk
            and chunk.endswith((b"\n\n", b"\r\n\r\n"))
        ):
            return chunk
        if self._events.is_overfull:
            return chunk
        return self._feed_events(chunk)

    def _feed_events(self, chunk: bytes) -> bytes:
        passed = []
        for event in self._events.feed(chunk):
            if not self._is_hidden(event):
                passed.append(event)
        self._is_dirty = self._events.held > 0
        if self._hides_usage:
            return b"".join(passed)
        return chunk  # nothing is ever taken out: pass on at once what arrived

    def _is_hidden(self, event: bytes) -> bool:
        """Account for one event; says whether the caller must not see it."""
        data = data_of(event)
        if data == b"[DONE]":
            self.is_complete = True
            self._take_so_far()
            return False
        if b'"usage"' not in data and b'"error"' not in data:
            return False
        try:
            answer = orjson.loads(data)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(answer, dict):
            return False
        before = self.usage
        self.take(answer)
        if answer.get("choices"):
            if self.usage is not before:
                self._so_far, self.usage = self.usage, before
            return False
        return self._hides_usage and answer.get("usage") is not None and not answer.get("error")

    def _take_so_far(self) -> None:
        """Believe what was told beside content, unless a chunk of its own told the total."""
        if self.usage is None:
            self.usage = self._so_far

    def end(self) -> bytes:
        """The upstream closed the stream: what was held back belongs to the caller."""
        rest = self._events.rest()
        self._is_dirty = False
        is_hidden = not rest or self._is_hidden(rest)
        self._take_so_far()
        return rest if self._hides_usage and not is_hidden else b""
