"""An upstream that streams: so many chunks, one at a time, so many milliseconds apart.

    python -m load.bench.pacer

The request's body says how many and how far apart (`metadata`, see payloads).  The first chunk
leaves with the head, at once; each is one write, so that chunks do not join on their way.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import uvloop

from load.bench.wires import OPENAI, WIRES, Wire

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
_PATH = re.compile(rb"POST ([^ ]+) ")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PACE = re.compile(rb'etadata":{"chunks":"(\d+)","every_ms":"(\d+)"}')


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Answer:
    """The bytes of a wire shape as they go out: each in one write."""

    def __init__(self, wire: Wire) -> None:
        self.first = _HEAD % wire.content_type + _chunk(wire.first)
        self.next = _chunk(wire.next)
        self.last = _chunk(wire.last) + b"0\r\n\r\n"


_ANSWERS = {path: _Answer(wire) for path, wire in WIRES.items()}


class Connection(asyncio.Protocol):
    """One connection: a request, a stream, the next request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._got = bytearray()
        self._wanted = 0  # bytes of the whole request, once its head is known
        self._left = 0  # chunks
        self._answer = _ANSWERS[OPENAI.path.encode()]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._wanted:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._got, 0, end)
            self._wanted = end + 4 + (int(length[1]) if length else 0)
        if len(self._got) >= self._wanted:
            self._begin()

    def _begin(self) -> None:
        pace = _PACE.search(self._got)
        asked = _PATH.match(self._got)
        self._answer = _ANSWERS[bytes(asked[1]) if asked else b""]
        chunks, every_ms = (int(pace[1]), int(pace[2])) if pace else (1, 1)
        self._got.clear()
        self._wanted = 0
        self._left = chunks - 1
        self._every_s = every_ms / 1000
        self._at_s = self._loop.time()
        self._transport.write(self._answer.first)
        self._wait()

    def _wait(self) -> None:
        self._at_s += self._every_s
        self._loop.call_at(self._at_s, self._go_on)

    def _go_on(self) -> None:
        if self._transport.is_closing():
            return
        if self._left:
            self._left -= 1
            self._transport.write(self._answer.next)
            self._wait()
        else:
            self._transport.write(self._answer.last)


async def main() -> None:
    """Listen on a free port until we are ended."""
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", 0, backlog=4096
    )
    sys.stdout.write(f"ready {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
