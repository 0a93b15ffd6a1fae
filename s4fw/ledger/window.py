"""Budget windows and the clock they are read from.

Theory of operation.  A window's start is part of its cells' key, so a new window is new cells and
nothing is ever reset.  All processes must agree on "now", and a wall clock that jumps must not open
a second budget.  So nobody reads the wall clock: now = CLOCK_BOOTTIME + offset, where the offset
stands in the shared table and only the master moves it, forward and with care (see
`s4fw.process.clock`).  A process that has not yet seen a new offset is late by that step for at
most one beat.  `Clock.start_of` never goes back, whatever the clock does: it keeps the latest start
it has handed out or read from the table for each kind.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

KINDS: Final = ("minute", "hour", "day", "week", "month", "total")
KIND_INDEX: Final = {name: index for index, name in enumerate(KINDS)}

_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_MONDAY_S: Final = 4 * 86400  # 1970-01-05, the first Monday of the epoch

FOREVER_S: Final = 2**62


def start_of(kind: str, now_s: int, zone: ZoneInfo | None = None) -> int:
    """The start, in unix seconds, of the window of `kind` that holds `now_s`.  Total starts at 0.

    Calendar windows start at 00:00 in `zone`, UTC without one; weeks start on Monday.
    """
    if kind == "total":
        return 0
    if zone is None and kind != "month":
        origin = _MONDAY_S if kind == "week" else 0
        return now_s - (now_s - origin) % _SECONDS[kind]
    return int(_floor(kind, datetime.fromtimestamp(now_s, zone or UTC)).timestamp())


def end_of(kind: str, start_s: int, zone: ZoneInfo | None = None) -> int:
    """The end of the window that starts at `start_s`: the start of the next."""
    if kind == "total":
        return FOREVER_S
    if zone is None and kind != "month":
        return start_s + _SECONDS[kind]
    start = datetime.fromtimestamp(start_s, zone or UTC)
    # Noon of a day that is surely in the next window, whatever daylight saving does.
    days = {"day": 1, "week": 7, "month": 32}[kind]
    later = start.replace(hour=12) + timedelta(days=days)
    return int(_floor(kind, later).timestamp())


def _floor(kind: str, moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind == "month":
        return midnight.replace(day=1)
    if kind == "week":
        return midnight - timedelta(days=midnight.weekday())
    return midnight


def iso(at_s: int) -> str:
    """A moment as RFC 3339 text in UTC, the form of our headers and JSON."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def for_people(at_s: int) -> str:
    """A moment as it stands in sentences: `2026-11-22 00:00 UTC`."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def boot_ns() -> int:
    """Nanoseconds since boot, including sleep: the only clock that windows are derived from."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """The accepted time: boot clock plus the offset that the master published."""

    __slots__ = ("_latest", "offset_ns")

    def __init__(self, offset_ns: int) -> None:
        self.offset_ns = offset_ns
        self._latest: dict[tuple[str, str], int] = {}

    def follow(self, offset_ns: int, starts_s: tuple[int, ...]) -> None:
        """Take what the master published: the offset, and the current start of each UTC kind."""
        self.offset_ns = offset_ns
        for kind, start_s in zip(KINDS, starts_s, strict=True):
            key = (kind, "")
            if start_s > self._latest.get(key, 0):
                self._latest[key] = start_s

    def now_ns(self) -> int:
        """The accepted wall time in unix nanoseconds."""
        return boot_ns() + self.offset_ns

    def start_of(self, kind: str, zone: ZoneInfo | None = None) -> int:
        """The start of the current window; never earlier than one already handed out."""
        key = (kind, zone.key if zone is not None else "")
        start_s = start_of(kind, self.now_ns() // 1_000_000_000, zone)
        latest = max(start_s, self._latest.get(key, 0))
        self._latest[key] = latest
        return latest
