"""Deadlines of connections: thousands of them, moved with every chunk, hardly ever met.

Theory of operation.  A deadline is a plain attribute of a long-lived object, so putting it off is
one store.  The wheel holds each object in one bucket of a coarse clock; when the bucket's time has
come, the object is asked: if its deadline moved on in the meantime, it goes into a later bucket.
Only a deadline that comes nearer than the bucket needs a new entry; the old one is then stale and
ignored when met (`armed_tick` names the entry that counts).  So a deadline is noticed up to one
tick late and never early, and a chunk costs no call into the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic_ns
from typing import Final

from mypy_extensions import mypyc_attr

from s4fw.proxy.faults import place_of

log: Final = logging.getLogger(__name__)

UNARMED: Final = 2**63 - 1


@mypyc_attr(allow_interpreted_subclasses=True)
class Timed:
    """What can have a deadline.  `deadline_ns` is monotonic; 0 is none."""

    __slots__ = ("armed_tick", "deadline_ns")

    def __init__(self) -> None:
        self.deadline_ns = 0
        self.armed_tick = UNARMED

    def on_deadline(self) -> None:
        """The deadline has passed; it is 0 by now."""
        raise NotImplementedError


class Wheel:
    """All deadlines of one event loop."""

    def __init__(self, tick_ns: int) -> None:
        self.tick_ns = tick_ns
        self._buckets: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turned_tick = monotonic_ns() // tick_ns

    def __repr__(self) -> str:
        return f"<Wheel [{sum(map(len, self._buckets.values()))} entries]>"

    def set(self, timed: Timed, deadline_ns: int) -> None:
        """Give a deadline that may be nearer than the one before."""
        timed.deadline_ns = deadline_ns
        if deadline_ns // self.tick_ns + 1 < timed.armed_tick:
            self._arm(timed)

    def forget(self, timed: Timed) -> None:
        """End its deadlines: the owner is closed."""
        timed.deadline_ns = 0
        bucket = self._buckets.get(timed.armed_tick)
        if bucket is not None:
            bucket.discard(timed)
        timed.armed_tick = UNARMED

    def close(self) -> None:
        """Stop turning."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._buckets.clear()

    def _arm(self, timed: Timed) -> None:
        tick = max(timed.deadline_ns // self.tick_ns, self._turned_tick) + 1
        timed.armed_tick = tick
        self._buckets.setdefault(tick, set()).add(timed)
        if self._timer is None:
            self._turned_tick = min(tick - 1, monotonic_ns() // self.tick_ns)
            self._wind()

    def _wind(self) -> None:
        if self._timer is not None:  # an owner that was asked has armed anew
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.tick_ns / 1e9, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now_ns = monotonic_ns()
        tick = now_ns // self.tick_ns
        # Not one by one when much time passed at once (a stopped process): only what is there.
        due = sorted(t for t in self._buckets if t <= tick)
        self._turned_tick = tick
        for at in due:
            for timed in self._buckets.pop(at):
                if timed.armed_tick == at:
                    timed.armed_tick = UNARMED
                    self._ask(timed, now_ns)
        if self._buckets:
            self._wind()

    def _ask(self, timed: Timed, now_ns: int) -> None:
        deadline_ns = timed.deadline_ns
        if not deadline_ns:
            return
        if deadline_ns > now_ns:
            self._arm(timed)
            return
        timed.deadline_ns = 0
        try:
            timed.on_deadline()
        except Exception as fault:  # one owner's fault must not stop the clock of the others
            log.error("fault at a deadline: %s at %s", type(fault).__name__, place_of(fault))
