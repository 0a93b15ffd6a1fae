"""One exchange's way: a connection, the request, the answer back, the end.

Theory of operation.  A forward begins when an exchange was admitted and ends in `_finish`, once,
whatever happens; that is where money is settled.  In between it stands between two connections
that may each vanish at any instant:

* the upstream speaks through `received`, `upstream_lost`, `upstream_late`;
* the caller's connection calls `caller_gone`, `caller_stalled`, `caller_flows`, and takes the
  bytes of the `Reply`.

Nothing has been spent until the kernel took a byte of the request (`x.is_sent`); a failure before
that is no charge, one after it is for `finish` to judge by `x.reason`.  When the caller leaves, the
answer is read on for the sake of its usage (drained), within bounds.
"""

from __future__ import annotations

import logging
from time import monotonic_ns
from typing import Final, Protocol

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.errors import (
    FIREWALL_OVERLOADED,
    INTERNAL_ERROR,
    UPSTREAM_CUT,
    UPSTREAM_INVALID,
    UPSTREAM_TIMEOUT,
    UPSTREAM_UNREACHABLE,
    Code,
    Refusal,
    Source,
)
from s4fw.proxy import headers
from s4fw.proxy.answer import AnswerReader
from s4fw.proxy.connector import Connector
from s4fw.proxy.faults import place_of
from s4fw.proxy.head import Head
from s4fw.proxy.reply import Caller, Reply
from s4fw.proxy.settings import Settings
from s4fw.proxy.upstream import Upstream

log: Final = logging.getLogger(__name__)

_ERRORS: Final = COUNTER_INDEX["upstream_errors"]
_TIMEOUTS: Final = COUNTER_INDEX["upstream_timeouts"]
_INTERNAL_ERRORS: Final = COUNTER_INDEX["internal_errors"]
_RETRIES: Final = COUNTER_INDEX["upstream_retries"]

_SENTENCES: Final = {
    UPSTREAM_CUT: "the upstream closed the connection before its answer was complete",
    UPSTREAM_INVALID: "the upstream's answer could not be read",
    UPSTREAM_TIMEOUT: "the upstream did not answer in time; the call may have been billed",
    FIREWALL_OVERLOADED: "the firewall has no descriptor or port to spare; nothing was sent",
    UPSTREAM_UNREACHABLE: "the upstream could not be reached; nothing was sent or charged",
    INTERNAL_ERROR: "the firewall met a fault of its own",
}


class House(Protocol):
    """Where the forward lives: figures and bounds of the whole worker."""

    counters: memoryview

    def finish(self, pipeline: Pipeline, x: Exchange) -> None:
        """End an exchange; raises nothing."""

    def may_drain(self, forward: Forward) -> bool:
        """Whether one more answer may be read on for a caller that left; counts it if so."""

    def drained(self, forward: Forward) -> None:
        """That answer is over."""

    def count(self, index: int, amount: int = 1) -> None:
        """Add to a counter by its index."""


