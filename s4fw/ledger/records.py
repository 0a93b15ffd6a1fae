"""What the counter table tells: its records as plain tuples, where it lies, what can go wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


def other_id(dimension: int) -> int:
    """The id of a dimension's `other`, which is there from the start."""
    return dimension + 1


class TableError(Exception):
    """A table cannot do what was asked of it; the message is a sentence."""


class TableDamaged(TableError):
    """The file is not a whole table of this version.  It is never replaced or zeroed."""


class TableFull(TableError):
    """No record of the kind asked for is free."""


class TableBusy(TableError):
    """The lock was not had in time: its holder is stopped.  Nothing happened; try again."""


class SlotTaken(TableError):
    """The slot is live, or holds leases of a dead owner that were not recovered."""


class StaleValue(TableError):
    """A value id was retired: intern the values again."""


class Sizes(NamedTuple):
    """Capacity, fixed when the table was made; leases and rows are of each slot."""

    slots: int
    cells: int
    leases: int
    values: int
    rows: int
    bytes: int


class CellInfo(NamedTuple):
    """One open cell as of one instant; amounts in nano-USD, `ids` without trailing zeros."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    generation: int
    budget: int  # value id
    kind: int
    start_s: int
    ids: tuple[int, ...]
    limit: int  # enforced
    stated: int  # shown; differs for a shadow budget
    used: int
    charged: int
    accrued: int
    open_leases: int
    denials: int
    overrun: int
    touched_ns: int  # monotonic clock of the last claim or reserve
    is_frozen: bool
    arrival_ns: int  # of a cell that paces requests (see `rates`), else its mark

    @property
    def mark(self) -> int:
        """The durable mark of a cell with money: `used` does not pass it unseen by the disk."""
        return self.arrival_ns


class SlotInfo(NamedTuple):
    """One slot; each word is right on its own."""

    slot: int
    kind: int
    pid: int  # 0: left cleanly or recovered
    incarnation: int
    is_live: bool
    heartbeat_age_ms: int
    open_leases: int
    generation: int  # the configuration its owner acknowledged
    state: int  # 0 starting, 1 ready, 2 draining
    ring_lag: int
    tail: int
    dropped: int  # journal rows dropped because the ring was full
    counters: tuple[int, ...]


class Recovered(NamedTuple):
    """What the recovery of a dead slot resolved."""

    voided: int
    accrued: int
    accrued_nusd: int


class Swept(NamedTuple):
    """What a sweep of the values did."""

    retired: int  # their text would get another id from now on
    emptied: int  # their ids may mean something else from now on


class Mismatch(NamedTuple):
    """A cell whose hold is not the sum of the leases that name it: a bug, or a damaged file."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    budget: int
    held: int
    held_by_leases: int
    open_leases: int
    open_leases_found: int


def is_on_tmpfs(path: Path) -> bool:
    """Whether a path lies in memory.  Elsewhere write-back can stall a store: worth a warning."""
    real = os.path.realpath(path)
    found, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, folder, file_system, *_ = line.split(" ")
        folder = folder.encode().decode("unicode_escape")  # spaces are written as \040
        is_above = real == folder or real.startswith(folder.rstrip("/") + "/")
        if is_above and len(folder) >= len(found):
            found, kind = folder, file_system
    return kind in ("tmpfs", "ramfs")
