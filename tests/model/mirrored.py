"""What the mirror holds: cells, leases, workers with their rows, values; and the codes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

OK, DENIED, STALE, FROZEN, FULL, RING_FULL, ALREADY = 0, -1, -2, -3, -4, -6, -7
CROWDED = -14
UNMARKED = -15
SETTLED, VOIDED, CORRECTED, RECOVERED, GAP, EVENT = 1, 2, 4, 5, 6, 7
NO_END = 1 << 30
NUSD_MAX = 1 << 62
MARKED_FROM = 2  # kinds of windows from here on have durable marks
CELLS_KEPT = 16  # one cell in so many is kept for keys of `other` and of no values
OTHERS = 16  # the first ids are the `other` of each dimension
Key = tuple[int, int, int, tuple[int, ...]]  # budget, kind, start, value ids
Place = tuple[int, int]  # index, generation


@dataclass
class Size:
    """Capacities, as of the table that is mirrored."""

    cells: int
    leases: int
    values: int
    rows: int


@dataclass
class Cell:
    """One open cell."""

    key: Key
    generation: int
    limit: int
    stated: int
    charged: int = 0
    accrued: int = 0
    held: int = 0
    open: int = 0
    denials: int = 0
    overrun: int = 0
    arrival_ns: int = 0  # also the durable mark: no cell counts both money and requests


@dataclass
class Lease:
    """One open lease."""

    places: tuple[Place, ...]
    amount: int
    caller: int | None = None  # the cell that counts it, too
    is_sent: bool = False


@dataclass
class Slot:
    """One worker: its leases, and the rows nobody has drained yet."""

    is_strict: bool
    leases: dict[int, Lease] = field(default_factory=dict)  # by handle
    generations: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    rows: deque[tuple[int, ...]] = field(default_factory=deque)
    head: int = 0
    dropped: int = 0
    told: int = 0
    prepared: tuple[tuple[Place, ...], int] = ((), 0)  # a set of cells and its epoch
    caller: Place | None = None  # of that set, with how many leases it may have open
    open_max: int = 0
    held_max: int = 0  # and how much they may hold together; 0: no limit
    is_marked: bool = False  # reserves stay below durable marks


@dataclass
class Value:
    """One interned value."""

    dimension: int
    text: bytes
    cells: int = 0
    is_live: bool = True
    is_touched: bool = True  # since the sweep before
