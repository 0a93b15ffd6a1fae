"""When a dead child is replaced, and when the service gives up instead.

Pure decisions over monotonic seconds; the master asks, nobody sleeps here.
"""

from __future__ import annotations

from collections import deque

# A child that lived this long was healthy: its next death starts from an immediate respawn again.
YOUNG_S = 30.0
DELAYS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # 0 first: one crash costs callers nothing

BOOT_FAILURES_MAX = 5
BOOT_FAILURES_WITHIN_S = 60.0


class Backoff:
    """The respawn delay of one place in the crew; it grows while its children die young."""

    def __init__(self) -> None:
        self._deaths = 0

    def delay_s(self, lived_s: float) -> float:
        """How long to wait before replacing a child that lived `lived_s`.  Counts the death."""
        if lived_s >= YOUNG_S:
            self._deaths = 0
        delay_s = DELAYS_S[min(self._deaths, len(DELAYS_S) - 1)]
        self._deaths += 1
        return delay_s


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
