"""A worker: one loop, one listener, the pipeline.  All it needs for a decision is in its memory
or in the table.

Its life: boot (build the first runtime; a fault here means the service cannot run), serve, drain
(SIGTERM, or the master is gone), leave.  A reload builds the next runtime beside the old one and
hands its pipeline to the proxy.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop

from s4fw.config.schema import Config
from s4fw.core.breaker import Breakers
from s4fw.core.breaker import Limits as BreakerLimits
from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.ledger.marks import Wait
from s4fw.ledger.reservation import Resolver
from s4fw.ledger.window import Clock
from s4fw.pricing import RateCard
from s4fw.process.credentials import Recipient
from s4fw.process.ear import StewardsEar
from s4fw.process.estate import rates_of
from s4fw.process.exitcode import FAILED, FINE
from s4fw.process.factors import factors_of
from s4fw.process.lifeline import Lifeline
from s4fw.process.privacy import forget_credentials
from s4fw.process.runtime import Runtime, built
from s4fw.process.seat import DRAINING, Seat, announce_up
from s4fw.process.sockets import BACKLOG
from s4fw.proxy import ListenerTls, Origin, Proxy, Settings
from s4fw.proxy.credentials import Wallet, signer_of
from s4fw.proxy.tls import HANDSHAKE_S, SHUTDOWN_S

log = logging.getLogger(__name__)

# Counting a huge prompt releases the GIL; two threads keep one such request from delaying another
# and leave the processor to the other workers.
THREADS = 2

# How long the loop may wait for the interpreter while a thread reads or counts a large body: the
# default of 5 ms would be most of the longest pause.
SWITCH_S = 0.0005

FLUSH_S = 1.0  # for callers that take their last bytes slowly, or leave their side open


class Worker:
    """One life of it, on a loop that is given."""

    def __init__(self, seat: Seat, loop: asyncio.AbstractEventLoop) -> None:
        self._seat = seat
        self._loop = loop
        self._estate = seat.estate
        self._table = seat.estate.table
        self._clock = Clock(0)
        self._resolver = Resolver(self._table, self._clock)
        self._follow()
        self._threads = ThreadPoolExecutor(THREADS, "s4fw-count")
        self._exit_code = FINE
        self._factors = factors_of(self._table, self._clock)
        self._wallet = Wallet()
        self._breakers = Breakers(self._table.counters())
        self._breakers.adopt(_breakers(seat.config))
        self._recipient = Recipient(
            seat.estate.credentials.of_workers[seat.index], self._wallet, loop
        )
        self._runtime = self._built(seat.config, seat.generation, self._estate.rates)
        self._proxy = Proxy(
            _settings(seat.config),
            self._runtime.pipeline,
            _origins(seat.config, self._wallet),
            self._table.counters(),
            lambda: self._seat.is_booted,
            self._breakers,
        )
        tls = seat.config.server.tls
        self._tls = ListenerTls(tls) if tls is not None else None
        self._open_connections = COUNTER_INDEX["open_connections"]
        self._draining: asyncio.Task[None] | None = None

    async def live(self) -> int:
        """Until it is drained."""
        self._over = self._loop.create_future()
        self._server = await self._listen()
        self._lifeline = Lifeline(self._seat, self._loop, self._hear, self._end, self._follow)
        announce_up(self._seat)
        await self._over
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._table.leave()
        return self._exit_code

    async def _listen(self) -> asyncio.AbstractServer:
        connection, listener = self._proxy.connection, self._seat.listener
        if self._tls is None:
            return await self._loop.create_server(connection, sock=listener, backlog=BACKLOG)
        return await self._loop.create_server(
            connection,
            sock=listener,
            backlog=BACKLOG,
            ssl=self._tls.context,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )

    def _built(self, config: Config, generation: int, rates: RateCard) -> Runtime:
        estate = self._estate
        return built(
            config, generation, self._table, self._clock, rates, estate.tokens, self._offload,
            self._resolver, estate.hash_key, self._factors, self._fetch, self._breakers,
            Wait(StewardsEar(estate.demands), config.durability == "strict"), estate.loops,
        )  # fmt: skip

    def _offload(self, function: Callable[[], Any]) -> Awaitable[Any]:
        """Run what is long and pure in a thread; it must not touch the table."""
        return self._loop.run_in_executor(self._threads, function)

    def _fetch(self, x: Exchange, path: bytes, body: bytes) -> Awaitable[bytes | None]:
        """Ask the upstream of an exchange something free."""
        return self._proxy.ask(x, path, body)

    def _follow(self) -> None:
        """With each beat: the clock as the master accepts it, and what the lock kept waiting."""
        self._clock.follow(*self._table.clock())
        self._resolver.retry()

    # -- reload -------------------------------------------------------------------------------

    def _hear(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("config", int(generation), Config() as config):
                self._adopt(config, generation)

    def _adopt(self, config: Config, generation: int) -> None:
        """Take a new configuration whole, or end: a worker must not go on with an old one."""
        try:
            rates, old = self._runtime.rates, self._runtime.config
            if _prices(config) != _prices(old):
                rates = rates_of(config)
            runtime = self._built(config, generation, rates)
            origins = _origins(config, self._wallet)
            if self._tls is not None and config.server.tls is not None:
                self._tls.swap(config.server.tls)
        except Exception:
            log.exception("the new configuration could not be built; this worker is replaced")
            self._exit_code = FAILED
            self._end(False)
            return
        # Nothing below may fail.
        self._proxy.settings = _settings(config)
        self._breakers.adopt(_breakers(config))
        self._proxy.swap_origins(origins)
        self._proxy.pipeline = runtime.pipeline
        self._runtime = runtime
        self._table.set_generation(generation)

    # -- drain --------------------------------------------------------------------------------

    def _end(self, is_orphaned: bool) -> None:
        """Finish what runs; asked again by SIGTERM, abort it."""
        if self._draining is None:
            if is_orphaned:
                log.warning("the master is gone; what runs is finished, nothing new is taken")
            self._table.set_state(DRAINING)
            self._draining = self._loop.create_task(self._drain())
        elif not is_orphaned:
            self._proxy.abort_all(Reason.DRAIN_DEADLINE)

    async def _drain(self) -> None:
        """Stop accepting, wait, abort what is left at the deadline: it settles at worst case."""
        self._server.close()
        self._proxy.begin_drain()
        if not await self._proxy.wait_drained(self._runtime.config.server.timeouts.drain_s):
            log.warning("the drain deadline passed with %d in flight", self._proxy.in_flight)
            self._proxy.abort_all(Reason.DRAIN_DEADLINE)
        await self._wait_flushed()
        if not self._over.done():
            self._over.set_result(None)

    async def _wait_flushed(self) -> None:
        """Let the last answers leave: what is settled may still lie in the socket's buffer."""
        counters = self._table.counters()
        end_s = self._loop.time() + FLUSH_S
        # Nobody tells when the last connection has gone; only the counter shows it.  What the
        # table's lock keeps waiting until the end is recovered by the master, at worst case.
        while self._loop.time() < end_s:
            self._resolver.retry()
            if not counters[self._open_connections] and not self._resolver.late:
                break
            await asyncio.sleep(0.01)


def _settings(config: Config) -> Settings:
    return Settings.of(config.server, config.upstreams.values())


def _breakers(config: Config) -> dict[str, BreakerLimits]:
    return {name: upstream.breaker for name, upstream in config.upstreams.items()}


def _prices(config: Config) -> object:
    return (
        config.pricing,
        config.prices_of_upstreams,
        config.regions_of_upstreams,
        config.residencies_of_upstreams,
    )


def _origins(config: Config, wallet: Wallet) -> dict[str, Origin]:
    return {
        name: Origin.of(
            upstream.dialect,
            upstream.url,
            upstream.api_key.get_secret_value() if upstream.api_key else None,
            upstream.auth,
            signer_of(upstream, wallet) if upstream.is_signed else None,
        )
        for name, upstream in config.upstreams.items()
    }


def run(seat: Seat) -> int:
    """The child's life; returns its exit code."""
    forget_credentials(os.environ)
    sys.setswitchinterval(SWITCH_S)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(Worker(seat, loop).live())
