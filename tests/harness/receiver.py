"""A receiver of webhooks on this machine that does what it is told: late, failing, redirecting."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 10.0


@dataclass
class Got:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` are the statuses of the next requests, 200 where there are none left."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    location: str = ""
    delay_s: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?team=s4"

    def wait_for(self, count: int) -> list[Got]:
        """So many requests, soon."""
        end_s = time.monotonic() + PATIENCE_S
        while len(self.got) < count:
            assert time.monotonic() < end_s, f"{len(self.got)} of {count} requests came"
            time.sleep(0.01)
        return self.got


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens on loopback until the end of the block."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(made.delay_s)
            self.send_response(made.answers.popleft() if made.answers else 200)
            if made.location:
                self.send_header("location", made.location)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hung up, hung up
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
