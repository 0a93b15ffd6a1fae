"""The admin listener: small HTTP with a limit on everything it takes and a deadline on every wait.

It runs in the process that does the slow chores, never in one that carries traffic.  One task for
each connection; at `CONNECTIONS_MAX` the oldest idle one makes room, else the oldest, so that
nobody keeps the operator out by holding connections open or by sending requests slowly.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

import h11

from s4fw.admin import api
from s4fw.admin.auth import Access, Guard
from s4fw.admin.facts import Facts

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 64  # a scraper, a health check and some people: ten times what is needed
HEAD_BYTES_MAX = 16 * 1024  # request line and headers, give or take a piece; browsers send 2 KiB
PIECE_BYTES = 4 * 1024  # taken from a socket at once
BODY_BYTES_MAX = 4 * 1024  # the largest body we know is an object with one budget id
READ_S = 10.0  # from the first byte of a request to its last
IDLE_S = 75.0  # between requests: longer than a scrape interval of 60 s
WRITE_S = 30.0  # until the peer has taken the answer
LINGER_S = 1.0  # after refusing unread bytes: closing at once would reset the answer away
LINGER_BYTES_MAX = 256 * 1024
REFUSED_BY_HTTP = "the request cannot be read"

ALWAYS = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as received."""

    head: h11.Request
    body: bytes


class _BodyTooLarge(Exception):
    pass


class AdminServer:
    """Serves `facts` to whom `guard` lets through, on a listening socket it is given.

    `guard` may be replaced: the next request is judged by the new one.
    """

    def __init__(self, facts: Facts, guard: Guard) -> None:
        self._facts = facts
        self.guard = guard
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        state = "serving" if self._server is not None and self._server.is_serving() else "closed"
        return f"<AdminServer {state} connections={len(self._connections)} {self.guard!r}>"

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket.  It belongs to the server from here on: pass a duplicate."""
        assert self._server is None
        self._server = await asyncio.start_server(
            self._accepted, sock=listener, limit=2 * HEAD_BYTES_MAX
        )

    async def close(self) -> None:
        """Stop accepting and end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            oldest = next(iter(self._connections))
            least = next((c for c in self._connections if c.is_idle), oldest)
            self._connections.pop(least).cancel()
        connection = _Connection(reader, writer, self.answer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await connection.serve()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # gone, too slow, or we are closing: there is nobody left to tell
        finally:
            self._connections.pop(connection, None)
            writer.close()

    def answer(self, asked: _Asked) -> api.Reply:
        """Decide: route, permission, answer.  Synchronous, never raises."""
        head = asked.head
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        routes = api.PATHS.get(path)
        route = routes.get(head.method.decode()) if routes else None
        # What does not exist is judged like reading: only who may read learns which paths exist.
        access = route.access if route else Access.READ
        denial = self.guard.judge(access, _values(head, b"authorization"))
        if denial is not None:
            challenge = (("www-authenticate", "Bearer"),) if denial.status == 401 else ()
            return api.error(denial.status, denial.code, denial.message, challenge)
        if routes is None:
            return api.error(404, "not_found", "no such path")
        if route is None:
            allow = (("allow", ", ".join(routes)),)
            return api.error(405, "method_not_allowed", "not with this method", allow)
        content_type = b"".join(_values(head, b"content-type")).decode("latin-1")
        try:
            reply = api.ask(self._facts, route, query, content_type, asked.body)
            if access is Access.CHANGE:
                log.warning("a change was asked for", extra={"path": path, "status": reply.status})
            return reply
        except Exception:
            log.exception("the admin listener could not answer")
            return api.error(500, "internal_error", "a fault of the firewall; its log says where")


class _Connection:
    """One peer: read a request, answer it, again."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[_Asked], api.Reply],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._is_head = False  # HEAD is refused like any other method, but without a body
        self.is_idle = True

    async def serve(self) -> None:
        """Until the peer or the protocol ends it.  Raises OSError and TimeoutError."""
        while True:
            try:
                asked = await self._read()
            except h11.RemoteProtocolError as broken:
                status = broken.error_status_hint
                await self._refuse(api.error(status, "bad_request", REFUSED_BY_HTTP))
                return
            except _BodyTooLarge:
                message = f"a body has at most {BODY_BYTES_MAX} bytes"
                await self._refuse(api.error(413, "body_too_large", message))
                return
            if asked is None:
                return
            await self._write(self._answer(asked))
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            self.is_idle = True

    async def _read(self) -> _Asked | None:
        """One request; None when the peer ended the connection instead."""
        if not await self._wait_for_first_byte():
            return None
        self.is_idle = False
        async with asyncio.timeout(READ_S):
            head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            if head.http_version not in (b"1.0", b"1.1"):
                raise h11.RemoteProtocolError("version", error_status_hint=505)
            if _values(head, b"content-length") and _values(head, b"transfer-encoding"):
                raise h11.RemoteProtocolError("two lengths", error_status_hint=400)
            self._is_head = head.method == b"HEAD"
            if self._http.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._http.send(proceed) or b"")
            body = bytearray()
            while isinstance(event := await self._event(), h11.Data):
                body += event.data
                if len(body) > BODY_BYTES_MAX:
                    raise _BodyTooLarge
            return _Asked(head, bytes(body)) if isinstance(event, h11.EndOfMessage) else None

    async def _wait_for_first_byte(self) -> bool:
        if self._http.trailing_data[0]:
            return True  # the next request came together with the last one
        async with asyncio.timeout(IDLE_S):
            received = await self._reader.read(PIECE_BYTES)
        self._http.receive_data(received)
        return bool(received)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(PIECE_BYTES))
        return event

    async def _refuse(self, reply: api.Reply) -> None:
        """Answer what was not read to its end, and let the peer see the answer."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        await self._write(reply)
        self._writer.write_eof()
        unread = LINGER_BYTES_MAX
        async with asyncio.timeout(LINGER_S):
            while unread > 0 and (received := await self._reader.read(PIECE_BYTES)):
                unread -= len(received)

    async def _write(self, reply: api.Reply) -> None:
        headers = [
            ("content-type", reply.content_type),
            ("content-length", str(len(reply.body))),
            *ALWAYS,
            *reply.headers,
        ]
        http = self._http
        whole = http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        if not self._is_head:
            whole += http.send(h11.Data(data=reply.body)) or b""
        self._writer.write(whole + (http.send(h11.EndOfMessage()) or b""))
        async with asyncio.timeout(WRITE_S):
            await self._writer.drain()


def _values(head: h11.Request, name: bytes) -> list[bytes]:
    return [value for given, value in head.headers if given == name]
