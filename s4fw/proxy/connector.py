"""The way to one upstream: does what its pool decides.

An exchange asks and gets a connection at once, or later, or hears that there is none; it never
waits longer than the connect timeout.  Only opening a connection takes a task.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from time import monotonic_ns
from typing import Final, Protocol, cast

from s4fw.core.breaker import Breaker
from s4fw.core.counter import COUNTER_INDEX
from s4fw.proxy.deadlines import Wheel
from s4fw.proxy.origin import Origin, tls_context
from s4fw.proxy.pool import Pool
from s4fw.proxy.settings import NS_PER_S, Settings
from s4fw.proxy.upstream import Upstream

log: Final = logging.getLogger(__name__)

_CONNECTS: Final = COUNTER_INDEX["upstream_connects"]

_SILENT_NS: Final = NS_PER_S  # between two lines about failed connections to one upstream
_CAUSE_CHARS_MAX: Final = 200
# What this machine has run out of says nothing about the upstream.
_OURS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
)


class Waiter(Protocol):
    """An exchange that wants a connection."""

    def connected(self, upstream: Upstream, is_reused: bool) -> None:
        """Here it is; the exchange gives it back with `release` or `discard`.  Raises nothing."""

    def unreachable(self, is_ours: bool) -> None:
        """There is none, because of this machine (`is_ours`) or not.  Raises nothing."""


class Connector:
    """All connections to one origin."""

    def __init__(
        self,
        origin: Origin,
        settings: Settings,
        wheel: Wheel,
        counters: memoryview,
        breaker: Breaker | None = None,
    ) -> None:
        self.origin = origin
        self.breaker = breaker
        self.settings = settings  # of the latest configuration
        self._wheel = wheel
        self._counters = counters
        self._pool: Pool[Upstream, Waiter] = Pool(
            settings.upstream_connections_max, settings.upstream_idle_max
        )
        self._tls: ssl.SSLContext | None = tls_context() if origin.is_tls else None
        self._opening: set[asyncio.Task[None]] = set()
        self._patience: dict[Waiter, asyncio.TimerHandle] = {}
        self._is_closed = False
        self._silent_until_ns = 0
        self._untold = 0

    def __repr__(self) -> str:
        return f"<Connector {self.origin} {self._pool!r}>"

    @property
    def open(self) -> int:
        """How many connections there are, those being opened included."""
        return self._pool.open

    def failed(self) -> None:
        """The upstream could not be reached, or did not begin to answer in time."""
        if self.breaker is not None and self.breaker.failed():
            log.warning("%s does not answer; requests are refused until it does", self.origin)

    def answered(self) -> None:
        """The upstream has begun to answer."""
        if self.breaker is not None and self.breaker.succeeded():
            log.warning("%s answers again", self.origin)

    def adopt(self, settings: Settings, breaker: Breaker | None = None) -> None:
        """Go on with the limits of a new configuration."""
        self.settings = settings
        self.breaker = breaker
        self._pool.connections_max = settings.upstream_connections_max
        self._open()

    def take(self) -> Upstream | None:
        """A kept connection that is idle, if there is one."""
        upstream, dead = self._pool.take()
        for connection in dead:
            self._drop(connection)
        return upstream

    def request(self, waiter: Waiter) -> None:
        """Open a connection for it, or give it the first that comes free."""
        loop = asyncio.get_running_loop()
        self._pool.wait(waiter)
        self._patience[waiter] = loop.call_later(
            self.settings.connect_ns / NS_PER_S, self._impatient, waiter
        )
        self._open()

    def withdraw(self, waiter: Waiter) -> None:
        """The exchange is over before it got a connection."""
        self._pool.withdraw(waiter)
        self._served(waiter)

    def release(self, upstream: Upstream) -> None:
        """The connection can be used again."""
        if self._is_closed or not upstream.is_counted:
            self.discard(upstream)
            return
        upstream.served = None
        self._give(upstream, *self._pool.release(upstream), is_reused=True)

    def discard(self, upstream: Upstream) -> None:
        """The connection cannot be used again."""
        self._uncount(upstream)
        upstream.close()
        self._open()

    def lost(self, upstream: Upstream) -> None:
        """The connection is gone by itself."""
        self._uncount(upstream)
        self._open()

    def close(self) -> None:
        """Close what is idle; what is busy closes when it is given back."""
        self._is_closed = True
        for upstream in self._pool.idle:
            self._pool.lost(upstream)
            self._drop(upstream)
        if not self._patience:
            for task in self._opening:
                task.cancel()

    def _drop(self, upstream: Upstream) -> None:
        """Close one that the pool has let go of."""
        upstream.is_counted = False
        upstream.close()

    def _uncount(self, upstream: Upstream) -> None:
        if upstream.is_counted:
            upstream.is_counted = False
            self._pool.lost(upstream)

    def _give(
        self, upstream: Upstream, waiter: Waiter | None, surplus: list[Upstream], is_reused: bool
    ) -> None:
        for connection in surplus:
            self._drop(connection)
        if waiter is not None:
            self._served(waiter)
            waiter.connected(upstream, is_reused)
        elif self._is_closed:
            self.discard(upstream)
        elif upstream.is_counted:
            upstream.until(monotonic_ns() + self.settings.upstream_idle_ns)

    def _served(self, waiter: Waiter) -> None:
        timer = self._patience.pop(waiter, None)
        if timer is not None:
            timer.cancel()

    def _impatient(self, waiter: Waiter) -> None:
        self.withdraw(waiter)
        waiter.unreachable(False)

    def _open(self) -> None:
        for _ in range(self._pool.to_open()):
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        upstream: Upstream | None = None
        is_ours = False
        try:
            upstream = await self._connected()
        except (OSError, ValueError) as fault:  # ValueError: a host name that cannot be encoded
            self._tell(fault)
            is_ours = isinstance(fault, OSError) and fault.errno in _OURS
            if not is_ours:
                self.failed()
        finally:
            if upstream is None:
                self._open_failed(is_ours)
        if upstream is None:
            return
        self._counters[_CONNECTS] += 1
        self._give(upstream, *self._pool.opened(upstream), is_reused=False)

    async def _connected(self) -> Upstream:
        loop = asyncio.get_running_loop()
        settings, origin = self.settings, self.origin
        async with asyncio.timeout(settings.connect_ns / NS_PER_S):
            _, upstream = await loop.create_connection(
                self._made,
                origin.host,
                origin.port,
                ssl=self._tls,
                server_hostname=origin.host if self._tls is not None else None,
            )
        return cast(Upstream, upstream)

    def _made(self) -> asyncio.BaseProtocol:
        upstream = Upstream(self, self._wheel, self.settings.answer_headers_bytes_max)
        return cast(asyncio.BaseProtocol, upstream)  # the loop asks for methods, not for a base

    def _tell(self, fault: Exception) -> None:
        """Log why, once in a while: an upstream that is down fails with every request."""
        now_ns = monotonic_ns()
        if now_ns < self._silent_until_ns:
            self._untold += 1
            return
        log.warning(
            "cannot connect to %s: %s; %d more since the last line",
            self.origin,
            _Cause(fault),
            self._untold,
        )
        self._silent_until_ns = now_ns + _SILENT_NS
        self._untold = 0

    def _open_failed(self, is_ours: bool) -> None:
        waiter = self._pool.open_failed()
        if waiter is not None:
            self._served(waiter)
            waiter.unreachable(is_ours)
        if not self._is_closed:
            self._open()


class _Cause:
    """Why, for the log: of the network or a certificate, so it holds nothing of a request."""

    def __init__(self, fault: Exception) -> None:
        if isinstance(fault, TimeoutError):
            text = "timed out"
        elif isinstance(fault, OSError):
            text = fault.strerror or str(fault) or type(fault).__name__
        else:
            text = type(fault).__name__
        self.log_text = text[:_CAUSE_CHARS_MAX]

    def __str__(self) -> str:
        return self.log_text
