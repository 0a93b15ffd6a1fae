"""Callers of streams: wrk reads answers, but cannot tell when a stream's first event came."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import uvloop

from load.bench.wires import OPENAI, Wire

_END = b"0\r\n\r\n"


class BadStream(Exception):
    """A stream ended early, or is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Streams:
    """So many callers, each reading streams of so many chunks.

    `seconds` is how long a caller begins further streams; at 0 each reads one.
    """

    callers: int
    chunks: int
    every_ms: int
    seconds: float = 0.0
    wire: Wire = OPENAI


@dataclass(slots=True)
class Seen:
    """What the callers saw, together."""

    streams: int = 0
    chunks: int = 0
    reads: int = 0  # reads of a socket; chunks that joined on their way are one
    first_ms: list[float] = field(default_factory=list)  # from a request to its first event

    def p99_ms(self) -> float:
        """The time to the first event that 99 of 100 streams kept."""
        return percentile(self.first_ms, 0.99)


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Caller(asyncio.Protocol):
    """One connection; `over` is done once its last stream has ended."""

    def __init__(self, wanted: Streams, seen: Seen, until_s: float) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = wanted.wire.request(wanted.chunks, wanted.every_ms)
        self._wanted = wanted
        self._seen = seen
        self._until_s = until_s
        self._parts: list[bytes] = []
        self._is_first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._parts = []
        self._is_first = True
        self._asked_s = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen.reads += 1
        if self._is_first and self._wanted.wire.chunk in data:
            self._is_first = False
            self._seen.first_ms.append((perf_counter() - self._asked_s) * 1000)
        self._parts.append(data)
        if data.endswith(_END):
            self._ended()

    def _ended(self) -> None:
        whole = b"".join(self._parts)
        chunks = whole.count(self._wanted.wire.chunk)
        if chunks != self._wanted.chunks or self._wanted.wire.end not in whole:
            self._fail(f"{chunks} chunks, beginning {whole[:80]!r}")
            return
        self._seen.streams += 1
        self._seen.chunks += chunks
        if perf_counter() < self._until_s:
            self._ask()
            return
        self.over.set_result(None)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection closed after {b''.join(self._parts)[:300]!r}")

    def _fail(self, why: str) -> None:
        if not self.over.done():
            self.over.set_exception(BadStream(why))


async def _open(port: int, wanted: Streams) -> Seen:
    loop = asyncio.get_running_loop()
    seen = Seen()
    until_s = perf_counter() + wanted.seconds
    callers = []
    # Callers that go on begin spread over the length of a stream: together they would ask in bursts
    # for ever, and each would measure the queue before it.  Single streams begin spread over the
    # time between two chunks.
    spread_ms = wanted.every_ms * (wanted.chunks if wanted.seconds else 1)
    began_s = perf_counter()
    for number in range(wanted.callers):
        _, caller = await loop.create_connection(
            lambda: Caller(wanted, seen, until_s), "127.0.0.1", port
        )
        callers.append(caller)
        turn_s = began_s + (number + 1) * spread_ms / 1000 / wanted.callers
        await asyncio.sleep(max(0.0, turn_s - perf_counter()))
    longest_s = wanted.seconds + wanted.chunks * wanted.every_ms / 1000 + 30
    await asyncio.wait_for(asyncio.gather(*(caller.over for caller in callers)), longest_s)
    return seen


def run(port: int, wanted: Streams) -> Seen:
    """Read streams until all have ended.  Raises BadStream, TimeoutError."""
    gc.disable()  # its pauses would count as the rival's
    try:
        return uvloop.run(_open(port, wanted))
    finally:
        gc.enable()
        gc.collect()
