"""Plays an exchange through the real pipeline, table and prices, without a socket.

A play reads as a transcript:

    play = Play(folder, budgets=[...])
    x = play.ask(model="gpt-4o", max_tokens=10)        # the caller's request
    assert play.held("all") == x.quote_nusd            # what the table says
    assert play.answer(x, b'data: ...') == b'data: ...'  # upstream bytes in, caller's bytes out
    play.end(x)                                        # the upstream ended well
    assert play.spent("all") == ...
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from s4fw.config import parse
from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.callers import Callers
from s4fw.ledger.journal import JournalRow, read
from s4fw.ledger.table import CellInfo, Table
from s4fw.ledger.window import Clock, boot_ns
from s4fw.process.estate import rates_of
from s4fw.process.factors import factors_of
from s4fw.sim.models import price_overrides
from s4fw.stages import build
from s4fw.tokens import TokenCounter

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]


@functools.cache
def _tokens() -> TokenCounter:
    return TokenCounter()


class Play:
    """One worker's pipeline over a table of its own."""

    def __init__(
        self, folder: Path, budgets: list[dict[str, Any]] | None = None, **sections: Any
    ) -> None:
        config = parse(
            yaml.safe_dump(
                {
                    "upstreams": {"openai": {"base_url": "http://127.0.0.1:1"}},
                    "budgets": budgets or [],
                    "pricing": {"overrides": price_overrides()},
                    "paths": {"runtime": str(folder)},
                    **sections,
                }
            ),
            "play.yaml",
            {},
        )
        self.table = Table.create(
            folder / "table", slots=2, cells=64, leases=64, values=256, rows=64
        )
        self.table.join(0)
        self.offloaded = 0
        rates = rates_of(config)
        clock = Clock(time.time_ns() - boot_ns())
        callers = Callers(self.table, config.limits, config.keys)
        self.ledger = Budgets(self.table, config.budgets, clock, rates.version, callers=callers)
        self.counters = self.table.counters()
        factors = factors_of(self.table, clock)
        self.pipeline = build(
            config, self.ledger, rates, _tokens(), self._offload, self.counters, bytes(32), factors
        )

    def __enter__(self) -> Play:
        return self

    def __exit__(self, *_: object) -> None:
        self.counters.release()
        self.table.close()

    def _offload(self, work: Callable[[], Any]) -> Awaitable[Any]:
        self.offloaded += 1

        async def run() -> Any:
            return work()

        return run()

    # What a caller does.

    def ask(
        self, body: bytes | None = None, headers: dict[str, str] | None = None, **fields: Any
    ) -> Exchange:
        """Send a chat request: open, body, admit.  `x.block` says whether it was refused."""
        given = {name.encode(): value.encode() for name, value in (headers or {}).items()}
        x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", given))
        message = [{"role": "user", "content": "Where is my order?"}]
        whole = {"model": "mock-small", "messages": message} | fields
        x.request.body = json.dumps(whole).encode() if body is None else body
        verdict = self.pipeline.open(x) or self.pipeline.admit(x)
        if isinstance(verdict, Awaitable):
            verdict = _wait(verdict)
        assert verdict is None or verdict is x.block
        if isinstance(verdict, Block):
            self.pipeline.finish(x)
        return x

    # What the upstream does.

    def send(self, x: Exchange) -> None:
        """The first byte goes upstream."""
        self.pipeline.sent(x)

    def answer(self, x: Exchange, *chunks: bytes, status: int = 200) -> bytes:
        """The upstream answers; returns what the caller sees of it."""
        if not x.is_sent:
            self.send(x)
        if x.status == 0:
            x.status = status
            x.meter = x.route.dialect.meter(x, status, x.request.stream, {})
        return b"".join(self.pipeline.feed(x, chunk) for chunk in chunks)

    def end(self, x: Exchange, reason: Reason = Reason.USAGE) -> bytes:
        """The exchange ends, well or for a reason; returns what was held back."""
        held_back = b""
        if x.meter is not None and reason is Reason.USAGE:
            held_back = x.meter.end()
        x.reason = reason
        self.pipeline.finish(x)
        return held_back

    # What the books say.

    def cell(self, budget: str) -> CellInfo:
        """The one cell of a budget."""
        (rule,) = (rule for rule in self.ledger.rules if rule.id == budget)
        (cell,) = (cell for cell in self.table.cells() if cell.budget == rule.value_id)
        return cell

    def held(self, budget: str) -> int:
        """What is held in a budget's one cell."""
        cell = self.cell(budget)
        return cell.used - cell.charged

    def spent(self, budget: str) -> int:
        """What was charged on the provider's own account."""
        cell = self.cell(budget)
        return cell.charged - cell.accrued

    def accrued(self, budget: str) -> int:
        """What was charged at worst case."""
        return self.cell(budget).accrued

    def rows(self) -> list[JournalRow]:
        """All journal rows so far."""
        return list(read(self.table.drain(0, 0, 64)[0]))

    def count(self, name: str) -> int:
        """One counter of the data plane."""
        return int(self.counters[COUNTER_INDEX[name]])


def _wait(waiting: Awaitable[Any]) -> Any:
    """Run an awaitable that never really waits."""
    steps = waiting.__await__()
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value
