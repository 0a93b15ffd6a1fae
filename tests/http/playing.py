"""Plays rows at a host and port, many at once, and counts what reaches the upstream behind it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import uvloop

from tests.http.rows import KEY, MARK, Row

_ANSWER = b'{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
_MARKED = re.compile(rb"c-\d{5}")
_FINAL = re.compile(rb"(?:^|\n|\})HTTP/1\.[01] ([2-5]\d\d)[ \r]")
AT_ONCE_MAX = 24  # connections played at the same time
_PIECEWISE_MAX = 2_000
CLOSE_S = 5.0  # longer than anything here takes; only a defect waits for it


class Recording:
    """An upstream in a thread of its own that counts the requests of each delivery.

    It reads requests by their length only: the firewall always sends one.
    """

    def __init__(self) -> None:
        self.seen: Counter[bytes] = Counter()
        self.total = 0
        self.heads: list[bytes] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Recording:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _stop(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                body = await reader.readexactly(int(size[1])) if size else b""
                self.total += 1
                self.heads.append(head)
                self.seen.update(_MARKED.findall(head + body))
                length = b"content-length: %d\r\n\r\n" % len(_ANSWER)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length + _ANSWER
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Outcome(NamedTuple):
    """What one delivery got."""

    row: Row
    mark: bytes
    data: bytes
    is_closed: bool

    @property
    def statuses(self) -> list[int]:
        """The final statuses, in order."""
        return [int(n) for n in _FINAL.findall(self.data)]


class Player:
    """Plays rows; `piece` 0 sends all at once, else so many bytes at a time.

    With `quiet_s` it never closes its side, and takes so long a silence for the end.
    """

    def __init__(self, host: str, port: int, piece: int = 0, quiet_s: float = 0.0) -> None:
        self._quiet_s = quiet_s
        self._host = host
        self._port = port
        self._piece = piece
        self._number = 0
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def play(self, rows: Iterable[Row], first: int) -> list[Outcome]:
        """The outcomes of all rows, whose marks count on from `first`."""

        async def run() -> list[Outcome]:
            return await asyncio.gather(
                *(self._one(row, b"c-%05d" % (first + n)) for n, row in enumerate(rows))
            )

        return uvloop.run(run())

    async def _one(self, row: Row, mark: bytes) -> Outcome:
        async with self._at_once:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await self._send(row.raw.replace(MARK, mark), reader, writer)
                # A refusal must close by itself; after answers our half-close ends the connection.
                is_over = not row.is_refused or row.is_whole
                if is_over and not self._quiet_s and not writer.is_closing():
                    writer.write_eof()
            except OSError:
                pass
            data, is_closed = b"", False
            try:
                async with asyncio.timeout(self._quiet_s or CLOSE_S) as limit:
                    while got := await reader.read(65536):
                        data += got
                        if self._quiet_s:
                            limit.reschedule(asyncio.get_running_loop().time() + self._quiet_s)
                is_closed = True
            except TimeoutError:
                pass
            except OSError:
                is_closed = True
            writer.transport.abort()
            return Outcome(row, mark, data, is_closed)

    async def _send(
        self, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # What takes longer than a refusal lingers (5 s, on a busy machine) would be reset: at once.
        if not self._piece or len(data) > _PIECEWISE_MAX:
            writer.write(data)
            await writer.drain()
            return
        for at in range(0, len(data), self._piece):
            if reader.at_eof() or writer.is_closing():
                return
            writer.write(data[at : at + self._piece])
            await asyncio.sleep(0)


def complaint(outcome: Outcome, seen: int) -> str:
    """What is wrong with an outcome, or nothing.  `seen` is how many requests reached the end."""
    row, statuses = outcome.row, outcome.statuses
    last_may_be = {row.answers[-1], *row.alternatives}
    problems = []
    if tuple(statuses[:-1]) != row.answers[:-1] or not statuses or statuses[-1] not in last_may_be:
        problems.append(f"answered {statuses}, wanted {row.answers} or {row.alternatives}")
    if not outcome.is_closed:
        problems.append("left open")
    if seen != row.reaching:
        problems.append(f"{seen} reached the upstream, wanted {row.reaching}")
    if KEY in outcome.data:
        problems.append("the key came back")
    return f"{row.id} ({row.why}): {'; '.join(problems)}" if problems else ""
