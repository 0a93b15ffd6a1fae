"""One HTTP/1.1 connection from a caller: reads calls with h11, one after the other.

h11 and not httptools: the simulator is the firewall's partner in tests, and two parsers that agree
are worth more than one that agrees with itself.

Life of a connection: bytes come in and are kept as received until the head of a call is complete;
when its body is complete a task answers it; calls that follow on the connection wait in h11.  A
caller that closes its side, even only for writing, is gone: the task is cancelled.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

import h11

from s4fw.sim.form import Headers
from s4fw.sim.reply import Call

if TYPE_CHECKING:
    from s4fw.sim.simulator import Simulator

_HEAD_BYTES_MAX = 1 << 20  # wide: the limits under test are the firewall's
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds


class Connection(asyncio.Protocol):
    """The protocol of one connection, and the `Wire` its answers are written to."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES_MAX)
        self._received = bytearray()
        self._call: Call | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._is_writable = asyncio.Event()
        self._is_writable.set()

    # Protocol callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._simulator.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._call is None:
            self._received += data
        self._http.receive_data(data)
        if self._task is None:
            self._advance()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._simulator.connections.discard(self)
        self._leave()
        self._is_writable.set()

    def pause_writing(self) -> None:
        self._is_writable.clear()

    def resume_writing(self) -> None:
        self._is_writable.set()

    # Reading calls

    def _advance(self) -> None:
        try:
            while self._task is None:
                event = self._http.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                if isinstance(event, h11.Request):
                    self._begin(event)
                elif isinstance(event, h11.Data):
                    assert self._call is not None
                    self._call.body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    self._task = asyncio.get_running_loop().create_task(self._answer())
                else:
                    self.close()
                    break
            if self._http.they_are_waiting_for_100_continue and self._task is None:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
        except h11.RemoteProtocolError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            self.close()

    def _begin(self, request: h11.Request) -> None:
        at = self._received.find(b"\r\n\r\n") + 4
        head = bytes(self._received[:at])
        self._received.clear()
        target = request.target.decode("latin-1")
        self._call = Call(
            number=0 if target.startswith("/sim/") else self._simulator.recorder.begin(),
            head=head,
            method=request.method.decode(),
            target=target,
            headers={n.decode("latin-1"): v.decode("latin-1") for n, v in request.headers},
        )

    async def _answer(self) -> None:
        call = self._call
        assert call is not None
        try:
            await self._simulator.answer(self, call)
        except (ConnectionError, h11.LocalProtocolError):
            self.close()
        self._task = self._call = None
        if self._transport.is_closing():
            return
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self.close()
            return
        self._http.start_next_cycle()
        self._received += self._http.trailing_data[0]
        self._advance()

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # Wire

    async def send_interim(self, status: int, headers: Headers) -> None:
        self._write(h11.InformationalResponse(status_code=status, headers=headers))
        await self._is_writable.wait()

    async def send_head(self, status: int, headers: Headers) -> None:
        self._write(h11.Response(status_code=status, headers=headers))

    async def send_data(self, data: bytes) -> None:
        self._write(h11.Data(data=data))
        await self._is_writable.wait()

    async def send_end(self) -> None:
        self._write(h11.EndOfMessage())
        await self._is_writable.wait()

    async def send_raw(self, data: bytes) -> None:
        self._transport.write(data)
        await self._is_writable.wait()

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    async def wait_gone(self) -> None:
        await asyncio.get_running_loop().create_future()  # only cancellation ends it

    def _write(self, event: h11.Event) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the caller is gone")
        data = self._http.send(event)
        if data:
            self._transport.write(data)
