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
    total_in, total_out = raw.get("prompt_tokens"), raw.get("completion_tokens")
    if total_in is None or total_out is None:
        raise ValueError("a usage without its counts")
    if total_in == 0 and total_out == 0:
        return None
    inside = raw.get("prompt_tokens_details") or _NO_DETAILS
    outside = raw.get("completion_tokens_details") or _NO_DETAILS
    if not isinstance(inside, dict) or not isinstance(outside, dict):
        raise ValueError("a usage whose details are no objects")
    cached = _count(inside.get("cached_tokens"))
    written = _count(inside.get("cache_write_tokens"))
    audio_in = _count(inside.get("audio_tokens"))
    audio_out = _count(outside.get("audio_tokens"))
    uncached = _count(total_in) - cached - written - audio_in
    output = _count(total_out) - audio_out
    usage = Usage(uncached if uncached > 0 else 0, cached)
    if written:
        kept = inside.get("cache_write_tokens_details")
        long = _count(kept.get("ttl_12h_tokens")) if isinstance(kept, dict) else None
        usage.cache_write_12h = long if long is not None else written if has_12h else 0
        usage.cache_write_30m = max(0, written - usage.cache_write_12h)
    usage.output = output if output > 0 else 0
    usage.reasoning = _count(outside.get("reasoning_tokens"))
    usage.audio_input, usage.audio_output = audio_in, audio_out
    model, tier = answer.get("model"), answer.get("service_tier")
    usage.model = model if isinstance(model, str) else None
    usage.tier = tier if isinstance(tier, str) else None
    return usage


class _Account:
    """What both meters keep: the usage, and what spoils it."""

    __slots__ = ("_has_12h", "is_complete", "is_implausible", "saw_error", "usage")

    def __init__(self, has_12h: bool = False) -> None:
        self._has_12h = has_12h
        self.usage: Usage | None = None
        self.is_complete = False
        self.saw_error = False
        self.is_implausible = False

    def _take(self, answer: dict[str, Any]) -> bool:
        """Note usage and error of one JSON object; says whether it carried a usage."""
        if answer.get("error"):
            self.saw_error = True
        try:
            self.usage = usage_of(answer, self._has_12h) or self.usage
        except ValueError:
            self.is_implausible = True
        return answer.get("usage") is not None


class StreamMeter(_Account):
    """The meter of a streamed answer."""

    __slots__ = ("_events", "_hides_usage", "_is_dirty", "_so_far")

    def __init__(self, hides_usage: bool, has_12h: bool = False) -> None:
        super().__init__(has_12h)
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
        has_usage = self._take(answer)
        if answer.get("choices"):
            if self.usage is not before:
                self._so_far, self.usage = self.usage, before
            return False
        return has_usage and self._hides_usage and not answer.get("error")

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


class DocumentMeter(_Account):
    """The meter of an answer that is one JSON document."""

    __slots__ = ("_chunks", "_size")

    def __init__(self, has_12h: bool = False) -> None:
        super().__init__(has_12h)
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
