"""One connection of a caller: reads requests one at a time, lets each run its course, answers.

Theory of operation.  A connection is in one phase (below); bytes are walked through the phases in a
loop, so a pipeline of requests neither recurses nor runs in parallel.  While an exchange runs,
nothing further is read: what came along is kept (at most one read of the event loop) and the socket
is paused.  The same holds while the caller does not read our answers.

A refusal before the body was read ends the connection, because where the next request begins would
be a guess.  It lingers: the write side closes, what the caller still sends is dropped for a bounded
time, so that the refusal is not destroyed by a reset on its way.

The exchange's finish always runs: through the forward once there is one, else here, where
`connection_lost` and `_admitted` cover every way out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

from s4fw import dialects
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.verdict import Answer, Block, Verdict
from s4fw.errors import (
    FIREWALL_DRAINING,
    FIREWALL_OVERLOADED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    REQUEST_TOO_LARGE,
    UNSUPPORTED_ENCODING,
    Refusal,
)
from s4fw.proxy import answers
from s4fw.proxy.chunked import ChunkedBody
from s4fw.proxy.deadlines import Timed
from s4fw.proxy.faults import place_of
from s4fw.proxy.forward import Forward
from s4fw.proxy.http1 import HEAD_END, Head, PartialHead, read_head
from s4fw.proxy.settings import Settings

if TYPE_CHECKING:
    from s4fw.proxy.proxy import Proxy

log = logging.getLogger(__name__)

# Between requests and in a head; in a body; an exchange runs; only the end is awaited; closed.
HEAD, BODY, BUSY, LINGER, CLOSED = range(5)
_NAMES = ("head", "body", "busy", "linger", "closed")

# Below it one copy into one buffer is cheaper than three buffers for the kernel (measured: equal
# at about 8 KiB).
_JOINED_BYTES_MAX = 8 * 1024


class Downstream(asyncio.Protocol, Timed):
    """One connection of a caller."""

    __slots__ = (
        "_admission",
        "_ahead",
        "_body",
        "_chunked",
        "_forward",
        "_has_eof",
        "_is_paused",
        "_is_stalled",
        "_is_walking",
        "_left",
        "_lingered",
        "_partial",
        "_phase",
        "_pipeline",
        "_proxy",
        "_settings",
        "_transport",
        "_x",
        "connection_line",
        "is_http11",
    )

    def __init__(self, proxy: Proxy) -> None:
        Timed.__init__(self)
        self._proxy = proxy
        self._transport: asyncio.Transport | None = None
        self._phase = HEAD
        self._partial: PartialHead | None = None
        self._ahead = b""  # bytes of later requests, until their turn comes
        self._has_eof = False  # the caller closed its writing side
        self._is_paused = False  # we do not read
        self._is_stalled = False  # the caller does not read
        self._is_walking = False
        self._lingered = 0
        # Of the present request:
        self._settings: Settings = proxy.settings
        self._pipeline: Pipeline = proxy.pipeline
        self._x: Exchange | None = None
        self._body: bytearray | None = None
        self._left = 0
        self._chunked: ChunkedBody | None = None
        self._admission: asyncio.Task[None] | None = None
        self._forward: Forward | None = None
        self.is_http11 = True
        self.connection_line = b""

    def __repr__(self) -> str:
        return f"<Downstream {_NAMES[self._phase]}>"

    @property
    def is_quiet(self) -> bool:
        """Whether it stands between two requests."""
        return self._phase == HEAD and not self._partial and not self._ahead

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._proxy.accepted(self):
            self._refuse(b"/", Block(FIREWALL_OVERLOADED, "too many connections"))
            return
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        if self._phase == LINGER:
            self._lingered += len(data)
            if self._lingered > 2 * self._settings.body_bytes_max:
                self.abort()
            return
        if self._phase == BUSY or self._is_stalled:
            self._keep(data)
            return
        self._walk(data)

    def eof_received(self) -> bool:
        """Returns whether we may still write: a caller may close its own side and read on."""
        self._has_eof = True
        if self._phase == BUSY or self._ahead:
            return True
        if self._phase == LINGER or self.is_quiet:
            return False
        self._give_up(Block(INVALID_REQUEST, "the connection closed within the request"))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        phase, self._phase = self._phase, CLOSED
        self._ahead = b""
        self._proxy.wheel.forget(self)
        self._proxy.closed(self)
        forward, self._forward = self._forward, None
        if forward is not None:
            forward.caller_gone()
        elif self._x is not None:
            self._x.is_client_gone = True
            if self._admission is None and phase != LINGER:
                self._finish(self._x)

    def pause_writing(self) -> None:
        self._is_stalled = True
        self._set_deadline(self._settings.stream_idle_ns)
        if self._forward is not None:
            self._forward.caller_stalled()

    def resume_writing(self) -> None:
        self._is_stalled = False
        if self._phase == LINGER:
            return
        if self._phase == BUSY:
            self.deadline_ns = 0
            if self._forward is not None:
                self._forward.caller_flows()
            return
        self._wait_for_request()
        self._walk_on()

    def on_deadline(self) -> None:
        if self._phase == HEAD and self._partial and not self._is_stalled:
            self._give_up(Block(REQUEST_TIMEOUT, "the request's head took too long"))
        elif self._phase == BODY:
            self._give_up(Block(REQUEST_TIMEOUT, "the request's body took too long"))
        else:
            self.abort()  # idle, or deaf: nothing is owed to the caller that it would read

    # Reading.

    def _wait_for_request(self) -> None:
        self._set_deadline(self._proxy.settings.keep_alive_ns)

    def _set_deadline(self, after_ns: int) -> None:
        self._proxy.wheel.set(self, monotonic_ns() + after_ns)

    def _keep(self, data: bytes) -> None:
        """Keep what came too early and read no more until its turn."""
        self._ahead += data
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _walk_on(self) -> None:
        """Take up what was kept, read again."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            self._walk(data)
        if self._is_paused and self._phase in (HEAD, BODY) and not self._is_stalled:
            self._is_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def _walk(self, data: bytes) -> None:
        """Read requests until the bytes end, an exchange runs, or the connection is over."""
        if self._is_walking:  # an answer was given on the way: the loop below goes on
            self._ahead = data + self._ahead
            return
        self._is_walking = True
        try:
            while data and self._phase in (HEAD, BODY) and not self._is_stalled:
                data = self._read_head(data) if self._phase == HEAD else self._read_body(data)
        except Refusal as refusal:
            self._give_up(Block(refusal.code, refusal.message, refusal.detail))
            return
        except Exception as fault:
            self._broken(fault)
            return
        finally:
            self._is_walking = False
        if data and self._phase in (HEAD, BODY, BUSY):
            self._keep(data)

    def _read_head(self, data: bytes) -> bytes:
        """Take bytes of a head; returns what is left.  Raises Refusal."""
        partial = self._partial
        settings = self._proxy.settings
        if partial is None:
            end = data.find(HEAD_END)
            if end >= 0 and data[0] != 13:
                end += len(HEAD_END)
                return self._take_head(read_head(data[:end], settings), data[end:])
            partial = self._partial = PartialHead()
        is_first = not partial
        whole = partial.feed(data, settings)
        if whole is not None:
            self._partial = None
            return self._take_head(read_head(whole[0], settings), whole[1])
        if not partial:
            self._partial = None
        elif is_first:
            self._set_deadline(settings.headers_ns)
        return b""

    def _take_head(self, head: Head, rest: bytes) -> bytes:
        """Decide on the head, before the body costs anything.  Returns what is left of `rest`."""
        self._settings = self._proxy.settings
        self._pipeline = self._proxy.pipeline
        self.is_http11 = head.is_http11
        is_last = not head.is_keep_alive or self._proxy.is_draining
        self.connection_line = (
            answers.CLOSE if is_last else b"" if head.is_http11 else answers.KEEP_ALIVE
        )
        has_body = head.is_chunked or head.content_length > 0
        if head.path in answers.HEALTH_PATHS:
            if has_body:
                raise Refusal(INVALID_REQUEST, "a health check has no body")
            answer = answers.health(
                head.path, head.method, self._proxy.is_ready(), self.connection_line
            )
            self.write(answer)
            self.answered(must_close=False)
            return rest
        self._proxy.count("requests")
        route = dialects.match(head.method, head.path)
        block = route if isinstance(route, Block) else self._block_of(head, has_body)
        if block is not None:
            self._refuse(head.path, block)
            return b""
        assert not isinstance(route, Block)
        x = Exchange(route, Request(head.method, head.path, head.query, head.headers))
        self._x = x
        self._proxy.began()
        verdict = self._pipeline.open(x)
        if verdict is not None:
            self._end_early(x, verdict)
            return b""
        return self._begin_body(head, rest)

    def _block_of(self, head: Head, has_body: bool) -> Block | None:
        """What can be refused by the head alone, whoever calls."""
        if self._proxy.is_draining:
            return Block(FIREWALL_DRAINING, "the firewall is shutting down; try again")
        if self._proxy.in_flight >= self._settings.in_flight_max:
            return Block(FIREWALL_OVERLOADED, "too many requests at once; try again")
        if head.method == b"HEAD":  # its answer could not be told from the next one
            return Block(METHOD_NOT_ALLOWED, "HEAD is not forwarded", allow="GET, POST")
        if head.content_length > self._settings.body_bytes_max:
            return Block(REQUEST_TOO_LARGE, "the request's body is larger than allowed")
        if head.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return Block(UNSUPPORTED_ENCODING, "a compressed body cannot be metered; send it plain")
        if has_body and head.method == b"GET":
            return Block(INVALID_REQUEST, "a GET request has no body here")
        return None

    def _begin_body(self, head: Head, rest: bytes) -> bytes:
        length = head.content_length
        if not head.is_chunked and len(rest) >= length:  # the usual case: all in one read
            if len(rest) == length:
                self._take_body(rest)
                return b""
            self._take_body(rest[:length])
            return rest[length:]
        self._phase = BODY
        self._set_deadline(self._settings.body_ns)
        if head.is_chunked:
            self._chunked = ChunkedBody(self._settings.body_bytes_max)
        else:
            self._body = bytearray()
            self._left = length
        if head.expects_continue and not rest:
            self.write(answers.CONTINUE)
        return rest

    def _read_body(self, data: bytes) -> bytes:
        """Take bytes of a body; returns what is left.  Raises Refusal."""
        chunked = self._chunked
        if chunked is not None:
            chunked.feed(data)
            if chunked.is_complete:
                self._take_body(chunked.body)
                return chunked.rest
            return b""
        assert self._body is not None
        if len(data) < self._left:
            self._body += data
            self._left -= len(data)
            return b""
        self._body += memoryview(data)[: self._left]
        rest = data[self._left :]
        self._take_body(self._body)
        return rest

    # The exchange.

    def _take_body(self, body: bytes | bytearray) -> None:
        """The request is whole: let the stages decide."""
        x = self._x
        assert x is not None
        self._body = self._chunked = None
        self._phase = BUSY
        self.deadline_ns = 0
        self._proxy.count("body_bytes_in", len(body))
        x.request.body = body
        admitted = self._pipeline.admit(x)
        if admitted is None or isinstance(admitted, (Block, Answer)):
            self._admitted(x, admitted)
        else:
            self._admission = asyncio.get_running_loop().create_task(self._await(x, admitted))

    async def _await(self, x: Exchange, waiting: Awaitable[Verdict]) -> None:
        """Wait for the one stage that must wait."""
        verdict: Verdict = Block(INTERNAL_ERROR, "the firewall stopped while it decided")
        try:
            verdict = await waiting
        finally:
            self._admission = None
            try:
                self._admitted(x, verdict)
            except Exception as fault:
                self._broken(fault)

    def _admitted(self, x: Exchange, verdict: Verdict) -> None:
        if verdict is None and self._phase == BUSY:
            connector = self._proxy.connector(x.route.dialect.name)
            self._x = None  # the forward's from here on
            self._forward = Forward(self._proxy, self, connector, self._pipeline, self._settings, x)
            self._forward.start()
            return
        if verdict is None:
            x.is_client_gone = True
        elif isinstance(verdict, Block):
            x.block = verdict
        self._finish(x)
        if self._phase == BUSY and verdict is not None:
            write = answers.refusal if isinstance(verdict, Block) else answers.own
            self.write(write(x, verdict, self.connection_line))  # type: ignore[arg-type]
            self.answered(must_close=False)

    def _finish(self, x: Exchange) -> None:
        """End an exchange that was never forwarded."""
        x.reason = Reason.NOT_SENT
        self._x = None
        self._proxy.finish(self._pipeline, x)

    # Answering.

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is not None:
            self._transport.write(data)

    def write_chunk(self, chunk: bytes) -> None:
        """Send one chunk of a chunked body."""
        transport = self._transport
        if transport is None:
            return
        if len(chunk) <= _JOINED_BYTES_MAX:
            transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        else:
            transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))

    def answered(self, *, must_close: bool) -> None:
        """The present exchange has its answer: on to the next request, or to the end."""
        self._forward = None
        if self._phase == CLOSED:
            return
        if must_close or self.connection_line is answers.CLOSE:
            self._linger()
            return
        self._phase = HEAD
        if self._is_stalled:
            return
        self._wait_for_request()
        if not self._is_walking:
            self._walk_on()
        if self._has_eof and self.is_quiet and self._transport is not None:
            self._transport.close()

    def _end_early(self, x: Exchange, verdict: Block | Answer) -> None:
        """Answer an exchange whose body was not read, and close."""
        self._finish(x)
        write = answers.refusal if isinstance(verdict, Block) else answers.own
        self.write(write(x, verdict, answers.CLOSE))  # type: ignore[arg-type]
        self._linger()

    def _give_up(self, block: Block) -> None:
        """The request cannot be read to its end: refuse it and close."""
        x = self._x
        if x is None:
            self._refuse(b"/", block)
            return
        x.block = block
        self._end_early(x, block)

    def _refuse(self, path: bytes, block: Block) -> None:
        """Refuse a request that never became an exchange, and close."""
        self._proxy.refused(block)
        self.write(answers.early_refusal(path, block))
        self._linger()

    def _linger(self) -> None:
        """Close our side; let the caller finish sending for a bounded time."""
        self._phase = LINGER
        self._ahead = b""
        self._partial = self._body = self._chunked = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._has_eof:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            transport.resume_reading()
        self._set_deadline(self._settings.linger_ns)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """No further request is taken: close if none is being read or answered."""
        if self.is_quiet and self._transport is not None:
            self._transport.close()
        elif self._phase == BUSY:
            self.connection_line = answers.CLOSE

    def stop(self, reason: Reason) -> None:
        """End whatever runs, now."""
        forward, self._forward = self._forward, None
        if forward is not None:
            forward.abort(reason)
        self.abort()

    def _broken(self, fault: Exception) -> None:
        """A fault of our own must not leave an exchange behind."""
        log.error(
            "fault on a connection: %s at %s: %r", type(fault).__name__, place_of(fault), self
        )
        self._proxy.count("internal_errors")
        if self._x is not None:
            self._finish(self._x)
        self.abort()
