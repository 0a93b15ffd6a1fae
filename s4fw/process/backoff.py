"""When a dead child is replaced, and when the service gives up instead.

Pure decisions over monotonic seconds; the master asks, nobody sleeps here.
"""

from __future__ import annotations

from collections import deque

# A child that lived this long was healthy: its next death starts from an immediate respawn again.
YOUNG_S = 30.0
DELAYS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # 0 first: one crash costs callers nothing

# After a kill from outside.  The service is sound then, so its worker is back soon; but the kernel
# kills for memory with the same signal, and one that it kills before it ever serves waits longer
# each time.
KILLED_DELAYS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
KILLED_READY_S_MAX = 1.0  # of one that did serve: others kill it, it need not wait for them

BOOT_FAILURES_MAX = 5
BOOT_FAILURES_WITHIN_S = 60.0


class Backoff:
    """The respawn delay of one place in the crew; it grows while its children die young."""

    def __init__(self) -> None:
        self._deaths = 0
        self._kills = 0
        self.killed_unready = 0  # in a row, from outside, before it was ready

    def delay_s(self, lived_s: float) -> float:
        """How long to wait before replacing a child that lived `lived_s`.  Counts the death."""
        if lived_s >= YOUNG_S:
            self._deaths = 0
        delay_s = DELAYS_S[min(self._deaths, len(DELAYS_S) - 1)]
        self._deaths += 1
        return delay_s

    def after_kill_s(self, lived_s: float, was_ready: bool) -> float:
        """The same for a child that somebody outside killed."""
        if not was_ready:
            delay_s = KILLED_DELAYS_S[min(self.killed_unready, len(KILLED_DELAYS_S) - 1)]
            self.killed_unready += 1
            return delay_s
        self.killed_unready = 0
        if lived_s >= YOUNG_S:
            self._kills = 0
        delay_s = KILLED_DELAYS_S[min(self._kills, len(KILLED_DELAYS_S) - 1)]
        self._kills += 1
        return min(delay_s, KILLED_READY_S_MAX)


class BootFailures:
    """Deaths before ready, counted over all workers: many in a minute mean the service is broken.

    A broken installation must fail visibly and let systemd take over; it must not fork for ever.
    """

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=BOOT_FAILURES_MAX)

    def is_hopeless(self, now_s: float) -> bool:
        """Count one failure; whether it was one too many."""
        self._at_s.append(now_s)
        is_full = len(self._at_s) == BOOT_FAILURES_MAX
        return is_full and now_s - self._at_s[0] <= BOOT_FAILURES_WITHIN_S
