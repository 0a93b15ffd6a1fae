"""Shedding: when there is more than one worker can do, what comes is refused at its head.

Theory of operation.  A tick, twenty times a second while there are connections, measures how late
it is itself: that is how long a turn of the event loop takes, and so how long everything waits that
has arrived.  Beyond the bound, what is read until the next tick is refused with 503 and a time to
come again, before a body is received or money held; so is what is read while a tick is overdue,
because the loop may come to sockets before it comes to timers.  One long turn costs the requests of
one tick; a queue that stands is cut down until turns are short again.

Memory is the resident set of this process, asked once a second.  Descriptors are counted, not
asked: the callers' connections, the upstreams', and what was open before the first of them.  Of
what there is, a part is kept for upstreams and files, because a worker that accepts callers with
its last descriptor can serve none of them.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from time import monotonic_ns
from typing import Final

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.verdict import Block
from s4fw.errors import FIREWALL_OVERLOADED

TICK_NS: Final = 50_000_000
_MEMORY_NS: Final = 1_000_000_000  # between two looks at it
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_KEPT_PART: Final = 8  # one descriptor of so many is kept for connections to upstreams
_KEPT_MIN: Final = 16  # and so many for files, and for what is opened within a tick

_LATE: Final = Block(FIREWALL_OVERLOADED, "the firewall is overloaded; try again", retry_after_s=1)
_FULL: Final = Block(
    FIREWALL_OVERLOADED, "the firewall is short of memory; try again", retry_after_s=2
)
TOO_MANY: Final = Block(FIREWALL_OVERLOADED, "too many connections", retry_after_s=1)
CROWDED: Final = Block(
    FIREWALL_OVERLOADED, "the firewall is short of descriptors; try again", retry_after_s=1
)
BUSY: Final = Block(FIREWALL_OVERLOADED, "too many requests at once; try again")

# What each of them is counted as, beside `shed`.
COUNTED_AS: Final = {
    _LATE.message: COUNTER_INDEX["shed_late"],
    _FULL.message: COUNTER_INDEX["shed_memory"],
    CROWDED.message: COUNTER_INDEX["shed_descriptors"],
    TOO_MANY.message: COUNTER_INDEX["shed_connections"],
    BUSY.message: COUNTER_INDEX["shed_in_flight"],
}


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Shed:
    """Of one worker.  `lag_ns` and `memory_bytes` are the bounds; `memory_bytes` 0 is none.

    `connections` tells how many there are of callers and to upstreams; `ticked` hears how late a
    tick was.
    """

    def __init__(
        self,
        lag_ns: int,
        memory_bytes: int,
        connections: Callable[[], tuple[int, int]],
        ticked: Callable[[int], None] | None = None,
    ) -> None:
        self._reason: Block | None = None  # as of the last tick
        self._lag_ns = lag_ns
        self._memory_bytes = memory_bytes
        self._connections = connections
        self._ticked = ticked
        self._is_full = False
        self._due_ns = 0
        self._looked_ns = 0  # when memory was looked at
        self._timer: asyncio.TimerHandle | None = None
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = most - _open_descriptors()
        self._kept = max(_KEPT_MIN, room // _KEPT_PART)
        self._room = max(1, room - _KEPT_MIN)

    def __repr__(self) -> str:
        return f"<Shed {'nothing' if self._reason is None else self._reason.message}>"

    def adopt(self, lag_ns: int, memory_bytes: int) -> None:
        """Go on with the bounds of a new configuration."""
        self._lag_ns = lag_ns
        self._memory_bytes = memory_bytes

    def has_room_for_caller(self) -> bool:
        """Whether the connections of callers leave descriptors for upstreams."""
        callers, upstreams = self._connections()
        return callers + max(upstreams, self._kept) <= self._room

    def why(self) -> Block | None:
        """Why requests are refused now; None while there is room."""
        if self._due_ns and monotonic_ns() - self._due_ns > self._lag_ns:
            return _LATE
        return self._reason

    def crowded(self, in_flight: int) -> Block | None:
        """Why one more request may not run: there is no descriptor for its upstream."""
        if in_flight < self._kept:
            return None
        callers, upstreams = self._connections()
        return None if callers + max(upstreams, in_flight + 1) <= self._room else CROWDED

    def watch(self) -> None:
        """Begin to tick, if it does not yet: somebody is connected."""
        if self._timer is None:
            self._look_at_memory(monotonic_ns())
            self._reason = _FULL if self._is_full else None
            self._wind()

    def _wind(self) -> None:
        self._due_ns = monotonic_ns() + TICK_NS
        self._timer = asyncio.get_running_loop().call_later(TICK_NS / 1e9, self._tick)

    def _tick(self) -> None:
        now_ns = monotonic_ns()
        late_ns = now_ns - self._due_ns
        if self._ticked is not None:
            self._ticked(late_ns)
        self._look_at_memory(now_ns)
        if late_ns > self._lag_ns:
            self._reason = _LATE
        else:
            self._reason = _FULL if self._is_full else None
        self._wind()

    def _look_at_memory(self, now_ns: int) -> None:
        if now_ns - self._looked_ns < _MEMORY_NS:
            return
        self._looked_ns = now_ns
        self._is_full = 0 < self._memory_bytes < _resident_bytes()

    def rest(self) -> None:
        """Stop ticking: nobody is connected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_ns = 0
        self._reason = None


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES
