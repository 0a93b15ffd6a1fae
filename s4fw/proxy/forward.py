"""One exchange's way: a connection, the request, the answer back, the end.

Theory of operation.  A forward begins when an exchange was admitted and ends in `_finish`, once,
whatever happens; that is where money is settled.  In between it stands between two connections
that may each vanish at any instant:

* the upstream speaks through `received`, `upstream_lost`, `upstream_late`;
* the caller's connection calls `caller_gone`, `caller_stalled`, `caller_flows`, and takes bytes.

Nothing has been spent until the kernel took a byte of the request (`x.is_sent`); a failure before
that is no charge, one after it is for `finish` to judge by `x.reason`.  When the caller leaves, the
answer is read on for the sake of its usage (DRAINED), within bounds.

An answer that is no stream is kept whole up to a bound, so that its head can tell its cost; a
stream is passed on chunk by chunk as it arrives.  A broken stream must not look like one that
ended well, because SDKs would not notice: an error event, then a close without the last chunk.
"""

from __future__ import annotations

import logging
from time import monotonic_ns
from typing import Protocol

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.core.verdict import Block
from s4fw.errors import (
    INTERNAL_ERROR,
    UPSTREAM_CUT,
    UPSTREAM_INVALID,
    UPSTREAM_TIMEOUT,
    UPSTREAM_UNREACHABLE,
    Code,
)
from s4fw.proxy import headers, refusals
from s4fw.proxy.answer import AnswerReader
from s4fw.proxy.connector import Connector
from s4fw.proxy.faults import place_of
from s4fw.proxy.head import Head
from s4fw.proxy.settings import Settings
from s4fw.proxy.upstream import Upstream

log = logging.getLogger(__name__)

_BODY_BYTES_OUT = COUNTER_INDEX["body_bytes_out"]
_ERRORS = COUNTER_INDEX["upstream_errors"]
_INTERNAL_ERRORS = COUNTER_INDEX["internal_errors"]
_RETRIES = COUNTER_INDEX["upstream_retries"]

# What is done with the answer's bytes.
WHOLE, CHUNKED, UNTIL_CLOSE, DRAINED = range(4)

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")

_SENTENCES = {
    UPSTREAM_CUT: "the upstream closed the connection before its answer was complete",
    UPSTREAM_INVALID: "the upstream's answer could not be read",
    UPSTREAM_TIMEOUT: "the upstream did not answer in time; the call may have been billed",
    UPSTREAM_UNREACHABLE: "the upstream could not be reached; nothing was sent or charged",
    INTERNAL_ERROR: "the firewall met a fault of its own",
}


class Caller(Protocol):
    """The connection of the caller, as a forward sees it."""

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


class House(Protocol):
    """Where the forward lives: figures and bounds of the whole worker."""

    def finish(self, pipeline: Pipeline, x: Exchange) -> None:
        """End an exchange; raises nothing."""

    def may_drain(self, forward: Forward) -> bool:
        """Whether one more answer may be read on for a caller that left; counts it if so."""

    def drained(self, forward: Forward) -> None:
        """That answer is over."""

    def count(self, index: int, amount: int = 1) -> None:
        """Add to a counter by its index."""

    def passed(self, count: int) -> None:
        """Count one chunk of a stream."""


