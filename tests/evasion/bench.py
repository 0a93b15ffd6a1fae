"""The real stages and a provider that spends all it may, face to face in one process.

The money oracle: an attempt is refused and holds nothing, or what the provider charges is at most
what was reserved, and what is charged to the caller in the end is at least that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import match
from s4fw.proxy.prefixes import begun
from s4fw.sim.faults import Faults
from s4fw.sim.form import Headers
from s4fw.sim.reply import Call
from s4fw.sim.simulator import Options, Simulator
from s4fw.tokens import TokenCounter
from tests.playbook import Play, _tokens

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "100000"}]
UPSTREAMS = {
    name: {"base_url": "http://127.0.0.1:1", **more}
    for name, more in (
        ("openai", {"api_key": "sk-upstream"}),
        ("anthropic", {"api_key": "sk-upstream"}),
        ("bedrock", {"region": "us-east-1"}),
    )
}


class Caught:
    """The wire of one answer: what the simulator sends, kept."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []

    async def send_interim(self, status: int, headers: Headers) -> None:
        """Not looked at."""

    async def send_head(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = {n.lower().encode(): v.encode() for n, v in headers}

    async def send_data(self, data: bytes) -> None:
        self.body.append(data)

    async def send_end(self) -> None:
        """The end is the end of `body`."""

    async def send_raw(self, data: bytes) -> None:
        self.body.append(data)

    def close(self) -> None:
        """Nothing to close."""

    def reset(self) -> None:
        """Nothing to reset."""

    async def wait_gone(self) -> None:
        """It is never gone."""


@dataclass(frozen=True)
class Attempt:
    """One request of an attacker, as it stands on the wire."""

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""


class Bench:
    """Plays attempts through the stages, and through the simulator what they let pass."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.play = Play(folder, ALL, upstreams=UPSTREAMS, **sections)
        counter: TokenCounter = _tokens()
        self.simulator = Simulator(Options(), counter)
        self.simulator.faults = Faults.parse("full")  # it generates all that it is allowed
        self.simulator.faults_left = -1
        self.number = 0

    def refused_at_the_path(self, attempt: Attempt) -> Block | tuple[Route, Request]:
        """The route of an attempt, or why it has none."""
        parts = begun(attempt.path.encode("latin-1"), frozenset())
        if isinstance(parts, Block):
            return parts
        headers = {n.lower().encode(): v.encode("latin-1") for n, v in attempt.headers}
        route = match(b"POST", parts.below, headers)
        if isinstance(route, Block):
            return route
        path = attempt.path.encode("latin-1")
        request = Request(b"POST", path, attempt.query.encode(), headers)
        request.labels_of_path = parts.labels
        return route, request

    def ask(self, attempt: Attempt) -> Exchange | Block:
        """Up to the reservation; an exchange that was refused has its `block`."""
        found = self.refused_at_the_path(attempt)
        if isinstance(found, Block):
            return found
        x = Exchange(*found)
        x.request.body = attempt.body
        pipeline = self.play.pipeline
        verdict = pipeline.open(x) or pipeline.admit(x)
        if isinstance(verdict, Awaitable):
            verdict = asyncio.run(_awaited(verdict))
        if verdict is not None:
            pipeline.finish(x)
        return x

    def spend(self, x: Exchange) -> int:
        """Send it to the simulator and settle; returns what the provider charged, in n$."""
        simulator, before = self.simulator, self.simulator.ledger.total_nusd
        self.number += 1
        body = bytearray(b"".join(x.request.pieces()))
        head = x.route.upstream_path.decode("latin-1")
        if (
            "/deployments/" in head
        ):  # the deployment in the path is what runs, whatever the body says
            head = "/v1/" + head.partition("/deployments/")[2].partition("/")[2]
            body[:] = json.dumps(json.loads(body) | {"model": x.route.model}).encode()
        names = {n.decode(): v.decode("latin-1") for n, v in x.request.headers.items()}
        call = Call(self.number, b"", "POST", head, names, body)
        wire = Caught()
        asyncio.run(simulator.answer(wire, call))
        self.play.send(x)
        x.status = wire.status
        is_stream = wire.headers.get(b"content-type", b"").startswith(
            (b"text/event-stream", b"application/vnd.amazon.eventstream")
        )
        x.meter = x.route.dialect.meter(x, wire.status, is_stream, wire.headers)
        self.play.answer(x, *wire.body)
        self.play.end(x)
        return simulator.ledger.total_nusd - before

    def judge(self, attempt: Attempt) -> str:
        """ "refused", "unbilled" or "paid"; fails where the oracle does."""
        asked = self.ask(attempt)
        if isinstance(asked, Block):
            return "refused"
        x = asked
        if x.block is not None:
            assert x.block.code.name != "internal_error", "a fault of ours"
            assert x.reservation is None
            assert self.held() == 0
            return "refused"
        held, before = self.held(), self.charged()
        assert held == x.quote_nusd
        paid = self.spend(x)
        assert x.status != 500, "the simulator failed: what it would have charged is not known"
        assert paid <= x.quote_nusd, f"paid {paid} of {x.quote_nusd} reserved"
        assert self.held() == 0
        assert self.charged() - before >= paid, "charged less than the provider"
        return "paid" if paid else "unbilled"

    def held(self) -> int:
        """What is held now."""
        return sum(cell.used - cell.charged for cell in self.play.table.cells())

    def charged(self) -> int:
        """What was charged so far."""
        return sum(cell.charged for cell in self.play.table.cells())


async def _awaited(waiting: Awaitable[Any]) -> Any:
    return await waiting
