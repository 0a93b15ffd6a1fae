"""Listens for one simulator: in this process until SIGTERM, in an `async with`, or in a thread."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import uvloop

from s4fw.sim.connection import Connection
from s4fw.sim.simulator import Options, Simulator
from s4fw.tokens import TokenCounter

_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that listens.  `base_url` is what SDKs are given; `url` has the control API."""

    simulator: Simulator
    host: str
    port: int

    @property
    def url(self) -> str:
        """The root, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as `base_url`."""
        return self.url + "/v1"


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    options: Options | None = None,
    *,
    counter: TokenCounter | None = None,
) -> AsyncIterator[Running]:
    """Listen on the running loop while the context is open; port 0 takes a free one."""
    simulator = Simulator(options or Options(), counter)
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = await loop.create_server(
        lambda: Connection(simulator), host, port, family=family, backlog=_BACKLOG
    )
    try:
        yield Running(simulator, host, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in list(simulator.connections):
            connection.close()
        await server.wait_closed()


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    options: Options | None = None,
    counter: TokenCounter | None = None,
    ready_fd: int | None = None,
) -> None:
    """Listen until SIGTERM or SIGINT.  Blocks; call it in the main thread, also after a fork.

    When it listens, `ready http://HOST:PORT` is written to `ready_fd`.  A counter that was loaded
    before the fork saves half a second and its memory.
    """
    uvloop.run(_run(host, port, options, counter, ready_fd))


async def _run(
    host: str,
    port: int,
    options: Options | None,
    counter: TokenCounter | None,
    ready_fd: int | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(host, port, options, counter=counter) as running:
        if ready_fd is not None:
            with suppress(BrokenPipeError):
                os.write(ready_fd, f"ready {running.url}\n".encode())
        await stop.wait()


@contextmanager
def in_thread(
    options: Options | None = None, *, counter: TokenCounter | None = None
) -> Iterator[Running]:
    """Listen on a free port in a thread of this process while the context is open."""
    started: list[Running] = []
    faults: list[BaseException] = []
    is_up = threading.Event()
    stop = asyncio.Event()
    loop = uvloop.new_event_loop()

    async def body() -> None:
        async with serve(options=options, counter=counter) as running:
            started.append(running)
            is_up.set()
            await stop.wait()

    def target() -> None:
        try:
            loop.run_until_complete(body())
        except BaseException as fault:
            faults.append(fault)
        finally:
            loop.close()
            is_up.set()

    thread = threading.Thread(target=target, name="simulator", daemon=True)
    thread.start()
    is_up.wait()
    if faults:
        raise faults[0]
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