class Forward:
    """One admitted exchange on its way."""

    __slots__ = (
        "_caller",
        "_connector",
        "_has_begun",
        "_has_retried",
        "_head",
        "_house",
        "_is_event_stream",
        "_is_over",
        "_is_stalled",
        "_last",
        "_mode",
        "_parts",
        "_pipeline",
        "_settings",
        "_size",
        "_total_ns",
        "_unsent_head",
        "_upstream",
        "x",
    )

    def __init__(
        self,
        house: House,
        caller: Caller,
        connector: Connector,
        pipeline: Pipeline,
        settings: Settings,
        head: Head,
        x: Exchange,
    ) -> None:
        self._head = head
        self._house = house
        self._caller: Caller | None = caller
        self._connector = connector
        self._pipeline = pipeline
        self._settings = settings
        self.x = x
        self._upstream: Upstream | None = None
        self._mode = WHOLE
        self._has_begun = False  # the answer's head is there
        self._has_retried = False
        self._is_event_stream = False
        self._is_over = False
        self._is_stalled = False
        self._parts: list[bytes] = []  # of an answer kept whole
        self._size = 0
        self._last = b""  # the last bytes passed on, to see whether an event had ended
        self._unsent_head = b""
        self._total_ns = x.started_ns + settings.total_ns

    def __repr__(self) -> str:
        names = ("whole", "chunked", "until close", "drained")
        state = "over" if self._is_over else names[self._mode] if self._has_begun else "waiting"
        return f"<Forward {self.x.request_id} {state}>"

    def start(self) -> None:
        """Ask for a connection; everything else follows from events."""
        upstream = self._connector.take()
        if upstream is not None:
            self.connected(upstream, True)
        else:
            self._connector.request(self)

    # From the connector.

    def connected(self, upstream: Upstream, is_reused: bool) -> None:
        """Send the request.  On a kept connection that took nothing of it, try once more."""
        self._upstream = upstream
        try:
            if self._send(upstream):
                return
            self._upstream = None
            self.x.is_sent = False  # the kernel did not take one byte
            self._connector.discard(upstream)
            if not is_reused or self._has_retried:
                self.unreachable()
                return
            self._has_retried = True
            self._house.count(_RETRIES)
            self._connector.request(self)
        except Exception as fault:
            self.broken(fault)

    def _send(self, upstream: Upstream) -> bool:
        x = self.x
        request = x.request
        pieces = request.pieces if request.pieces is not None else (request.body,)
        body_bytes = sum(map(len, pieces))
        head = headers.upstream_head(x, self._head, self._connector.origin, body_bytes)
        self._pipeline.sent(x)
        if not upstream.send(self, (head, *pieces), len(head) + body_bytes):
            return False
        request.body, request.pieces = b"", None  # may be large, and the answer long: let it go
        upstream.until(min(monotonic_ns() + self._settings.first_byte_ns, self._total_ns))
        return True

    def unreachable(self) -> None:
        """No connection is to be had: nothing was sent, so nothing is charged."""
        self._fail(UPSTREAM_UNREACHABLE, Reason.NOT_SENT)

    # From the upstream's connection.

    def received(self, reader: AnswerReader) -> None:
        """Bytes of the answer were read."""
        is_first = not self._has_begun
        if is_first:
            if reader.is_faulty:
                self._fail(UPSTREAM_INVALID, Reason.UPSTREAM_INVALID)
                return
            if not reader.has_head:
                return
            self._begin(reader)
        pieces = reader.pieces
        if pieces:
            chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._relay(self._pipeline.feed(self.x, chunk), reader)
            self._put_off(is_first)
        elif is_first:
            self._put_off(is_first)
        if reader.is_complete:
            self._end(reader)
            return
        self._send_head()
        if reader.is_faulty:
            self._fail(UPSTREAM_INVALID, Reason.UPSTREAM_INVALID)

    def _put_off(self, is_first: bool) -> None:
        """The answer makes progress: its deadline moves on."""
        upstream = self._upstream
        if upstream is None or self._is_stalled:
            return
        deadline_ns = min(monotonic_ns() + self._settings.stream_idle_ns, self._total_ns)
        if is_first:
            upstream.until(deadline_ns)
        else:  # only ever later than before, so a plain store is enough (see `deadlines`)
            upstream.deadline_ns = deadline_ns

    def upstream_lost(self) -> None:
        """The connection broke before the answer was complete."""
        self._upstream = None
        self._fail(UPSTREAM_CUT, Reason.UPSTREAM_CUT)

    def upstream_late(self) -> None:
        """No first byte, silence, or too long in total."""
        is_drained = self._mode == DRAINED
        self._fail(UPSTREAM_TIMEOUT, Reason.CLIENT_GONE if is_drained else Reason.UPSTREAM_TIMEOUT)

    def broken(self, fault: Exception) -> None:
        """A fault of our own: the exchange ends, charged if anything was sent.  Raises nothing."""
        log.error("fault in a forward: %s at %s: %r", type(fault).__name__, place_of(fault), self)
        self._house.count(_INTERNAL_ERRORS)
        self._parts.clear()
        try:
            self._fail(INTERNAL_ERROR, Reason.LEFT_OPEN if self.x.is_sent else Reason.NOT_SENT)
        except Exception as second:
            log.error("fault while ending it: %s at %s", type(second).__name__, place_of(second))
            self._finish()
            if self._caller is not None:
                self._caller.abort()

    # The answer.

    def _begin(self, reader: AnswerReader) -> None:
        """The answer's head is there: choose its meter and its way."""
        x, settings = self.x, self._settings
        self._has_begun = True
        x.status = reader.status
        x.first_byte_ns = monotonic_ns()
        self._is_event_stream = reader.is_stream
        if not reader.is_encoded:
            x.meter = x.route.dialect.meter(x, reader.status, reader.is_stream)
        if self._mode != DRAINED and (
            reader.is_stream or reader.content_length > settings.whole_answer_bytes_max
        ):
            self._begin_stream(reader)

    def _begin_stream(self, reader: AnswerReader) -> None:
        """From here on the answer goes out as it comes; its head goes with the first bytes."""
        assert self._caller is not None
        is_http11 = self._caller.is_http11
        self._mode = CHUNKED if is_http11 else UNTIL_CLOSE
        lines = reader.lines
        if reader.is_stream:
            lines += b"x-accel-buffering: no\r\n"  # a proxy in front must not collect it
            if b"\r\ncache-control:" not in b"\r\n" + lines.lower():
                lines += b"cache-control: no-cache\r\n"
        if is_http11:
            end = self._caller.connection_line + b"transfer-encoding: chunked\r\n\r\n"
        else:
            end = b"connection: close\r\n\r\n"
        self._unsent_head = self._answer_head(lines, end)

    def _answer_head(self, lines: bytes, *end: bytes) -> bytes:
        x = self.x
        told = headers.decision(x), headers.governed(x, x.quote_nusd)
        return b"".join((headers.status_line(x.status), *told, lines, *end))

    def _relay(self, chunk: bytes, reader: AnswerReader) -> None:
        mode = self._mode
        if mode == CHUNKED or mode == UNTIL_CLOSE:  # noqa: SIM109 - once for every chunk
            if chunk:
                self._pass_on(chunk)
        elif mode == WHOLE:
            self._parts.append(chunk)
            self._size += len(chunk)
            if self._size > self._settings.whole_answer_bytes_max:
                self._begin_stream(reader)
                parts, self._parts = b"".join(self._parts), []
                self._pass_on(parts)

    def _pass_on(self, chunk: bytes) -> None:
        caller = self._caller
        if caller is None:
            return
        self._last = chunk
        self._house.passed(len(chunk))
        if self._unsent_head:
            self._send_head()
        if self._mode == CHUNKED:
            caller.write_chunk(chunk)
        else:
            caller.write(chunk)

    def _send_head(self) -> None:
        """Send the head of a stream, if it was not sent with its first bytes."""
        if self._unsent_head and self._caller is not None:
            self._caller.write(self._unsent_head)
            self._unsent_head = b""

    def _end(self, reader: AnswerReader) -> None:
        """The upstream ended its answer: give the connection back, settle, end ours."""
        meter = self.x.meter
        tail = meter.end() if meter is not None else b""
        if (
            reader.is_stream
            and meter is not None
            and not (meter.is_complete or meter.saw_error or meter.usage is not None)
        ):
            # By its own wire shape it had no end, however properly HTTP ended it.
            if tail:
                self._pass_on(tail)
            self._fail(UPSTREAM_CUT, Reason.UPSTREAM_CUT)
            return
        lines = reader.lines
        self._give_back(reader)
        if self._mode == CHUNKED:
            self._end_stream(tail, b"0\r\n\r\n")
        elif self._mode == UNTIL_CLOSE:
            self._end_stream(tail, b"")
        else:
            self._parts.append(tail)
            self._finish()
            self._answer_whole(lines)

    def _give_back(self, reader: AnswerReader) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        if self._is_stalled:
            upstream.resume()
        upstream.served = None
        if reader.is_reusable and upstream.is_flushed():
            self._connector.release(upstream)
        else:
            self._connector.discard(upstream)

    def _answer_whole(self, lines: bytes) -> None:
        caller = self._caller
        if caller is None:
            return
        body = b"".join(self._parts)
        self._parts.clear()
        if self.x.status in (204, 304):  # these have no body and no length (RFC 9110 8.6)
            body, end = b"", b"\r\n"
        else:
            end = b"content-length: %d\r\n\r\n" % len(body)
        self._house.count(_BODY_BYTES_OUT, len(body))
        caller.write(self._answer_head(lines, caller.connection_line, end, body))
        caller.answered(must_close=False)

    def _end_stream(self, tail: bytes, end: bytes) -> None:
        if tail:
            self._pass_on(tail)
        self._send_head()
        self._finish()
        caller = self._caller
        if caller is not None:
            if end:
                caller.write(end)
            caller.answered(must_close=self._mode == UNTIL_CLOSE)

    # The caller's connection.

    def caller_gone(self) -> None:
        """The caller left.  What was sent is paid for: learn what it did cost.  Raises nothing."""
        self._caller = None
        self.x.is_client_gone = True
        self._parts.clear()
        if self._is_over:
            return
        upstream = self._upstream
        if upstream is None:
            self._connector.withdraw(self)
            self._abandon(Reason.NOT_SENT)
        elif self._house.may_drain(self):
            self._mode = DRAINED
            self._unsent_head = b""
            now_ns = monotonic_ns()
            self._total_ns = min(self._total_ns, now_ns + self._settings.drain_answer_ns)
            if self._is_stalled:
                self._is_stalled = False
                upstream.resume()
            upstream.until(self._total_ns)
        else:
            self._abandon(Reason.CLIENT_GONE)

    def caller_stalled(self) -> None:
        """The caller reads slower than the upstream writes: let TCP tell the upstream."""
        if self._upstream is not None and not self._is_stalled:
            self._is_stalled = True
            self._upstream.pause()
            self._upstream.deadline_ns = self._total_ns  # its silence is our doing now

    def caller_flows(self) -> None:
        """The caller has read what was waiting."""
        if self._is_stalled:
            self._is_stalled = False
            if self._upstream is not None:
                idle_ns = monotonic_ns() + self._settings.stream_idle_ns
                self._upstream.until(min(idle_ns, self._total_ns))
                self._upstream.resume()

    # Ends that are none of the answer's.

    def abort(self, reason: Reason) -> None:
        """End it now: the worker stops.  Raises nothing."""
        if self._upstream is None:
            self._connector.withdraw(self)
        caller, self._caller = self._caller, None
        self._abandon(reason if self.x.is_sent else Reason.NOT_SENT)
        if caller is not None:
            caller.abort()

    def _abandon(self, reason: Reason) -> None:
        self.x.reason = reason
        self._drop_upstream()
        self._finish()

    def _fail(self, code: Code, reason: Reason) -> None:
        """The upstream failed: tell the caller, in the way that is still open."""
        if self._is_over:
            return
        if code is not INTERNAL_ERROR:
            self._house.count(_ERRORS)
        self._abandon(reason)
        caller, x = self._caller, self.x
        if caller is None:
            return
        if self._mode == WHOLE or self._unsent_head:
            block = Block(code, _SENTENCES[code])
            caller.write(refusals.refusal(x, block, caller.connection_line))
            caller.answered(must_close=False)
        else:
            self._break_stream(caller, code)

    def _break_stream(self, caller: Caller, code: Code) -> None:
        """End a stream so that it cannot be taken for complete."""
        if not self._is_event_stream:
            if self._mode == CHUNKED:
                caller.answered(must_close=True)  # without the last chunk
            else:
                caller.reset()  # over HTTP/1.0 a close alone would be a clean end
            return
        event = self.x.route.dialect.error_event(code, _SENTENCES[code])
        if self._last and not self._last.endswith(_EVENT_ENDS):
            event = b"\n\n" + event  # end the event that broke off, or ours would be part of it
        if self._mode == CHUNKED:
            caller.write_chunk(event)
        else:
            caller.write(event)
        caller.answered(must_close=True)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._connector.discard(upstream)

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._mode == DRAINED:
            self._house.drained(self)
        self._house.finish(self._pipeline, self.x)