class Forward:
    """One admitted exchange on its way."""

    __slots__ = (
        "_connector",
        "_has_begun",
        "_has_retried",
        "_head",
        "_house",
        "_is_drained",
        "_is_over",
        "_is_stalled",
        "_pipeline",
        "_reply",
        "_settings",
        "_total_ns",
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
        self._house = house
        self._connector = connector
        self._pipeline = pipeline
        self._settings = settings
        self._head = head
        self.x = x
        self._reply = Reply(caller, x, settings.whole_answer_bytes_max, house.counters)
        self._upstream: Upstream | None = None
        self._has_begun = False  # the answer's head is there
        self._has_retried = False
        self._is_drained = False  # read on without a caller
        self._is_over = False
        self._is_stalled = False  # the caller reads slower than the upstream writes
        self._total_ns = x.started_ns + settings.total_ns

    def __repr__(self) -> str:
        state = "over" if self._is_over else "begun" if self._has_begun else "waiting"
        return f"<Forward {self.x.request_id} {state} {self._reply!r}>"

    def start(self) -> None:
        """Ask for a connection; everything else follows from events.  Raises nothing."""
        if self._is_over:  # the caller left within the turn
            return
        try:
            upstream = self._connector.take()
            if upstream is not None:
                self.connected(upstream, True)
            else:
                self._connector.request(self)
        except Exception as fault:
            self.broken(fault)

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
            self.x.retries = 1
            self._house.count(_RETRIES)
            self._connector.request(self)
        except Refusal as refusal:  # what it is signed with ran out while it waited
            self._upstream = None
            self._connector.release(upstream)
            self._abandon(Reason.NOT_SENT)
            self._reply.fail(refusal.code, refusal.message)
        except Exception as fault:
            self.broken(fault)

    def _send(self, upstream: Upstream) -> bool:
        x = self.x
        request = x.request
        pieces = request.pieces()
        body_bytes = sum(map(len, pieces))
        head = headers.upstream_head(x, self._head, self._connector.origin, pieces, body_bytes)
        self._pipeline.sent(x)
        if not upstream.send(self, (head, *pieces), len(head) + body_bytes):
            return False
        request.body, request.edits = b"", None  # may be large, and the answer long: let it go
        upstream.until(min(monotonic_ns() + self._settings.first_byte_ns, self._total_ns))
        return True

    def unreachable(self, is_ours: bool = False) -> None:
        """No connection is to be had: nothing was sent, so nothing is charged."""
        self._fail(FIREWALL_OVERLOADED if is_ours else UPSTREAM_UNREACHABLE, Reason.NOT_SENT)

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
            self._reply.take(self._pipeline.feed(self.x, chunk))
            self._put_off(is_first)
        elif is_first:
            self._put_off(is_first)
        if reader.is_complete:
            self._end(reader)
            return
        self._reply.flush_head()
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
        if not self._has_begun and not self._is_drained:
            self._connector.failed()
        reason = Reason.CLIENT_GONE if self._is_drained else Reason.UPSTREAM_TIMEOUT
        self._fail(UPSTREAM_TIMEOUT, reason)

    def broken(self, fault: Exception) -> None:
        """A fault of our own: the exchange ends, charged if anything was sent.  Raises nothing."""
        log.error("fault in a forward: %s at %s: %r", type(fault).__name__, place_of(fault), self.x)
        self._house.count(_INTERNAL_ERRORS)
        try:
            self._fail(INTERNAL_ERROR, Reason.LEFT_OPEN if self.x.is_sent else Reason.NOT_SENT)
        except Exception as second:
            log.error("fault while ending it: %s at %s", type(second).__name__, place_of(second))
            self._finish()
            self._reply.abort()

    # The answer.

    def _begin(self, reader: AnswerReader) -> None:
        """The answer's head is there."""
        x = self.x
        self._has_begun = True
        self._connector.answered()
        x.status = reader.status
        x.first_byte_ns = monotonic_ns()
        if not reader.is_encoded:
            x.meter = x.route.dialect.meter(x, reader.status, reader.is_stream, reader.fields)
        self._reply.begin(reader)

    def _end(self, reader: AnswerReader) -> None:
        """The upstream ended its answer: give the connection back, settle, end ours."""
        meter = self.x.meter
        if meter is not None:
            tail = meter.end()
            if tail:
                self._reply.take(tail)
            if reader.is_stream and not (
                meter.is_complete or meter.saw_error or meter.usage is not None
            ):
                # By its own wire shape it had no end, however properly HTTP ended it.
                self._fail(UPSTREAM_CUT, Reason.UPSTREAM_CUT)
                return
        self._give_back(reader)
        self._finish()
        self._reply.complete()

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

    # The caller's connection.

    def caller_gone(self) -> None:
        """The caller left.  What was sent is paid for: learn what it did cost.  Raises nothing."""
        self._reply.leave()
        self.x.is_client_gone = True
        if self._is_over:
            return
        upstream = self._upstream
        if upstream is None:
            self._connector.withdraw(self)
            self._abandon(Reason.NOT_SENT)
        elif self._house.may_drain(self):
            self._is_drained = True
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
        self._abandon(reason if self.x.is_sent else Reason.NOT_SENT)
        self._reply.abort()

    def _abandon(self, reason: Reason) -> None:
        self.x.reason = reason
        self._drop_upstream()
        self._finish()

    def _fail(self, code: Code, reason: Reason) -> None:
        """The upstream failed: tell the caller, in the way that is still open."""
        if self._is_over:
            return
        if code.source is Source.UPSTREAM:
            self._house.count(_ERRORS)
            if code is UPSTREAM_TIMEOUT:
                self._house.count(_TIMEOUTS)
        self._abandon(reason)
        self._reply.fail(code, _SENTENCES[code])

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._connector.discard(upstream)

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._is_drained:
            self._house.drained(self)
        self._house.finish(self._pipeline, self.x)
