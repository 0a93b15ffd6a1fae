"""The answer on its way to the caller.

An answer that is no stream is kept whole up to a bound, so that its head can tell its cost; a
stream is passed on chunk by chunk as it arrives.  A broken stream must not look like one that ended
well, because SDKs would not notice: an error event, then a close without the last chunk.
"""

from __future__ import annotations

from typing import Final, Protocol

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.verdict import Block
from s4fw.errors import Code
from s4fw.proxy import headers, refusals
from s4fw.proxy.answer import AnswerReader

_BODY_BYTES_OUT: Final = COUNTER_INDEX["body_bytes_out"]
_STREAM_CHUNKS: Final = COUNTER_INDEX["stream_chunks"]

# How the answer goes: kept whole, in chunks, until the connection closes (HTTP/1.0), or nowhere.
WHOLE, CHUNKED, UNTIL_CLOSE, NOWHERE = range(4)
_NAMES: Final = ("whole", "chunked", "until close", "nowhere")

_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


def _missing_of_a_stream(lines: bytes) -> bytes:
    """What a proxy between us and the caller must be told, so that it does not collect a stream."""
    told = b"\r\n" + lines.lower()
    missing = b""
    if b"\r\nx-accel-buffering:" not in told:
        missing += b"x-accel-buffering: no\r\n"
    if b"\r\ncache-control:" not in told:
        missing += b"cache-control: no-cache\r\n"
    return missing


class Caller(Protocol):
    """The connection of the caller."""

    is_http11: bool
    connection_line: bytes  # what the answer says about the connection: close, keep-alive, nothing

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""

    def write_chunk(self, chunk: bytes) -> None:
        """Send one chunk of a chunked body."""

    def answered(self, *, must_close: bool) -> None:
        """The answer was given; `must_close` where only a close tells its end."""

    def abort(self) -> None:
        """Close at once."""

    def reset(self) -> None:
        """Close at once, so that the caller sees a reset."""


class Reply:
    """One answer.  Until `begin` nothing is known of it; `fail` or `complete` ends it."""

    __slots__ = (
        "_bytes_max",
        "_caller",
        "_counters",
        "_is_event_stream",
        "_is_framed",
        "_last",
        "_lines",
        "_mode",
        "_parts",
        "_size",
        "_unsent_head",
        "_x",
    )

    def __init__(self, caller: Caller, x: Exchange, bytes_max: int, counters: memoryview) -> None:
        self._caller: Caller | None = caller
        self._x = x
        self._bytes_max = bytes_max  # of an answer that is kept whole
        self._counters = counters
        self._mode = WHOLE
        self._lines = b""  # the upstream's fields that are passed on
        self._is_event_stream = False
        self._is_framed = False  # its events are binary frames: blank lines end none
        self._parts: list[bytes] = []
        self._size = 0
        self._last = b""  # the last bytes passed on, to see whether an event had ended
        self._unsent_head = b""

    def __repr__(self) -> str:
        return f"<Reply {_NAMES[self._mode]}>"

    def begin(self, reader: AnswerReader) -> None:
        """The upstream's head is there: choose the way."""
        self._lines = reader.lines
        self._is_event_stream = reader.is_stream
        self._is_framed = b"amazon.eventstream" in reader.fields.get(b"content-type", b"").lower()
        if reader.is_stream or reader.content_length > self._bytes_max:
            self._begin_stream()

    def _begin_stream(self) -> None:
        """From here on the answer goes out as it comes; its head goes with the first bytes."""
        caller = self._caller
        if caller is None:
            return
        lines = self._lines
        if self._is_event_stream:
            lines += _missing_of_a_stream(lines)
        if caller.is_http11:
            self._mode = CHUNKED
            end = caller.connection_line + b"transfer-encoding: chunked\r\n\r\n"
        else:
            self._mode = UNTIL_CLOSE
            end = b"connection: close\r\n\r\n"
        self._unsent_head = self._head(lines, end)

    def _head(self, *lines: bytes) -> bytes:
        x = self._x
        told = headers.decision(x), headers.governed(x, x.quote_nusd)
        return b"".join((headers.status_line(x.status), *told, *lines))

    def take(self, chunk: bytes) -> None:
        """Body bytes, in order."""
        mode = self._mode
        if mode == CHUNKED or mode == UNTIL_CLOSE:  # noqa: SIM109 - once for every chunk
            if chunk:
                self._pass_on(chunk)
        elif mode == WHOLE:
            self._parts.append(chunk)
            self._size += len(chunk)
            if self._size > self._bytes_max:
                self._begin_stream()
                parts, self._parts = b"".join(self._parts), []
                self._pass_on(parts)

    def _pass_on(self, chunk: bytes) -> None:
        caller = self._caller
        if caller is None:
            return
        self._last = chunk
        counters = self._counters
        counters[_STREAM_CHUNKS] += 1
        counters[_BODY_BYTES_OUT] += len(chunk)
        if self._unsent_head:
            self.flush_head()
        if self._mode == CHUNKED:
            caller.write_chunk(chunk)
        else:
            caller.write(chunk)

    def flush_head(self) -> None:
        """Send the head of a stream whose first bytes are not there yet."""
        if self._unsent_head and self._caller is not None:
            self._caller.write(self._unsent_head)
            self._unsent_head = b""

    def complete(self) -> None:
        """The answer is whole and its exchange finished: send what is left to send."""
        caller, mode = self._caller, self._mode
        if caller is None:
            return
        if mode == WHOLE:
            self._send_whole(caller)
        else:
            self.flush_head()
            if mode == CHUNKED:
                caller.write(b"0\r\n\r\n")
        caller.answered(must_close=mode == UNTIL_CLOSE)

    def _send_whole(self, caller: Caller) -> None:
        body = b"".join(self._parts)
        self._parts.clear()
        if self._x.status in (204, 304):  # these have no body and no length (RFC 9110 8.6)
            body, end = b"", b"\r\n"
        else:
            end = b"content-length: %d\r\n\r\n" % len(body)
        self._counters[_BODY_BYTES_OUT] += len(body)
        caller.write(self._head(self._lines, caller.connection_line, end, body))

    def fail(self, code: Code, sentence: str) -> None:
        """No more will come, and the exchange is finished: say so in the way that is open."""
        caller = self._caller
        if caller is None:
            return
        if self._mode == WHOLE or self._unsent_head:
            self._parts.clear()
            block = Block(code, sentence)
            caller.write(refusals.refusal(self._x, block, caller.connection_line))
            caller.answered(must_close=False)
        elif self._is_event_stream:
            self._send_event(caller, self._x.route.dialect.error_event(self._x, code, sentence))
            caller.answered(must_close=True)
        elif self._mode == CHUNKED:
            caller.answered(must_close=True)  # without the last chunk
        else:
            caller.reset()  # over HTTP/1.0 a close alone would be a clean end

    def _send_event(self, caller: Caller, event: bytes) -> None:
        if self._last and not self._is_framed and not self._last.endswith(_EVENT_ENDS):
            event = b"\n\n" + event  # end the event that broke off, or ours would be part of it
        if self._mode == CHUNKED:
            caller.write_chunk(event)
        else:
            caller.write(event)

    def abort(self) -> None:
        """Close the caller's connection, whatever it has got."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.abort()

    def leave(self) -> None:
        """The caller is gone: nothing is kept or sent any more."""
        self._caller = None
        self._mode = NOWHERE
        self._parts.clear()
        self._unsent_head = b""
