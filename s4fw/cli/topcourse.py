"""What `s4fw top` has seen: the answers of the admin listener, and how fast their figures rise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

HISTORY = 120  # moments, for the lines
RATE_S = 60  # what a rate looks back at, at most
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Moment:
    """What was answered at one moment; `at_ms` is a monotonic clock, `now` RFC 3339."""

    at_ms: int
    now: str
    status: dict[str, Any]
    workers: list[dict[str, Any]]
    budgets: list[dict[str, Any]]
    events: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    charged_nusd: int
    useful_nusd: int  # as applications report it
    failing_nusd: int
    successes: int


@dataclass
class Course:
    """The last moments, oldest first."""

    url: str
    moments: list[Moment] = field(default_factory=list)
    silent_s: int = 0  # how long the firewall has not answered

    def add(self, moment: Moment) -> None:
        self.moments = [*self.moments, moment][-HISTORY:]
        self.silent_s = 0

    def per_minute(self, of: Callable[[Moment], int | None]) -> int | None:
        """How fast a sum rises now; None where nothing is known of it."""
        last = self.moments[-1]
        value = of(last)
        for first in self.moments[:-1]:
            if last.at_ms - first.at_ms > RATE_S * 1000:
                continue
            before = of(first)
            if value is None or before is None or value < before:
                continue  # not there yet, or its window began anew
            return (value - before) * MINUTE_MS // max(1, last.at_ms - first.at_ms)
        return None

    def steps(self, of: Callable[[Moment], int]) -> list[int]:
        """By how much a sum rose from each moment to the next."""
        values = [of(moment) for moment in self.moments]
        return [max(0, b - a) for a, b in pairwise(values)]
