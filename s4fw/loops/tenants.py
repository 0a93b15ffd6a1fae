"""What the rules found, by tenant: tallies in shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from s4fw.loops import memory
from s4fw.loops.memory import Memory
from s4fw.loops.rules import RULES
from s4fw.loops.turn import hashed

OTHER: Final = "other"  # tenants for whom there was no room
NAME_BYTES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Tally:
    """What one rule found at one tenant.

    `would_block` counts requests in shadow, `blocked` those refused, `wasted_nusd` what loops had
    cost when they were found; `episodes` are loops, of which hindsight `proved` some to be one,
    `disproved` some, and could not tell for others.  `saved_nusd` is what the requests came to cost
    that would have been refused, `turns` the length of all loops when they were found."""

    tenant: str
    rule: str
    warned: int
    would_block: int
    blocked: int
    wasted_nusd: int
    proved: int
    disproved: int
    uncertain: int
    episodes: int
    saved_nusd: int
    turns: int


class Tenants:
    """The records of tenants, for one worker."""

    def __init__(self, shared: Memory) -> None:
        self._memory = shared
        self._places: dict[str, int] = {}

    def place(self, tenant: str) -> int:
        """The place of a tenant's record, or that of `other`."""
        at = self._places.get(tenant)
        if at is None:
            at = self._placed(tenant)
            if len(self._places) >= 10_000:
                self._places.clear()
            self._places[tenant] = at
        return at

    def _placed(self, tenant: str) -> int:
        shared = self._memory
        key = hashed(tenant.encode()) or 1
        section = shared.tenants
        for step in range(min(section.sets, 64)):
            at = shared.find(section, key, memory.KEY, key + step)
            if at >= 0:
                return at
            base = section.at + (key + step) % section.sets * section.words_each
            if not shared.words[base] and base != section.at:
                return self._written(base, key, tenant)
        return self._written(section.at, hashed(OTHER.encode()) or 1, OTHER)

    def _written(self, at: int, key: int, tenant: str) -> int:
        words = self._memory.words
        name = tenant.encode()[:NAME_BYTES_MAX]
        start = at + memory.TENANT_NAME
        words[start] = len(name)
        padded = memoryview(name.ljust(NAME_BYTES_MAX, b"\0")).cast("q")
        words[start + 1 : start + 17] = padded
        words[at] = key
        return at

    def add(self, at: int, rule: int, word: int, amount: int = 1) -> None:
        """Add to a tally.  Of two workers at the same instant one may be lost."""
        add(self._memory, at, rule, word, amount)

    def began_session(self, at: int) -> None:
        """Count a session."""
        self._memory.words[at + memory.TENANT_SESSIONS] += 1


def add(shared: Memory, at: int, rule: int, word: int, amount: int = 1) -> None:
    """Add to a tally of the tenant whose record is at `at`."""
    place = at + memory.TENANT_TALLIES + rule * memory.TALLY_WORDS + word
    shared.words[place] += amount


def _name(shared: Memory, at: int) -> str:
    words, start = shared.words, at + memory.TENANT_NAME
    return words[start + 1 : start + 17].tobytes()[: words[start]].decode("utf-8", "replace")


def sessions(shared: Memory) -> dict[str, int]:
    """Sessions since the start, by tenant; single questions are none."""
    places = shared.records(shared.tenants)
    return {_name(shared, at): shared.words[at + memory.TENANT_SESSIONS] for at in places}


def tallies(shared: Memory) -> Iterator[Tally]:
    """All tallies that are not zero."""
    words = shared.words
    for at in shared.records(shared.tenants):
        name = _name(shared, at)
        for number, rule in enumerate(RULES):
            place = at + memory.TENANT_TALLIES + number * memory.TALLY_WORDS
            counts = words[place : place + memory.TALLY_WORDS].tolist()
            if any(counts):
                yield Tally(name, rule, *counts)
