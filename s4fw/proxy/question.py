"""A question of our own to an upstream, on behalf of an exchange that was not admitted yet.

It uses the connections and the credential of the exchange, costs nothing at the provider, and is
short: whatever goes wrong, or takes longer than its time, is no answer.
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Final

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.errors import Refusal
from s4fw.proxy import headers
from s4fw.proxy.answer import AnswerReader
from s4fw.proxy.connector import Connector
from s4fw.proxy.settings import NS_PER_S
from s4fw.proxy.upstream import Upstream

TIMEOUT_S: Final = 1.0
_ANSWER_BYTES_MAX: Final = 65_536


def request_of(x: Exchange, path: bytes) -> Exchange:
    """The question as an exchange of its own: head, caller and upstream of the one it is for."""
    asked = x.request
    request = Request(b"POST", asked.path, asked.query, asked.headers)
    route = Route("question", x.route.dialect, True, path, x.route.provider)
    question = Exchange(route, request)
    question.caller = x.caller
    question.upstream = x.upstream
    return question


class Question:
    """One question, for as long as it waits."""

    __slots__ = (
        "_answer",
        "_body",
        "_connector",
        "_has_retried",
        "_parts",
        "_size",
        "_upstream",
        "_x",
    )

    def __init__(self, connector: Connector, x: Exchange, body: bytes) -> None:
        self._connector = connector
        self._x = x
        self._body = body
        self._answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._has_retried = False
        self._parts: list[bytes] = []
        self._size = 0
        self._upstream: Upstream | None = None

    async def answered(self) -> bytes | None:
        """The body of a 200; None for everything else."""
        try:
            upstream = self._connector.take()
            if upstream is not None:
                self.connected(upstream, True)
            else:
                self._connector.request(self)
            async with asyncio.timeout(TIMEOUT_S):
                return await self._answer
        except TimeoutError:
            return None
        finally:
            self._give_up()

    def _give_up(self) -> None:
        """Let go of what is held: the connection, or the place in its queue."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._connector.discard(upstream)
        elif not self._answer.done() or self._answer.cancelled():
            self._connector.withdraw(self)

    def _end(self, answer: bytes | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    # From the connector.

    def connected(self, upstream: Upstream, is_reused: bool) -> None:
        """Send it; on a kept connection that took nothing of it, try once more."""
        origin = self._connector.origin
        try:
            head = headers.single_head(self._x, origin, self._body)
        except Refusal:  # it cannot be signed
            self._connector.release(upstream)
            self._end(None)
            return
        if upstream.send(self, (head, self._body), len(head) + len(self._body)):
            self._upstream = upstream
            upstream.until(monotonic_ns() + int(TIMEOUT_S * NS_PER_S))
            return
        self._connector.discard(upstream)
        if not is_reused or self._has_retried:
            self._end(None)
            return
        self._has_retried = True
        self._connector.request(self)

    def unreachable(self, is_ours: bool) -> None:
        """There is no connection."""
        self._end(None)

    # From the upstream's connection.

    def received(self, reader: AnswerReader) -> None:
        """Bytes of the answer were read."""
        self._parts += reader.pieces
        self._size += sum(map(len, reader.pieces))
        reader.pieces.clear()
        if reader.is_complete:
            self._complete(reader)
        elif reader.is_faulty or self._size > _ANSWER_BYTES_MAX:
            self._end(None)

    def _complete(self, reader: AnswerReader) -> None:
        upstream, self._upstream = self._upstream, None
        is_good = reader.status == 200 and not reader.is_encoded
        if upstream is not None:
            upstream.served = None
            if reader.is_reusable and upstream.is_flushed():
                self._connector.release(upstream)
            else:
                self._connector.discard(upstream)
        self._end(b"".join(self._parts) if is_good else None)

    def upstream_lost(self) -> None:
        """The connection broke."""
        self._upstream = None
        self._end(None)

    def upstream_late(self) -> None:
        """It took too long."""
        self._end(None)

    def broken(self, fault: Exception) -> None:
        """A fault of our own."""
        self._end(None)
