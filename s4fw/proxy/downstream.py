"""One connection of a caller: reads requests one at a time, lets each run its course, refusals.

Theory of operation.  A connection is in one phase (below); bytes are walked through the phases in a
loop, so a pipeline of requests neither recurses nor runs in parallel.  While an exchange runs,
nothing further is read: what came along is kept (at most one read of the event loop) and the socket
is paused.  The same holds while the caller does not read our refusals.

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
from typing import TYPE_CHECKING, Final

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.verdict import Answer, Block, Verdict
from s4fw.errors import (
    CREDENTIALS_MISSING,
    FIREWALL_OVERLOADED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    REQUEST_TIMEOUT,
    UPSTREAM_UNREACHABLE,
    Refusal,
)
from s4fw.proxy import gate, headers, refusals
from s4fw.proxy.faults import place_of
from s4fw.proxy.forward import Forward
from s4fw.proxy.head import Head
from s4fw.proxy.origin import Origin
from s4fw.proxy.reader import RequestReader
from s4fw.proxy.settings import Settings
from s4fw.proxy.shed import CROWDED
from s4fw.proxy.wire import Wire

if TYPE_CHECKING:
    from s4fw.proxy.proxy import Proxy

log: Final = logging.getLogger(__name__)

_BODY_BYTES_IN: Final = COUNTER_INDEX["body_bytes_in"]
_INTERNAL_ERRORS: Final = COUNTER_INDEX["internal_errors"]
_REQUESTS: Final = COUNTER_INDEX["requests"]

# Between requests and in a head; in a body; an exchange runs; only the end is awaited; closed.
HEAD, BODY, BUSY, LINGER, CLOSED = range(5)
_NAMES: Final = ("head", "body", "busy", "linger", "closed")


class Downstream(Wire):
    """One connection of a caller."""

    __slots__ = (
        "_admission",
        "_forward",
        "_head",
        "_is_walking",
        "_lingered",
        "_phase",
        "_pipeline",
        "_proxy",
        "_reader",
        "_settings",
        "_x",
        "connection_line",
        "is_http11",
    )

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy.wheel, proxy.outbox)
        self._proxy = proxy
        self._phase = HEAD
        self._reader = RequestReader()
        self._head: Head | None = None  # the last one; it often repeats
        self._is_walking = False
        self._lingered = 0
        # Of the present request:
        self._settings: Settings = proxy.settings
        self._pipeline: Pipeline = proxy.pipeline
        self._x: Exchange | None = None
        self._admission: asyncio.Task[None] | None = None
        self._forward: Forward | None = None
        self.is_http11 = True
        self.connection_line = b""

    def __repr__(self) -> str:
        return f"<Downstream {_NAMES[self._phase]}>"

    @property
    def is_quiet(self) -> bool:
        """Whether it stands between two requests."""
        return self._phase == HEAD and self._reader.is_empty and not self._ahead

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        refusal = self._proxy.accepted(self)
        if refusal is not None:
            self._refuse(None, refusal)
            if refusal is CROWDED:  # its descriptor is needed now, more than a gentle end
                self._close()
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
        """Returns whether we may still write: a caller may close its own side and read on, though
        not over TLS."""
        self._has_eof = True
        self.flush()  # when told no, the loop closes at once: what waits for this turn's end goes
        if self._is_tls:
            return False
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
        if self._phase == BUSY:
            self.deadline_ns = 0
            if self._forward is not None:
                self._forward.caller_flows()
        elif self.is_quiet or self._ahead:
            self._wait_for_request()
            self._walk_on()

    def on_deadline(self) -> None:
        if self._phase == HEAD and not self._reader.is_empty:
            self._give_up(Block(REQUEST_TIMEOUT, "the request's head took too long"))
        elif self._phase == BODY:
            self._give_up(Block(REQUEST_TIMEOUT, "the request's body took too long"))
        elif self._is_taking():  # slowly, but it does
            settings = self._settings
            self._set_deadline(
                settings.linger_ns if self._phase == LINGER else settings.stream_idle_ns
            )
        else:
            self.abort()  # idle, or deaf: nothing is owed to the caller that it would read

    # Reading.

    def _wait_for_request(self) -> None:
        self._set_deadline(self._proxy.settings.keep_alive_ns)

    def _walk_on(self) -> None:
        """Take up what was kept, read again."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            self._walk(data)
        if self._phase in (HEAD, BODY) and not self._is_stalled:
            self._read_on()

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
        reader = self._reader
        settings = self._proxy.settings
        was_empty = reader.is_empty
        rest = reader.read_head(data, self._head, settings)
        head = reader.head
        if head is not None:
            return self._take_head(head, rest)
        if was_empty and not reader.is_empty:
            self._set_deadline(settings.headers_ns)
        return b""

    def _take_head(self, head: Head, rest: bytes) -> bytes:
        """Decide on the head, before the body costs anything.  Returns what is left of `rest`."""
        proxy = self._proxy
        self._head = head
        self._settings = proxy.settings
        self._pipeline = proxy.pipeline
        self.is_http11 = head.is_http11
        is_last = not head.is_keep_alive or proxy.is_draining
        self.connection_line = (
            refusals.CLOSE if is_last else b"" if head.is_http11 else refusals.KEEP_ALIVE
        )
        if head.path in refusals.HEALTH_PATHS:
            is_ready = proxy.is_ready()
            self._tell(
                head, refusals.health(head.path, head.method, is_ready, self.connection_line)
            )
            return rest
        route = gate.route_of(head, self._settings)
        begun = head.begun
        if isinstance(route, Block) and gate.is_probe(head, route):
            self._tell(head, refusals.probed(self.connection_line))
            return rest
        proxy.count(_REQUESTS)
        if isinstance(route, Block):
            self._refuse(head, route)
            return b""
        shed = proxy.shed.why() or proxy.shed.crowded(proxy.in_flight)
        block = gate.pressing(head, self._settings, proxy.in_flight, proxy.is_draining, shed)
        if block is not None:
            if self._reader.body is None or block.code is not FIREWALL_OVERLOADED:
                self._refuse(head, block)
                return b""
            # Nothing of it is left to come, and a new connection would cost more than the answer.
            proxy.refused(block)
            self._reader.next()
            self.write(refusals.early_refusal(head, block, self.connection_line))
            self.answered(must_close=False)
            return rest
        request = Request(head.method, head.path, head.query, head.headers)
        request.prefix, request.labels_of_path = begun.prefix, begun.labels
        x = self._x = Exchange(route, request)
        proxy.began()
        verdict = self._pipeline.open(x)
        if verdict is not None:
            self._end_early(x, verdict)
            return b""
        return self._begin_body(head, rest)

    def _tell(self, head: Head, answer: bytes) -> None:
        """Answer what is no exchange: a health check, a probe.  Raises Refusal."""
        if head.is_chunked or head.content_length:
            raise Refusal(INVALID_REQUEST, "a health check or HEAD has no body here")
        self._reader.next()
        self.write(answer)
        self.answered(must_close=False)

    def _begin_body(self, head: Head, rest: bytes) -> bytes:
        reader = self._reader
        body = reader.body
        if body is not None:  # the usual case: all in one read, no deadline needed
            self._take_body(body)
            return rest
        reader.begin_body(self._settings)
        self._phase = BODY
        self._set_deadline(self._settings.body_ns)
        if head.expects_continue and not rest:
            self.write(refusals.CONTINUE)
        return rest

    def _read_body(self, data: bytes) -> bytes:
        """Take bytes of a body; returns what is left.  Raises Refusal."""
        rest = self._reader.read_body(data)
        body = self._reader.body
        if body is not None:
            self._take_body(body)
        return rest

    # The exchange.

    def _take_body(self, body: bytes | bytearray) -> None:
        """The request is whole: let the stages decide."""
        x = self._x
        assert x is not None
        self._reader.next()
        self._phase = BUSY
        self.deadline_ns = 0
        self._proxy.count(_BODY_BYTES_IN, len(body))
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
        connector = self._proxy.connector(x.upstream)
        if verdict is None and connector is None:
            verdict = Block(UPSTREAM_UNREACHABLE, "no upstream is configured for this API")
        if verdict is None and connector is not None:
            verdict = self._lack(x, connector.origin)
        if verdict is None and connector is not None and self._phase == BUSY:
            self._x = None  # the forward's from here on
            assert self._head is not None
            forward = self._forward = Forward(
                self._proxy, self, connector, self._pipeline, self._settings, self._head, x
            )
            self._proxy.outbox.add(forward.start)
            return
        if verdict is None:
            x.is_client_gone = True
        elif isinstance(verdict, Block):
            x.block = verdict
        self._finish(x)
        if self._phase == BUSY and verdict is not None:
            write = refusals.refusal if isinstance(verdict, Block) else refusals.own
            self.write(write(x, verdict, self.connection_line))  # type: ignore[arg-type]
            self.answered(must_close=False)

    @staticmethod
    def _lack(x: Exchange, origin: Origin) -> Block | None:
        """Refuse what would have to be signed and cannot be."""
        signer = origin.signer
        why = signer.lack() if signer is not None else None
        if why is None or headers.passes_own(x, origin):
            return None
        return Block(CREDENTIALS_MISSING, why)

    def _finish(self, x: Exchange) -> None:
        """End an exchange that was never forwarded."""
        x.reason = Reason.NOT_SENT
        self._x = None
        self._proxy.finish(self._pipeline, x)

    # Answering.

    def answered(self, *, must_close: bool) -> None:
        """The present exchange has its answer: on to the next request, or to the end."""
        self._forward = None
        if self._phase == CLOSED:
            return
        if must_close or self.connection_line is refusals.CLOSE:
            self._linger()
            return
        self._phase = HEAD
        if self._is_stalled:
            return
        self._wait_for_request()
        if not self._is_walking:
            self._walk_on()
        if self._has_eof and self.is_quiet:
            self._close()

    def _end_early(self, x: Exchange, verdict: Block | Answer) -> None:
        """Answer an exchange whose body was not read, and close."""
        self._finish(x)
        write = refusals.refusal if isinstance(verdict, Block) else refusals.own
        self.write(write(x, verdict, refusals.CLOSE))  # type: ignore[arg-type]
        self._linger()

    def _give_up(self, block: Block) -> None:
        """The request cannot be read to its end: refuse it and close."""
        x = self._x
        if x is None:
            self._refuse(None, block)
            return
        x.block = block
        self._end_early(x, block)

    def _refuse(self, head: Head | None, block: Block) -> None:
        """Refuse a request that never became an exchange, and close."""
        self._proxy.refused(block)
        self.write(refusals.early_refusal(head, block))
        self._linger()

    def _linger(self) -> None:
        """Close our side; let the caller finish sending for a bounded time."""
        self._phase = LINGER
        self._reader.next()
        self._half_close()
        self._set_deadline(self._settings.linger_ns)

    def end(self) -> None:
        """No further request is taken: close if none is being read or answered."""
        if self.is_quiet:
            self._close()
        elif self._phase in (BODY, BUSY):
            self.connection_line = refusals.CLOSE

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
        self._proxy.count(_INTERNAL_ERRORS)
        if self._x is not None:
            self._finish(self._x)
        if self._forward is not None:
            self._forward.broken(fault)
        else:
            self.abort()
