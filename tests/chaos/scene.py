"""What every play needs: a provider, a firewall, the oracle, streams, callers in the background."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.chaos.oracle import CANARY, Oracle, check_canaries, settle_up
from tests.harness import (
    Firewall,
    Simulator,
    chat_body,
    chat_request,
    firewall_config,
    post_chat,
    wait_until,
)
from tests.harness.quote import quote_of

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
SILENT = {"model": "mock-hang_stream", "max_tokens": 50, "stream": True, "content": CANARY}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
QUICK = {
    "headers": "500ms", "body": "1s", "connect": "500ms", "first_byte": "500ms",
    "stream_idle": "500ms", "total": "10s", "drain": "2s",
}  # fmt: skip  # a twentieth, or less, of what runs for real


class Scene:
    """One case: `firewall` starts it all, `end` checks the money.

    The simulator may be shared by plays one after the other; it is reset here.
    """

    def __init__(self, folder: Path, simulator: Simulator, *, seed: int, is_whole: bool) -> None:
        self.folder = folder
        self.simulator = simulator
        self.random = random.Random(seed)
        self.is_whole = is_whole  # else a short version, for `make test`
        self.may_exceed = False  # of the oracle, for firewalls started from here on
        self._stack = ExitStack()
        self._watched: list[tuple[Oracle, Firewall]] = []
        simulator.reset()

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *exc: Any) -> None:
        for oracle, _ in self._watched:
            oracle.stop()
        self._stack.close()

    def either(self, whole: int, short: int) -> int:
        """How many times, in the whole suite and in its short version."""
        return whole if self.is_whole else short

    def firewall(
        self, *, config: dict[str, Any] | None = None, kind: type[Firewall] = Firewall,
        name: str = "firewall", env: dict[str, str] | None = None, **sections: Any,
    ) -> Firewall:  # fmt: skip
        """Start a firewall and watch it; as `firewall_config`, with one budget over everything."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        sections.setdefault("budgets", ALL)
        made = kind(folder, config or firewall_config(self.simulator, **sections), env=env)
        made.start()
        self._stack.callback(_put_away, made)
        self.watch(made)
        return made

    def watch(self, firewall: Firewall) -> Oracle:
        """Let an oracle sample a firewall until the scene ends."""
        oracle = Oracle(firewall, may_exceed=self.may_exceed)
        self._watched.append((oracle, firewall))
        oracle.start()
        return oracle

    def used_max_nusd(self) -> int:
        """The most that was ever used of a budget, of all samples so far."""
        return max(oracle.used_max_nusd for oracle, _ in self._watched)

    def keep(self, context: Any) -> Any:
        """Enter a context until the scene ends."""
        return self._stack.enter_context(context)

    def end(self, firewall: Firewall, **expected: Any) -> dict[str, Any]:
        """The end of a case, O1 to O7: returns the budget's entry; arguments as for `settle_up`."""
        expected.setdefault("may_exceed", self.may_exceed)
        entry = settle_up(firewall, self.simulator, **expected)
        for oracle, watched in self._watched:
            if watched.is_running:
                wait_until(lambda seen=oracle: seen.samples > 2, "the oracle has looked")
            oracle.stop()
            oracle.check()
            if watched.is_running:
                check_canaries(watched.folder, watched)
        self._watched.clear()
        return entry


def _put_away(firewall: Firewall) -> None:
    """Stop it, whatever a play did to it."""
    if firewall.is_running:
        firewall.stop()
    else:
        firewall.kill_everything()


# What callers do.


def request_of(body: dict[str, Any]) -> bytes:
    """The bytes of a chat request."""
    return chat_request(chat_body(**body))


def ask(firewall: Firewall, **body: Any) -> int:
    """Ask once, with the canary in the prompt; returns the status."""
    headers = body.pop("headers", None)
    return post_chat(
        firewall.base_url, headers, **{"content": CANARY, "max_tokens": 5} | body
    ).status


@contextmanager
def asking(firewall: Firewall, **body: Any) -> Iterator[socket.socket]:
    """A request that was sent; its answer is the play's business."""
    whole = {"content": CANARY} | body
    with socket.create_connection((firewall.host, firewall.port), timeout=20) as sock:
        sock.sendall(chat_request(chat_body(**whole)))
        yield sock


@contextmanager
def streams(firewall: Firewall, count: int, **body: Any) -> Iterator[list[socket.socket]]:
    """So many streamed answers whose first events have come, and which then fall silent."""
    with ExitStack() as stack:
        socks = [stack.enter_context(asking(firewall, **(body or SILENT))) for _ in range(count)]
        for sock in socks:
            read_until(sock, b"data: ")
        yield socks


def read_until(sock: socket.socket, needle: bytes) -> bytes:
    """Read until these bytes came; fails where the connection ends before."""
    received = b""
    while needle not in _unchunked(received):
        piece = sock.recv(65536)
        assert piece, f"closed before {needle!r}: {received[-300:]!r}"
        received += piece
    return received


def _unchunked(received: bytes) -> bytes:
    """Without the lines of chunk sizes: what is sent by the byte arrives in chunks of a byte."""
    return re.sub(rb"\r\n[0-9a-f]+\r\n", b"", received)


def read_stream(sock: socket.socket) -> None:
    """Read a stream to its end; fails unless it ended as a whole one does."""
    received, end = read_all(sock)
    assert received.endswith(b"0\r\n\r\n"), (end, received[-300:])


def read_all(sock: socket.socket) -> tuple[bytes, str]:
    """Read to the end: the bytes, and whether it ended with `fin` or `reset`."""
    received = b""
    try:
        while piece := sock.recv(65536):
            received += piece
    except ConnectionResetError:
        return received, "reset"
    return received, "fin"


def leave(sock: socket.socket) -> None:
    """Close with a reset, as a caller that was killed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sock.close()


def worst(count: int = 1, **body: Any) -> int:
    """The worst case of so many requests."""
    return count * quote_of(**({"content": CANARY} | (body or SILENT)))


def usd(amount_nusd: int) -> str:
    """For the report."""
    return f"${amount_nusd // 10**9}.{amount_nusd % 10**9:09d}"


def figure(firewall: Firewall, name: str) -> int:
    """A count without labels, as /metrics shows it."""
    page = firewall.ask_admin("/metrics").body.decode()
    found = re.search(rf"^{name} (\d+)$", page, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


class Crowd:
    """Callers in threads that ask again and again, whatever happens to them.

    `statuses` counts what they got; 0 is a broken connection.
    """

    def __init__(self, firewall: Firewall, callers: int, pause_s: float = 0.0, **body: Any) -> None:
        self.statuses: Counter[int] = Counter()
        self._firewall = firewall
        self._pause_s = pause_s
        self._body = {"content": CANARY, "max_tokens": 5} | body
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(callers)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def stop(self) -> Counter[int]:
        """Ask no more, wait for the last answers."""
        self._is_over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(30)
        return self.statuses

    def _run(self) -> None:
        while not self._is_over.is_set():
            status = 0
            with suppress(Exception):
                status = post_chat(self._firewall.base_url, timeout_s=5, **self._body).status
            with self._lock:
                self.statuses[status] += 1
            time.sleep(self._pause_s or (0.0 if status else 0.02))
