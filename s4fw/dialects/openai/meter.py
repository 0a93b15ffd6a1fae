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

import orjson

from s4fw.core.usage import Usage
from s4fw.dialects.account import Account
from s4fw.dialects.openai.usage import usage_of, usage_of_12h
from s4fw.dialects.sse import EventCutter, data_of


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
