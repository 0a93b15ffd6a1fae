"""The data plane of one worker: every connection, every bound, and what a reload swaps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, cast

from s4fw.core.breaker import Breakers
from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.core.verdict import Block
from s4fw.errors import FIREWALL_OVERLOADED, Source
from s4fw.proxy.connector import Connector
from s4fw.proxy.deadlines import Wheel
from s4fw.proxy.downstream import Downstream
from s4fw.proxy.faults import place_of
from s4fw.proxy.forward import Forward
from s4fw.proxy.origin import Origin
from s4fw.proxy.outbox import Outbox
from s4fw.proxy.question import Question, request_of
from s4fw.proxy.settings import Settings
from s4fw.proxy.shed import COUNTED_AS, CROWDED, TOO_MANY, Shed

log: Final = logging.getLogger(__name__)

_BLOCKED_POLICY: Final = COUNTER_INDEX["blocked_policy"]
_CONNECTIONS: Final = COUNTER_INDEX["connections"]
_INVALID: Final = COUNTER_INDEX["invalid"]
_IN_FLIGHT: Final = COUNTER_INDEX["in_flight"]
_LOOP_LATE: Final = COUNTER_INDEX["loop_late"]  # in microseconds
_LOOP_TICKS: Final = COUNTER_INDEX["loop_ticks"]
_OPEN_CONNECTIONS: Final = COUNTER_INDEX["open_connections"]
_SHED: Final = COUNTER_INDEX["shed"]


class Proxy:
    """Give `connection` to `loop.create_server`; swap `settings` and `pipeline` at will.

    An exchange keeps what it began with.  `counters` is this worker's own area (see
    `core.counter`), 64-bit; `is_ready` answers `/readyz`.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        origins: Mapping[str, Origin],
        counters: memoryview,
        is_ready: Callable[[], bool],
        breakers: Breakers | None = None,
    ) -> None:
        self.settings = settings
        self.breakers = breakers or Breakers()
        self.shed = Shed(
            settings.loop_lag_ns,
            settings.memory_bytes_max,
            self._count_connections,
            self._count_tick,
        )
        self.pipeline = pipeline
        self.wheel = Wheel(settings.deadline_tick_ns)
        self.outbox = Outbox()
        self.in_flight = 0
        self.is_draining = False
        self._is_ready = is_ready
        self.counters = counters
        self._connections: set[Downstream] = set()
        self._drained: set[Forward] = set()
        self._connectors: dict[str, Connector] = {}
        self._idle: asyncio.Event | None = None
        self.swap_origins(origins)

    def __repr__(self) -> str:
        return (
            f"<Proxy [{len(self._connections)} connections, {self.in_flight} in flight, "
            f"{len(self._drained)} drained{', draining' if self.is_draining else ''}]>"
        )

    def connection(self) -> asyncio.Protocol:
        """The protocol of one accepted connection."""
        return cast(asyncio.Protocol, Downstream(self))  # the loop asks for methods, not for a base

    def is_ready(self) -> bool:
        """Whether new requests may be sent here."""
        return not self.is_draining and self._is_ready()

    def swap_origins(self, origins: Mapping[str, Origin]) -> None:
        """Replace the upstreams, by name; those that stay keep their connections."""
        old = self._connectors
        self._connectors = {}
        for name, origin in origins.items():
            kept, breaker = old.get(name), self.breakers.of(name)
            if kept is not None and kept.origin == origin:
                kept.adopt(self.settings, breaker)
                self._connectors[name] = old.pop(name)
            else:
                self._connectors[name] = Connector(
                    origin, self.settings, self.wheel, self.counters, breaker
                )
        for connector in old.values():
            connector.close()
        self.shed.adopt(self.settings.loop_lag_ns, self.settings.memory_bytes_max)

    def connector(self, upstream: str) -> Connector | None:
        """The way to an upstream by its name, None where it is not configured."""
        return self._connectors.get(upstream)

    async def ask(self, x: Exchange, path: bytes, body: bytes) -> bytes | None:
        """Ask the upstream of an exchange something that costs nothing: the body of its answer,
        None where there is none within a second."""
        connector = self.connector(x.upstream)
        if connector is None:
            return None
        return await Question(connector, request_of(x, path), body).answered()

    # Stopping.

    def begin_drain(self) -> None:
        """Take no further request; what runs may finish."""
        self.is_draining = True
        for connection in list(self._connections):
            connection.end()

    async def wait_drained(self, timeout_s: float) -> bool:
        """Wait until no exchange runs; False when that took too long."""
        if self.in_flight == 0:
            return True
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        finally:
            self._idle = None
        return True

    def abort_all(self, reason: Reason = Reason.DRAIN_DEADLINE) -> None:
        """End every exchange now and close every connection."""
        for connection in list(self._connections):
            connection.stop(reason)
        for forward in list(self._drained):
            forward.abort(reason)
        for connector in self._connectors.values():
            connector.close()

    # Called by connections and forwards.

    def accepted(self, connection: Downstream) -> Block | None:
        """Note a new connection, or say why there are too many."""
        self._connections.add(connection)
        self.count(_CONNECTIONS)
        count = self.counters[_OPEN_CONNECTIONS] = len(self._connections)
        self.shed.watch()
        if count > self.settings.connections_max:
            return TOO_MANY
        return None if self.shed.has_room_for_caller() else CROWDED

    def _count_connections(self) -> tuple[int, int]:
        upstreams = sum(connector.open for connector in self._connectors.values())
        return len(self._connections), upstreams

    def closed(self, connection: Downstream) -> None:
        """Note the end of a connection."""
        self._connections.discard(connection)
        count = self.counters[_OPEN_CONNECTIONS] = len(self._connections)
        if not count:
            self.shed.rest()

    def began(self) -> None:
        """Note a new exchange; `finish` ends it."""
        self.in_flight += 1
        self.counters[_IN_FLIGHT] = self.in_flight

    def finish(self, pipeline: Pipeline, x: Exchange) -> None:
        """End an exchange, once; raises nothing."""
        if x.is_finished:
            return
        try:
            pipeline.finish(x)
        except Exception as fault:
            log.error("fault at finish: %s at %s: %r", type(fault).__name__, place_of(fault), x)
        self.in_flight -= 1
        self.counters[_IN_FLIGHT] = self.in_flight
        if self.in_flight == 0 and self._idle is not None:
            self._idle.set()

    def refused(self, block: Block) -> None:
        """Count a refusal before there was an exchange; later ones are counted at finish."""
        if block.code.source is Source.DOWNSTREAM:
            self.count(_INVALID)
        elif block.code.source is Source.POLICY:
            self.count(_BLOCKED_POLICY)
        elif block.code is FIREWALL_OVERLOADED:
            self.count(_SHED)
            reason = COUNTED_AS.get(block.message)
            if reason is not None:
                self.count(reason)

    def _count_tick(self, late_ns: int) -> None:
        self.counters[_LOOP_TICKS] += 1
        self.counters[_LOOP_LATE] += max(0, late_ns) // 1000

    def count(self, index: int, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[index] += amount

    def may_drain(self, forward: Forward) -> bool:
        """Whether one more answer may be read on for a caller that left."""
        if len(self._drained) >= self.settings.drains_max:
            return False
        self._drained.add(forward)
        return True

    def drained(self, forward: Forward) -> None:
        """That answer is over."""
        self._drained.discard(forward)
