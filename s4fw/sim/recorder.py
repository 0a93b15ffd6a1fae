"""The last requests as they were received, so that tests can see what a proxy really forwards."""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

from s4fw.sim.reply import Call

CALLS_MAX = 2048
BYTES_MAX = 64 << 20


class Recorder:
    """Counts requests and keeps the last of them, at most CALLS_MAX and about BYTES_MAX."""

    def __init__(self) -> None:
        self.count = 0
        self._bytes = 0
        self._calls: deque[Call] = deque()

    def begin(self) -> int:
        """Count a request whose head was read; returns its number, from 1."""
        self.count += 1
        return self.count

    def keep(self, call: Call) -> None:
        """Keep a request that was read completely, and forget the oldest that no longer fit."""
        self._calls.append(call)
        self._bytes += len(call.body)
        while len(self._calls) > CALLS_MAX or (self._bytes > BYTES_MAX and len(self._calls) > 1):
            self._bytes -= len(self._calls.popleft().body)

    def reset(self) -> None:
        """Forget everything."""
        self.count = self._bytes = 0
        self._calls.clear()

    def body(self, last: int) -> dict[str, Any]:
        """The count and the last requests, oldest first, as the control API shows them."""
        calls = list(self._calls)[-last:] if last else []
        return {"count": self.count, "requests": [_shown(call) for call in calls]}


def _shown(call: Call) -> dict[str, Any]:
    lines = call.head.decode("latin-1").split("\r\n")[1:-2]
    pairs = [[name, value.strip()] for name, _, value in (line.partition(":") for line in lines)]
    return {
        "id": call.id,
        "method": call.method,
        "target": call.target,
        "head": call.head.decode("latin-1"),
        "headers": pairs,
        "body_base64": base64.b64encode(call.body).decode(),
    }
