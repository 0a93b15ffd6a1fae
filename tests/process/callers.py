"""Callers who notice everything, and the load balancer between them and the firewall."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.harness import post_chat, wait_until

Call = Callable[[int], None]


class Balancer:
    """What a network load balancer does: new connections go to the target that is registered,
    old ones stay where they are."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Balancer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self.target) as server:
            there = threading.Thread(target=_pump, args=(caller, server), daemon=True)
            there.start()
            _pump(server, caller)
            with suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            there.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def traffic(*calls: Call) -> Iterator[list[int]]:
    """Each call in a thread, again and again, with its count; yields how often each succeeded.

    At the end every failure is told: there must be none.
    """
    over = threading.Event()
    failures: list[str] = []
    done = [0] * len(calls)

    def go_on(which: int) -> None:
        while not over.is_set():
            try:
                calls[which](done[which])
                done[which] += 1
            except Exception as problem:
                failures.append(f"{which}, call {done[which]}: {problem!r}")

    threads = [threading.Thread(target=go_on, args=(which,)) for which in range(len(calls))]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [] == failures[:5]


def wait_more(done: list[int], count: int = 1) -> None:
    """Wait until every caller has succeeded so many times from now on."""
    before = list(done)
    wait_until(
        lambda: all(now >= was + count for now, was in zip(done, before, strict=True)),
        "every caller is served again",
        timeout_s=25.0,
    )


def chatting(base_url: str, **body: Any) -> Call:
    """A caller with a connection for each request, and no second try."""

    def call(_: int) -> None:
        answer = post_chat(base_url, **body)
        assert answer.status == 200, (answer.status, answer.body[:300])
        if body.get("stream"):
            assert answer.events()[-1] == "[DONE]"

    return call
