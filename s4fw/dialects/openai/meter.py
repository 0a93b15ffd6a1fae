"""Reads the usage out of a chat completions answer while it passes.

A stream is passed on chunk by chunk as it arrives.  Only a chunk in which the raw bytes of a usage,
an error or the end marker stand is cut into events and parsed: inside a JSON string a quote is
always escaped, so text that a model writes cannot look like one of these keys.  Where the caller
did not ask for usage, exactly the one event that carries it is taken out, and only the bytes of an
event that has not ended are held back.
"""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.dialects.sse import EventCutter, data_of

# No exchange of any model comes near; beyond it is no count but a fault.
TOKENS_MAX = 10**9

# A whole answer is kept for parsing up to this size; a larger one is relayed and charged at worst
# case.  The longest chat answer today (128k tokens) is below 1 MB.
DOCUMENT_BYTES_MAX = 8 * 1024 * 1024


_NO_DETAILS: dict[str, Any] = {}


def _count(value: Any) -> int:
    """One count of a usage: absent is 0.  Raises ValueError for what is no count."""
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= TOKENS_MAX:
        raise ValueError("not a token count")
    return value


def usage_of(answer: dict[str, Any]) -> Usage | None:
    """The usage of an answer or of the last chunk, None where it has none.

    OpenAI counts cached and written tokens inside `prompt_tokens`.  Raises ValueError when a usage
    is there but is none: negative, not integers, or without its two main counts.
    """
    raw = answer.get("usage")
    if raw is None:
        return None
    if not isinstance(raw, dict) or "prompt_tokens" not in raw or "completion_tokens" not in raw:
        raise ValueError("a usage without its counts")
    inside = raw.get("prompt_tokens_details") or _NO_DETAILS
    outside = raw.get("completion_tokens_details") or _NO_DETAILS
    if not isinstance(inside, dict) or not isinstance(outside, dict):
        raise ValueError("a usage whose details are no objects")
    cached = _count(inside.get("cached_tokens"))
    written = _count(inside.get("cache_write_tokens"))
    audio_in = _count(inside.get("audio_tokens"))
    audio_out = _count(outside.get("audio_tokens"))
    uncached = _count(raw["prompt_tokens"]) - cached - written - audio_in
    output = _count(raw["completion_tokens"]) - audio_out
    usage = Usage(uncached if uncached > 0 else 0, cached)
    usage.cache_write_30m = written
    usage.output = output if output > 0 else 0
    usage.reasoning = _count(outside.get("reasoning_tokens"))
    usage.audio_input, usage.audio_output = audio_in, audio_out
    model, tier = answer.get("model"), answer.get("service_tier")
    usage.model = model if isinstance(model, str) else None
    usage.tier = tier if isinstance(tier, str) else None
    return usage


class _Account:
    """What both meters keep: the usage, and what spoils it."""

    __slots__ = ("is_complete", "is_implausible", "saw_error", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.is_complete = False
        self.saw_error = False
        self.is_implausible = False

    def _take(self, answer: dict[str, Any]) -> bool:
        """Note usage and error of one JSON object; says whether it carried a usage."""
        if answer.get("error"):
            self.saw_error = True
        try:
            usage = usage_of(answer)
        except ValueError:
            self.is_implausible = True
            return True
        if usage is None:
            return False
        self.usage = usage
        return True


class StreamMeter(_Account):
    """The meter of a streamed answer."""

    __slots__ = ("_events", "_hides_usage", "_is_dirty")

    def __init__(self, hides_usage: bool) -> None:
        super().__init__()
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
            return False
        if b'"usage"' not in data and b'"error"' not in data:
            return False
        try:
            answer = orjson.loads(data)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(answer, dict):
            return False
        has_usage = self._take(answer)
        return has_usage and self._hides_usage and answer.get("choices") == []

    def end(self) -> bytes:
        """The upstream closed the stream: what was held back belongs to the caller."""
        rest = self._events.rest()
        self._is_dirty = False
        if not rest or self._is_hidden(rest):
            return b""
        return rest if self._hides_usage else b""


class DocumentMeter(_Account):
    """The meter of an answer that is one JSON document."""

    __slots__ = ("_chunks", "_size")

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] | None = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        if self._chunks is not None:
            self._size += len(chunk)
            if self._size > DOCUMENT_BYTES_MAX:
                self._chunks = None
            else:
                self._chunks.append(chunk)
        return chunk

    def end(self) -> bytes:
        """The body is whole: read its usage."""
        if self._chunks:
            try:
                answer = orjson.loads(b"".join(self._chunks))
            except orjson.JSONDecodeError:
                return b""
            if isinstance(answer, dict):
                self.is_complete = True
                self._take(answer)
        return b""
