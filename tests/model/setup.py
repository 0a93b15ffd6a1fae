"""What one search explores: workers with their wishes, limits, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

Step = tuple[str, int]


class Wish(NamedTuple):
    """One exchange: the keys it is held on, the hold, and what the provider will charge."""

    keys: tuple[int, ...]
    amount: int
    actual: int


@dataclass(frozen=True)
class Setup:
    """A configuration.  Worker w is process w; behind the workers come master and steward."""

    limits: tuple[int, ...]  # by key
    workers: tuple[tuple[Wish, ...], ...]
    cells: int
    deaths: int = 0  # of workers
    master_deaths: int = 0  # of the recovering master and the closing steward
    closes: int = 0
    rows: int = 8  # of each ring
    mutant: str = ""

    @cached_property
    def wishes(self) -> tuple[Wish, ...]:
        """All wishes; a lease has the number of its wish."""
        return tuple(wish for worker in self.workers for wish in worker)

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """The worker of each lease."""
        return tuple(w for w, worker in enumerate(self.workers) for _ in worker)

    @cached_property
    def programs(self) -> tuple[tuple[Step, ...], ...]:
        """What each worker does: all its holds first, then each to its end, settled twice."""
        programs = []
        for w in range(len(self.workers)):
            own = [i for i, owner in enumerate(self.owners) if owner == w]
            begin = [
                step
                for i in own
                for step in (*(("claim", key) for key in self.wishes[i].keys), ("reserve", i))
            ]
            end = [(name, i) for i in own for name in ("send", "call", "settle", "settle")]
            programs.append((*begin, *end))
        return tuple(programs)

    def broken_by(self, mutant: str) -> Setup:
        """The same configuration of a broken protocol."""
        return replace(self, mutant=mutant)
