"""Breakers: an upstream that does not answer is not asked by everybody, one after the other.

Theory of operation.  Each worker keeps one breaker for each upstream, in its own memory: what it
knows it has seen itself, and nothing has to be cleaned up when it dies.  So many failures in a row
(no connection, or no first byte in time) open it.  While it is open, one request in each `open`
interval is let through as a probe; the others are refused before they are priced, so nothing is
reserved for them.  The head of any answer closes it: an upstream that refuses is there.

Whoever was let through as a probe may still be refused by a later stage; the next interval then
lets another one through.  So no state waits for an event that may never come.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Final, Protocol

from s4fw.core.counter import COUNTER_INDEX, COUNTERS

_OPENED: Final = COUNTER_INDEX["breaker_opened"]
_REFUSED: Final = COUNTER_INDEX["breaker_refused"]
_OPEN: Final = COUNTER_INDEX["breakers_open"]


class Limits(Protocol):
    """What the configuration says about one upstream (see `s4fw.config`)."""

    @property
    def failures(self) -> int: ...
    @property
    def open_s(self) -> float: ...


class Breaker:
    """What one worker has seen of one upstream lately."""

    __slots__ = ("_counters", "_failures", "_failures_max", "_open_ns", "_probe_ns")

    def __init__(self, limits: Limits, counters: memoryview | None = None) -> None:
        if counters is None:  # nobody looks
            counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
        self._counters = counters
        self._failures = 0  # in a row
        self._probe_ns = 0  # when the next request may try; of an open one
        self._failures_max = 0
        self._open_ns = 0
        self.adopt(limits)

    def __repr__(self) -> str:
        return f"<Breaker {'open' if self.is_open else 'closed'}, {self._failures} failures>"

    def adopt(self, limits: Limits) -> None:
        """Go on with what a new configuration says; 0 failures: it never opens."""
        self._failures_max = limits.failures
        self._open_ns = int(limits.open_s * 1e9)

    def forget(self) -> None:
        """No configuration names it any more: what still runs there is not counted."""
        self._counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
        self._counters[_OPEN] = self.is_open

    @property
    def is_open(self) -> bool:
        """Whether the upstream is taken to be down."""
        return 0 < self._failures_max <= self._failures

    def refuses(self) -> int:
        """Whether a request must not try now: milliseconds until another may, or 0."""
        if not self.is_open:
            return 0
        now_ns = monotonic_ns()
        if now_ns >= self._probe_ns:
            self._probe_ns = now_ns + self._open_ns
            return 0
        self._counters[_REFUSED] += 1
        return -(-(self._probe_ns - now_ns) // 1_000_000)

    def failed(self) -> bool:
        """No connection, or no first byte in time.  Returns whether it opens with this."""
        was_open = self.is_open
        self._failures += 1
        if not self.is_open:
            return False
        self._probe_ns = monotonic_ns() + self._open_ns
        if was_open:
            return False
        self._counters[_OPENED] += 1
        self._counters[_OPEN] += 1
        return True

    def succeeded(self) -> bool:
        """An answer has begun.  Returns whether it was open until now."""
        was_open = self.is_open
        self._failures = 0
        if was_open:
            self._counters[_OPEN] -= 1
        return was_open


class Breakers:
    """The breakers of one worker, by the name of the upstream.  `counters` are the worker's."""

    def __init__(self, counters: memoryview | None = None) -> None:
        self._counters = counters
        self._of: dict[str, Breaker] = {}

    def adopt(self, upstreams: dict[str, Limits]) -> None:
        """Take what a configuration says; upstreams that stay keep what was seen of them."""
        kept = self._of
        self._of = {}
        for name, limits in upstreams.items():
            breaker = kept.pop(name, None)
            if breaker is None:
                breaker = Breaker(limits, self._counters)
            else:
                breaker.adopt(limits)
            self._of[name] = breaker
        for gone in kept.values():
            gone.forget()
        if self._counters is not None:
            self._counters[_OPEN] = sum(breaker.is_open for breaker in self._of.values())

    def of(self, upstream: str) -> Breaker | None:
        """The breaker of an upstream, None where it is not configured."""
        return self._of.get(upstream)
