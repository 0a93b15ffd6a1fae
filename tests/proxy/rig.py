"""A whole data plane in one event loop: real sockets, a scripted upstream, a recording pipeline."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import struct
from array import array
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from s4fw.core.counter import COUNTER_INDEX, COUNTERS
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import INVALID_API_KEY
from s4fw.proxy import Origin, Proxy, Settings
from s4fw.proxy.settings import NS_PER_S

KEY = b"sk-caller-0123456789"
BODY = b'{"model":"mock-small","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
USAGE = b'{"usage":{"prompt_tokens":10,"completion_tokens":5}}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 52\r\n\r\n" + USAGE
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"

CLOSE, RESET, HANG = "close", "reset", "hang"
Step = bytes | float | str | Callable[[], Awaitable[None]]


def ns(seconds: float) -> int:
    """Seconds as the settings have them."""
    return int(seconds * NS_PER_S)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def post(
    body: bytes = BODY,
    *extra: bytes,
    path: bytes = b"/v1/chat/completions",
    key: bytes | None = KEY,
    version: bytes = b"1.1",
) -> bytes:
    """A chat completions request."""
    lines = [b"POST " + path + b" HTTP/" + version, b"Host: fw.test"]
    if key is not None:
        lines.append(b"Authorization: Bearer " + key)
    lines += [b"Content-Type: application/json", *extra, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Recorder(Stage):
    """Judges the key at the head, decides what the test says, remembers what was finished."""

    name = "recorder"
    is_for_free_routes = True

    def __init__(self) -> None:
        self.begun: list[Exchange] = []
        self.finished: list[Exchange] = []
        self.decide: Callable[[Exchange], Admitted] = lambda x: None
        self.on_finish: Callable[[Exchange], None] = lambda x: None
        self.bodies: list[bytes] = []

    def open(self, x: Exchange) -> Verdict:
        self.begun.append(x)
        if x.request.headers.get(b"authorization") != b"Bearer " + KEY:
            return Block(INVALID_API_KEY, "this key is not known to the firewall")
        return None

    def admit(self, x: Exchange) -> Admitted:
        self.bodies.append(bytes(x.request.body))
        x.quote_nusd = 1_234_000
        x.upstream = x.route.provider
        return self.decide(x)

    def finish(self, x: Exchange) -> None:
        self.finished.append(x)
        if x.is_sent and x.meter is not None and x.meter.usage is not None:
            x.billed_nusd = 42
        self.on_finish(x)


@dataclass
class Seen:
    """One request as the upstream read it."""

    head: bytes
    body: bytes
    connection: int  # which connection it came on, from 1

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Lower-case names to values."""
        lines = self.head.split(b"\r\n")[1:-2]
        return {n.lower(): v.strip() for n, _, v in (line.partition(b":") for line in lines)}


