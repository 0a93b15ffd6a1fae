"""A firewall made of figures: `Facts` as a script, and a real listener in front of it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from s4fw.admin.auth import Guard
from s4fw.admin.facts import (
    Cost,
    Costs,
    Event,
    Frozen,
    Loops,
    Status,
    UnknownBudget,
    UnknownSession,
)
from s4fw.admin.server import AdminServer
from s4fw.core.counter import COUNTERS
from s4fw.loops.tenants import Tally
from s4fw.observe.figures import BudgetFigures, Snapshot, WorkerFigures
from s4fw.observe.outcomes import OutcomeFigures

TOKEN = "correct-horse-battery-staple"
USD = 1_000_000_000
NOON_S = 1_795_262_400  # 2026-11-21 12:00 UTC
MIDNIGHT_S = NOON_S + 43_200


def counters(**given: int) -> dict[str, int]:
    """All counters of a slot, 0 where not given."""
    return {counter.name: 0 for counter in COUNTERS} | given


def budget(budget_id: str = "tenant-day", **given: object) -> BudgetFigures:
    """A budget's cell: half of ten dollars is used unless told otherwise."""
    figures: dict[str, object] = {
        "scope": {"tenant": "acme"},
        "window": "day",
        "starts_at_s": MIDNIGHT_S - 86_400,
        "resets_at_s": MIDNIGHT_S,
        "mode": "enforce",
        "limit_nusd": 10 * USD,
        "used_nusd": 5 * USD,
        "charged_nusd": 4 * USD,
        "accrued_nusd": 1 * USD,
        "open_leases": 2,
        "denials": 3,
    }
    return BudgetFigures(budget_id, **(figures | given))  # type: ignore[arg-type]


def worker(slot: int = 0, **given: object) -> WorkerFigures:
    figures: dict[str, object] = {
        "kind": "worker",
        "pid": 4710 + slot,
        "state": "ready",
        "is_live": True,
        "heartbeat_age_ms": 120,
        "leases": 2,
        "generation": 1,
        "ring_lag": 0,
        "counters": counters(requests=1200, allowed=1100, blocked_budget=90, in_flight=2),
    }
    return WorkerFigures(slot, **(figures | given))  # type: ignore[arg-type]


@dataclass
class ScriptedFacts:
    """Answers what it is told to; every attribute may be changed while it is being asked."""

    ready: bool = True
    draining: bool = False
    fault: Exception | None = None
    budget_rows: list[BudgetFigures] = field(default_factory=lambda: [budget()])
    worker_rows: list[WorkerFigures] = field(default_factory=lambda: [worker(0), worker(1)])
    event_rows: list[Event] = field(default_factory=list)
    cost_rows: list[Cost] = field(default_factory=list)
    outcome_rows: list[OutcomeFigures] = field(default_factory=list)
    frozen_scopes: set[str | None] = field(default_factory=set)
    loop_rows: list[Tally] = field(default_factory=list)
    looping: set[str] = field(default_factory=set)  # names of sessions that can be released

    def is_ready(self) -> bool:
        return self.ready

    def is_draining(self) -> bool:
        return self.draining

    def status(self) -> Status:
        if self.fault is not None:
            raise self.fault
        return {
            "version": "0.1.0",
            "started_at": "2026-11-21T12:00:00Z",
            "ready": self.ready,
            "draining": self.draining,
            "config_generation": 1,
            "workers": {"configured": 2, "live": 2, "ready": 2},
            "table": {"path": "/run/s4fw/table", "cells": 12, "cells_max": 16384, "open_leases": 4},
            "prices_version": "ab12cd34",
        }

    def budgets(self) -> list[BudgetFigures]:
        return self.budget_rows

    def workers(self) -> list[WorkerFigures]:
        return self.worker_rows

    def events(self, limit: int, kind: str | None = None) -> list[Event]:
        return [e for e in self.event_rows if kind is None or e.kind == kind][:limit]

    def costs(self, by: str, period: str = "all") -> Costs:
        return Costs(NOON_S, self.cost_rows, self.outcome_rows)

    def outcomes(self, by: str) -> list[OutcomeFigures]:
        return self.outcome_rows

    def snapshot(self) -> Snapshot:
        return Snapshot(self.budget_rows, self.worker_rows, {"ready": int(self.ready)})

    def frozen(self) -> Frozen:
        budgets = sorted(scope for scope in self.frozen_scopes if scope is not None)
        return Frozen(None in self.frozen_scopes, tuple(budgets))

    def freeze(self, budget_id: str | None) -> Frozen:
        self._check(budget_id)
        self.frozen_scopes.add(budget_id)
        return self.frozen()

    def release(self, budget_id: str | None) -> Frozen:
        self._check(budget_id)
        self.frozen_scopes.discard(budget_id)
        return self.frozen()

    def loops(self) -> Loops:
        return Loops(self.loop_rows, {t.rule: "shadow" for t in self.loop_rows}, {"acme": 1200})

    def release_session(self, session: str) -> None:
        if session not in self.looping:
            raise UnknownSession(session)
        self.looping.discard(session)

    def _check(self, budget_id: str | None) -> None:
        if budget_id is not None and all(b.id != budget_id for b in self.budget_rows):
            raise UnknownBudget(budget_id)


@dataclass
class Listening:
    """A listener that runs, and how to ask it."""

    facts: ScriptedFacts
    port: int
    server: AdminServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers in lower case, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
            )
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def send_raw(self, raw: bytes) -> bytes:
        """Bytes in, everything that comes back until the listener closes."""
        with self.connect() as peer:
            peer.sendall(raw)
            peer.shutdown(socket.SHUT_WR)
            return read_all(peer)


def read_all(peer: socket.socket) -> bytes:
    received = b""
    while piece := peer.recv(65536):
        received += piece
    return received


@contextmanager
def listening(facts: ScriptedFacts | None = None, token: str | None = None) -> Iterator[Listening]:
    """A listener on a free loopback port, in a thread with a loop of its own."""
    facts = facts or ScriptedFacts()
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    server = AdminServer(facts, Guard(token, None, is_loopback=True))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        port = listener.getsockname()[1]
        asyncio.run_coroutine_threadsafe(server.start(listener), loop).result(10)
        yield Listening(facts, port, server)
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(server: AdminServer) -> None:
    await server.close()
    await asyncio.sleep(0)  # transports close in the loop's next turn
