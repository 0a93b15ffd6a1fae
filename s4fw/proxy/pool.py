"""The connections to one upstream: who uses one, who waits, when to open more.  No I/O here.

The pool decides and returns what to do; the connector does it.  Its only state: idle connections
(the last used first, so that surplus ones grow old), how many are busy or being opened, and the
exchanges that wait, in order.  A connection that comes free serves the first who waits, whoever's
wish it was opened for.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Pooled(Protocol):
    """What the pool asks of a connection."""

    def is_usable(self) -> bool:
        """Whether a request may be sent on it: open, and nothing has arrived while it was idle."""


C = TypeVar("C", bound=Pooled)
W = TypeVar("W")


class Pool(Generic[C, W]):
    """One upstream's connections of type C, and the waiting W."""

    def __init__(self, connections_max: int, idle_max: int) -> None:
        self.connections_max = connections_max  # may change; what is open beyond it stays
        self._idle_max = idle_max
        self._idle: list[C] = []
        self._busy = 0
        self._opening = 0
        self._waiting: dict[W, None] = {}

    def __repr__(self) -> str:
        return (
            f"<Pool [{len(self._idle)} idle, {self._busy} busy, {self._opening} opening, "
            f"{len(self._waiting)} waiting]>"
        )

    @property
    def open(self) -> int:
        """How many connections there are, those being opened included."""
        return len(self._idle) + self._busy + self._opening

    @property
    def idle(self) -> tuple[C, ...]:
        """The idle connections, the one used longest ago first."""
        return tuple(self._idle)

    def take(self) -> tuple[C | None, list[C]]:
        """An idle connection if there is a usable one, and dead ones to close."""
        dead: list[C] = []
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                self._busy += 1
                return connection, dead
            dead.append(connection)
        return None, dead

    def wait(self, waiter: W) -> None:
        """Queue one who found none."""
        self._waiting[waiter] = None

    def withdraw(self, waiter: W) -> None:
        """It waits no longer; a connection being opened for it will be kept for others."""
        self._waiting.pop(waiter, None)

    def to_open(self) -> int:
        """How many connections to open now; they count as being opened from here on."""
        room = self.connections_max - len(self._idle) - self._busy - self._opening
        count = max(0, min(len(self._waiting) - self._opening, room))
        self._opening += count
        return count

    def opened(self, connection: C) -> tuple[W | None, list[C]]:
        """A connection was opened: who takes it (it is idle if nobody), and what to close."""
        self._opening -= 1
        self._busy += 1
        return self.release(connection)

    def open_failed(self) -> W | None:
        """A connection could not be opened: the one who has waited longest hears of it."""
        self._opening -= 1
        return self._next()

    def release(self, connection: C) -> tuple[W | None, list[C]]:
        """A busy connection came free: who takes it (it is idle if nobody), and what to close."""
        if self._waiting:
            return self._next(), []
        self._busy -= 1
        idle = self._idle
        idle.append(connection)
        surplus = idle[: -self._idle_max] if len(idle) > self._idle_max else []
        del idle[: len(surplus)]
        return None, surplus

    def lost(self, connection: C) -> None:
        """A connection is gone or was closed, idle or busy."""
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self._busy -= 1
            assert self._busy >= 0

    def _next(self) -> W | None:
        for waiter in self._waiting:
            del self._waiting[waiter]
            return waiter
        return None
