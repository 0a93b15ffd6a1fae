"""The accepted clock: wall time that cannot be talked into a new budget.

Theory of operation.  A window's start is part of a budget cell's key, so whoever moves the clock a
month ahead opens fresh cells: a refill.  And whoever moves it back and ahead again would return to
windows whose cells were closed.  Windows therefore follow `accepted = CLOCK_BOOTTIME + offset`, and
only the master moves the offset, only forward:

  forward by up to 5 minutes   at once: time servers do this
  forward by more              after the two clocks disagreed for 10 minutes of boot clock without
                               a break, or on order
  back                         never within one boot; told when it is more than 5 minutes

At once means 5 minutes in each 10 at most, so that many small steps are no way around.  Meanwhile
time goes on with the boot clock, so no window stands still.  The starts of the windows are
published beside the offset and never move back either, over reboots too.  A master that is away
for a while costs nothing: the boot clock goes on without it.

The boot clock begins anew at each boot, so an offset is worth keeping only within one boot: after
a reboot the wall clock is believed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

SECOND_NS = 1_000_000_000
STEP_NS_MAX = 5 * 60 * SECOND_NS  # COUNTERS.md names both: a policy, not a measurement
PROBATION_NS = 10 * 60 * SECOND_NS


def boot_ns() -> int:
    """Nanoseconds since boot, suspend included; cannot be set by anybody."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the clocks decided.

    `ahead_ns` is how far the wall clock still is ahead of the accepted one, negative when behind.
    """

    offset_ns: int
    ahead_ns: int

    @property
    def is_doubted(self) -> bool:
        """Whether the two differ by more than a time server's correction."""
        return abs(self.ahead_ns) > STEP_NS_MAX


class AcceptedClock:
    """Decides the offset; the caller gives both clocks, so a test needs no other time than its own.

    `offset_ns` is the offset of an earlier life in the same boot, None to believe the wall clock.
    """

    def __init__(self, wall_ns: int, now_ns: int, offset_ns: int | None = None) -> None:
        self.offset_ns = wall_ns - now_ns if offset_ns is None else offset_ns
        self._doubted_since_ns: int | None = None
        self._allowance_ns = STEP_NS_MAX  # what may still be accepted at once
        self._allowance_at_ns = now_ns

    def look(self, wall_ns: int, now_ns: int) -> Reading:
        """Compare the clocks, once a second or so; `now_ns` is boot clock."""
        self._refill(now_ns)
        ahead_ns = (wall_ns - now_ns) - self.offset_ns
        if ahead_ns <= self._allowance_ns:
            self._doubted_since_ns = None
            if ahead_ns <= 0:
                return Reading(self.offset_ns, ahead_ns)
            self.offset_ns += ahead_ns
            self._allowance_ns -= ahead_ns
            return Reading(self.offset_ns, 0)
        if self._doubted_since_ns is None:
            self._doubted_since_ns = now_ns
        if now_ns - self._doubted_since_ns >= PROBATION_NS:
            self.accept(wall_ns, now_ns)
            return Reading(self.offset_ns, 0)
        return Reading(self.offset_ns, ahead_ns)

    def accept(self, wall_ns: int, now_ns: int) -> None:
        """Believe the wall clock now: probation is over, or a person said so."""
        self.offset_ns = wall_ns - now_ns
        self._doubted_since_ns = None

    def _refill(self, now_ns: int) -> None:
        if now_ns - self._allowance_at_ns >= PROBATION_NS:
            self._allowance_ns, self._allowance_at_ns = STEP_NS_MAX, now_ns
