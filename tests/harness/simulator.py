"""The provider simulator as a process of its own, and its control API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness.client import fetch
from tests.harness.process import Process
from tests.harness.wait import wait_until


class Simulator(Process):
    """`s4fw sim` on a free port.  `base_url` is for OpenAI's SDK; `url` for the others and for the
    firewall's upstreams."""

    def __init__(self, folder: Path, *args: str, name: str = "simulator") -> None:
        super().__init__(
            ["sim", "--port", "0", *args], folder=folder, ready_word="ready ", name=name
        )
        self.url = ""
        self.host = ""
        self.port = 0

    def _on_ready(self, line: str) -> None:
        self.url = line.split()[1]
        parts = urlsplit(self.url)
        self.host, self.port = parts.hostname or "", parts.port or 0

    @property
    def base_url(self) -> str:
        """The URL with /v1."""
        return self.url + "/v1"

    def _control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        method = "GET" if body is None else "POST"
        answer = fetch(f"{self.url}/sim/{path}", method, body)
        assert answer.status == 200, answer.body
        return answer.json()

    def reset(self) -> None:
        """Forget every call, charge, fault and cached prompt."""
        self._control("reset", {})

    def faults(self, faults: str | None, *, times: int = -1) -> None:
        """Let all further calls (or the next `times`) fail like this: "cut:3, drip:5"."""
        self._control("faults", {"faults": faults, "times": times})

    def raw_answer(self, data: bytes, *, times: int = -1) -> None:
        """Answer all further calls (or the next `times`) with exactly these bytes, then close."""
        raw = {"test": base64.b64encode(data).decode()}
        self._control("faults", {"faults": "raw:test", "times": times, "raw": raw})

    def cache(self, *, on: bool = True, min_tokens: int = 1024) -> None:
        """Switch the prompt cache, or let it keep shorter prompts, until the next reset."""
        self._control("cache", {"on": on, "min_tokens": min_tokens})

    def ledger(self) -> Any:
        """What the provider charged: {total_nusd, billed, unbilled, rows}."""
        return self._control("ledger")

    def paid_nusd(self) -> int:
        """The sum of it, without the rows."""
        return int(self._control("ledger?last=0")["total_nusd"])

    def wait_billed(self, count: int) -> Any:
        """Wait until so many exchanges were billed; returns the ledger."""

        def is_billed() -> Any:
            ledger = self.ledger()
            return ledger if ledger["billed"] >= count else None

        return wait_until(is_billed, f"the simulator has billed {count} exchanges")

    def requests(self, last: int = 100) -> list[dict[str, Any]]:
        """The last requests as received: id, method, target, head, headers, body (bytes)."""
        requests: list[dict[str, Any]] = self._control(f"requests?last={last}")["requests"]
        for request in requests:
            request["body"] = base64.b64decode(request.pop("body_base64"))
        return requests

    def request_count(self) -> int:
        """How many requests were received since the last reset."""
        return int(self._control("requests?last=0")["count"])

    def state(self) -> Any:
        """{held, in_flight, connections, requests} now."""
        return self._control("state")

    def wait_held(self, count: int) -> None:
        """Wait until so many answers are held by fault `hold`."""
        wait_until(lambda: self.state()["held"] >= count, f"{count} answers are held")

    def wait_idle(self) -> None:
        """Wait until no call is being answered."""
        wait_until(lambda: self.state()["in_flight"] == 0, "the simulator is idle")

    def release(self) -> int:
        """Let go of the held answers; returns how many."""
        return int(self._control("release", {})["released"])