class ScriptedUpstream:
    """Answers each request with the next script: bytes, pauses in seconds, and ends."""

    def __init__(self) -> None:
        self.scripts: list[list[Step]] = []
        self.default: list[Step] = [PLAIN]
        self.seen: list[Seen] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.paused = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, **tls: Any) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen(head, b"", number)
                self.seen.append(seen)
                seen.body = await reader.readexactly(int(seen.headers.get(b"content-length", b"0")))
                script = self.scripts.pop(0) if self.scripts else self.default
                if not await self._play(script, writer):
                    return
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _play(self, script: list[Step], writer: asyncio.StreamWriter) -> bool:
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == CLOSE:
                writer.close()
                return False
            elif step == RESET:
                reset(writer)
                return False
            elif step == HANG:
                return False
            elif callable(step):
                await step()
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer sees a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Client:
    """One connection of a caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """The head of the next answer."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes, bytes]:
        """The next answer: status, head, body by its Content-Length."""
        head = await self.head()
        match = re.search(rb"(?i)content-length: (\d+)", head)
        body = await self.reader.readexactly(int(match[1])) if match else b""
        return int(head[9:12]), head, body

    async def ask(self, data: bytes) -> tuple[int, bytes, bytes]:
        """Send a request and read its answer."""
        await self.send(data)
        return await self.answer()

    async def chunk(self) -> bytes:
        """The next chunk of a chunked answer; empty is the last."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest_of_stream(self) -> bytes:
        """The body of a chunked answer whose head was not read yet."""
        await self.head()
        return await self.chunks()

    async def chunks(self) -> bytes:
        """All chunks up to and without the last, empty one."""
        parts = []
        while part := await self.chunk():
            parts.append(part)
        return b"".join(parts)

    async def flood(self, data: bytes, pause_s: float) -> None:
        """Send for ever."""
        while True:
            await self.send(data)
            await asyncio.sleep(pause_s)

    async def rest(self) -> bytes:
        """Everything up to the close; raises ConnectionResetError for a reset."""
        return await self.reader.read()

    def leave(self) -> None:
        """Reset the connection."""
        reset(self.writer)


class Rig:
    """Upstream, proxy and clients, all on free ports."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.upstream = ScriptedUpstream()
        self.stage = Recorder()
        self.area = array("Q", [0] * len(COUNTERS))
        self.proxy: Proxy
        self.port = 0
        self._server: asyncio.Server | None = None
        self._clients: list[Client] = []

    async def start(
        self, origin: Origin | None = None, listener: dict[str, Any] | None = None, **tls: Any
    ) -> None:
        """`tls` is for the upstream's listener, `listener` for ours."""
        await self.upstream.start(**tls)
        origin = origin or Origin.of("openai", f"http://127.0.0.1:{self.upstream.port}")
        self.proxy = Proxy(
            self.settings,
            Pipeline([self.stage]),
            {"openai": origin},
            memoryview(self.area),
            lambda: True,
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self.proxy.connection, "127.0.0.1", 0, **(listener or {})
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for client in self._clients:
            client.writer.transport.abort()
        assert self._server is not None
        self._server.close()
        self.proxy.abort_all()
        await self.upstream.stop()
        await asyncio.sleep(0.01)
        self.proxy.wheel.close()

    async def client(self, **options: Any) -> Client:
        if "sock" not in options:
            options |= {"host": "127.0.0.1", "port": self.port}
        client = Client(*await asyncio.open_connection(**options))
        self._clients.append(client)
        return client

    def narrow(self) -> None:
        """Let the kernel take little of what is sent to callers accepted from now on."""
        assert self._server is not None
        self._server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def settled(self, count: int = 1) -> Exchange:
        """Wait until so many exchanges are finished; returns the last."""
        await self.until(lambda: len(self.stage.finished) >= count)
        return self.stage.finished[count - 1]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for something that no event tells."""
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    def figure(self, name: str) -> int:
        """A counter by its name."""
        return self.area[COUNTER_INDEX[name]]


QUICK = Settings(
    headers_ns=ns(0.3),
    body_ns=ns(0.3),
    connect_ns=ns(1),
    first_byte_ns=ns(0.3),
    stream_idle_ns=ns(0.3),
    total_ns=ns(5),
    keep_alive_ns=ns(5),
    linger_ns=ns(0.3),
    drain_answer_ns=ns(0.3),
    deadline_tick_ns=ns(0.02),
)
Play = Callable[[Rig], Coroutine[Any, Any, None]]


def on_rig(**changes: Any) -> Callable[[Play], Callable[[], None]]:
    """Run a play on a fresh rig with these settings changed; afterwards nothing may be held."""

    def decorate(play: Play) -> Callable[[], None]:
        async def run() -> None:
            rig = Rig(replace(QUICK, **changes))
            await rig.start()
            try:
                async with asyncio.timeout(10):
                    await play(rig)
            finally:
                await rig.stop()
            assert rig.proxy.in_flight == 0, "an exchange was never finished"
            assert len(rig.stage.begun) == len(rig.stage.finished)
            assert rig.figure("open_connections") == 0

        @functools.wraps(play)
        def test() -> None:
            uvloop.run(run())

        del test.__wrapped__  # pytest would ask for a fixture named rig
        return test

    return decorate
