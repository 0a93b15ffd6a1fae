"""One state: the words of shared memory, the lock, the redo record, and who is where.

A word may hold any value; what matters is that it is stored as a whole.  Words that no record names
while they are reachable (the key of a closed cell, rows behind the head) are scratch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.model.setup import Setup

Word = Any
Words = tuple[Word, ...]
Record = tuple[tuple[int, Word], ...]

NOBODY = -1
SOMEONE_DEAD = -2  # a master or steward that was replaced: nobody has its number any more

OF_CELL = KEY, CONTROL, USED, CHARGED, OPEN = range(5)
OF_RING = HEAD, TAIL, DROPPED, TOLD, ROWS = range(5)


class Layout:
    """Where each word lies."""

    def __init__(self, setup: Setup) -> None:
        self.leases_at = setup.cells * len(OF_CELL)
        self.rings_at = self.leases_at + len(setup.wishes)
        self.ring_words = len(OF_RING) - 1 + setup.rows
        self.rows = setup.rows
        self.size = self.rings_at + len(setup.workers) * self.ring_words

    def cell(self, index: int, field: int) -> int:
        """A field of a cell: KEY CONTROL USED CHARGED OPEN."""
        return index * len(OF_CELL) + field

    def lease(self, index: int) -> int:
        """The word of a lease: 0, or (state, handles, cost)."""
        return self.leases_at + index

    def ring(self, worker: int, field: int) -> int:
        """A field of a ring: HEAD TAIL DROPPED TOLD."""
        return self.rings_at + worker * self.ring_words + field

    def row(self, worker: int, number: int) -> int:
        """The place of a row in its ring."""
        return self.ring(worker, ROWS) + number % self.rows


class Lease(NamedTuple):
    """The value of a lease word.  `handles`: (cell, control word) for each key of its wish."""

    state: str  # RES, SENT, or DONE: free again, kept for the checker
    handles: tuple[tuple[int, int], ...]
    cost: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it holds money."""
        return self.state != "DONE"


class Row(NamedTuple):
    """A journal row: of a lease with what it cost, or (-1, n) for a gap of n rows."""

    lease: int
    charged: int


UNWRITTEN = Row(-2, 0)  # what a place holds in which nobody wrote yet


class Process(NamedTuple):
    """One process.  `phase` is the place within an operation, `at` the next word to apply."""

    is_alive: bool = True
    step: int = 0
    phase: str = "start"
    at: int = 0
    handles: tuple[tuple[int, int], ...] = ()  # claimed for the reserve to come
    job: tuple[str, int] | None = None  # of master and steward; workers have a program


class State(NamedTuple):
    """Shared memory and processes, and below what only the checker knows."""

    words: Words
    owner: int
    record: Record
    is_valid: bool
    processes: tuple[Process, ...]
    truth: tuple[int, ...]  # by lease: what the provider charged
    drained: tuple[Row, ...]
    deaths: int = 0
    master_deaths: int = 0
    closes: int = 0
    has_overrun: bool = False

    def put(self, pid: int, process: Process) -> State:
        """The state with one process changed."""
        processes = (*self.processes[:pid], process, *self.processes[pid + 1 :])
        return self._replace(processes=processes)

    def store(self, at: int, word: Word) -> State:
        """The state with one word changed."""
        return self._replace(words=(*self.words[:at], word, *self.words[at + 1 :]))


def beginning(setup: Setup) -> State:
    """Nothing claimed, nothing held, everyone alive."""
    words = (0,) * Layout(setup).size
    processes = (Process(),) * (len(setup.workers) + 2)
    return State(words, NOBODY, (), False, processes, (0,) * len(setup.wishes), ())
