"""A mix of callers for the soak: well behaved, over budget, impatient, and those whose call fails.

One event loop in a thread of its own; what is asked next is drawn from a seed.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.chaos.oracle import CANARY
from tests.harness import Firewall, chat_body, chat_request

# weight, order for the provider, more of the body
_KINDS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (50, "", {}),
    (15, "", {"stream": True, "stream_options": {"include_usage": True}}),
    (6, "[[fault latency:300]]", {}),
    (4, "[[fault drip:1]]", {"stream": True, "stream_options": {"include_usage": True}}),
    (3, "[[fault cut:2]]", {"stream": True}),
    (3, "[[fault reset_stream:2]]", {"stream": True}),
    (3, "[[fault no_usage]]", {"stream": True}),
    (3, "[[fault status:500]]", {}),
    (3, "[[fault status:429]]", {}),
    (2, "[[fault error_event:2]]", {"stream": True}),
    (2, "[[fault garbage]]", {}),
    (2, "[[fault hang_stream:2]]", {"stream": True}),
    (2, "[[fault big:1]]", {"stream": True, "stream_options": {"include_usage": True}}),
)
_REQUEST_ID = re.compile(rb"\r\nx-s4fw-request-id: (\S+)\r\n", re.IGNORECASE)
_SHED = b"\r\nx-s4fw-reason: firewall_overloaded\r\n"  # before it is read: counted, without a row
_LEAVES = 0.05  # this part of the callers leaves after a moment
_POOR = 0.03  # and this part has a tenant whose budget is used up


class Mix(threading.Thread):
    """Asks `rate` times a second until `stop`; `statuses` counts answers, 0 is a broken one, and
    `answered` are the ids that the firewall gave in the heads of its answers, but for those that it
    shed."""

    def __init__(self, firewall: Firewall, rate: float, seed: int) -> None:
        super().__init__(name="mix", daemon=True)
        self.statuses: Counter[int] = Counter()
        self.answered: set[str] = set()
        self.asked = 0
        self._firewall = firewall
        self._rate = rate
        self._random = random.Random(seed)
        self._is_over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._ask_on())

    def stop(self) -> None:
        """Ask no more, wait for what runs."""
        self._is_over.set()
        self.join(60)

    async def _ask_on(self) -> None:
        running: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._is_over.is_set():
            due_s = max(due_s + 1 / self._rate, loop.time() - 1)  # after a stop, not all at once
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if len(running) < 500:
                task = asyncio.create_task(self._ask())
                running.add(task)
                task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running, timeout=30)

    async def _ask(self) -> None:
        self.asked += 1
        status = 0
        with suppress(OSError, EOFError, TimeoutError, ValueError):
            status = await asyncio.wait_for(self._answer(), 20)
        self.statuses[status] += 1

    async def _answer(self) -> int:
        weights = [weight for weight, _, _ in _KINDS]
        _, order, more = self._random.choices(_KINDS, weights)[0]
        content = f"{CANARY} {self._random.randrange(1000)} {order}"
        tenant = "poor" if self._random.random() < _POOR else f"t{self._random.randrange(20)}"
        leaves_s = self._random.random() * 0.05 if self._random.random() < _LEAVES else None
        body = chat_body(content=content, max_tokens=self._random.randint(1, 40), **more)
        firewall = self._firewall
        reader, writer = await asyncio.open_connection(firewall.host, firewall.port)
        try:
            writer.write(chat_request(body, {"x-s4fw-tenant": tenant}))
            if leaves_s is not None:
                await asyncio.sleep(leaves_s)
                writer.transport.abort()
                return -1
            head = await reader.readuntil(b"\r\n\r\n")
            found = _REQUEST_ID.search(head)
            if found is not None and _SHED not in head:
                self.answered.add(found[1].decode())
            while await reader.read(1 << 16):
                pass
            return int(head[9:12])
        finally:
            writer.transport.abort()
