"""The counter table as Python sees it; the only importer of the compiled module.

Every operation is one C call; what it promises and who may call it stands in
`native/s4_table_api.h`, what it is built on in `docs/internals/table.md`.  Here arguments become
those of C and codes become exceptions; on the hot path (`reserve`, `sent`, `settle`, `void`) codes
stay codes.

One process uses a table from one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import struct
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from s4fw.ledger._table import ffi, lib
from s4fw.ledger.amends import MISMATCH, Amends
from s4fw.ledger.records import (
    CellInfo,
    Mismatch,
    Recovered,
    Sizes,
    SlotInfo,
    SlotTaken,
    StaleValue,
    Swept,
    TableBusy,
    TableDamaged,
    TableError,
    TableFull,
    is_on_tmpfs,
)

__all__ = [
    "ALREADY",
    "BUSY",
    "CROWDED",
    "DENIED",
    "FROZEN",
    "FULL",
    "OK",
    "RING_FULL",
    "ROW_BYTES",
    "STALE",
    "UNMARKED",
    "CellInfo",
    "CellSet",
    "Mismatch",
    "Recovered",
    "Sizes",
    "SlotInfo",
    "SlotTaken",
    "StaleValue",
    "Swept",
    "Table",
    "TableBusy",
    "TableDamaged",
    "TableError",
    "TableFull",
    "is_on_tmpfs",
]

OK = 0
DENIED: int = lib.S4_DENIED  # the amount does not fit a cell: answer[0] is its place in the set
STALE: int = lib.S4_STALE  # a cell was closed or a value retired: intern and claim again
FROZEN: int = lib.S4_FROZEN  # spending is frozen: answer[0] is the cell's place, -1 for everything
FULL: int = lib.S4_FULL  # no lease is free
BUSY: int = lib.S4_BUSY  # the lock was not had in time: its holder is stopped
RING_FULL: int = lib.S4_RING_FULL  # only when strict: no room for the journal row
CROWDED: int = lib.S4_CROWDED  # the caller has as many leases open as it may
UNMARKED: int = lib.S4_UNMARKED  # it would pass a durable mark: answer[0] is the cell's place
ALREADY: int = lib.S4_ALREADY  # the lease is past, nothing was changed

MARKED_FROM: int = lib.S4_MARKED_FROM  # kinds of windows from here on have durable marks
ROW_BYTES: int = lib.S4_ROW_BYTES
SWEEP_S = 3600  # longer than an exchange lasts, and than a row waits to be drained

# Any: a struct prepared by `cell_set`, opaque to everyone else.
CellSet = Any

_CELL = struct.Struct("4Iq4I9q2Iq")
assert _CELL.size == ffi.sizeof("s4_cell_info")
assert MISMATCH.size == ffi.sizeof("s4_mismatch")

_tables: weakref.WeakSet[Table] = weakref.WeakSet()


def _forget_slots() -> None:
    """In a forked child: the parent's slot is the parent's; its lock must not live on in us."""
    for table in _tables:
        table._forget_slot()


os.register_at_fork(after_in_child=_forget_slots)


def usual_slots() -> int:
    """How many slots a table has unless told otherwise: for two generations of workers and more."""
    return max(16, 2 * (os.cpu_count() or 1) + 8)


class Table(Amends):
    """One mapped table in this process.  `answer` is filled by each `reserve`: see there."""

    _lib, _ffi = lib, ffi

    def __init__(self, handle: Any, path: Path) -> None:
        self._t = handle
        self.path = path
        sizes = ffi.new("s4_sizes *")
        lib.s4_table_sizes(handle, sizes)
        self.sizes = Sizes(*(getattr(sizes, name) for name in Sizes._fields))
        self.slot = -1  # the slot of this process, -1 before `join`
        self._views: list[memoryview] = []
        self._counters: dict[int, memoryview] = {}
        self._value = ffi.new("uint8_t[]", lib.S4_VALUE_BYTES)
        self._word = ffi.new("uint32_t *")
        self.answer = self._view(lib.s4_table_answer(handle), 8 * (2 + 2 * lib.S4_CELLS_MAX), "q")
        self._row = self._view(lib.s4_table_staging(handle), ROW_BYTES, "B")
        _tables.add(self)

    def __repr__(self) -> str:
        state = "closed" if self._t is None else f"slot {self.slot}" if self.slot >= 0 else "open"
        return f"<Table {self.path} {state}>"

    def _view(self, pointer: Any, size: int, form: str) -> memoryview:
        """Shared memory as Python sees it.  Every slice of it keeps the mapping in place."""
        keeper = ffi.gc(pointer, lambda _, handle=self._t: None)
        shared: Any = memoryview(ffi.buffer(keeper, size)).cast("B")
        view: memoryview = shared.cast(form)
        self._views.append(view)
        return view

    # -- the file

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        slots: int | None = None,
        cells: int = 16384,
        leases: int = 4096,
        values: int = 65536,
        rows: int = 4096,
    ) -> Table:
        """Make a table where there is none and attach it.  Master only.

        Raises FileExistsError, OSError (no space, no permission), ValueError (sizes).
        """
        slots = slots if slots is not None else usual_slots()
        problem = ffi.new("char[]", lib.S4_PROBLEM_BYTES)
        code = lib.s4_table_create(os.fsencode(path), slots, cells, leases, values, rows, problem)
        sentence = ffi.string(problem).decode(errors="replace")
        if code == lib.S4_TAKEN:
            raise FileExistsError(sentence)
        if code == lib.S4_INVALID:
            raise ValueError(sentence)
        if code != OK:
            raise OSError(ffi.errno, sentence)
        return cls.attach(path)

    @classmethod
    def attach(cls, path: Path | str) -> Table:
        """Map an existing table, whatever its sizes; changes nothing in it.

        Raises FileNotFoundError, or TableDamaged with a sentence: foreign, newer, torn, truncated,
        unreadable or read-only.
        """
        problem = ffi.new("char[]", lib.S4_PROBLEM_BYTES)
        code = ffi.new("int *")
        handle = lib.s4_table_attach(os.fsencode(path), code, problem)
        if handle:
            return cls(ffi.gc(handle, lib.s4_table_detach), Path(path))
        sentence = ffi.string(problem).decode(errors="replace")
        if code[0] == lib.S4_MISSING:
            raise FileNotFoundError(f"{path}: {sentence}")
        raise TableDamaged(f"the counter table {path} cannot be used: {sentence}")

    def reset_lock_if_alone(self) -> bool:
        """Apply what a dead owner committed, check every list and make the lock anew.

        Master only, under its master lock, before it forks.  False, and nothing changed, while any
        other process has the table attached.  Raises TableDamaged when a list is broken.
        """
        problem = ffi.new("char[]", lib.S4_PROBLEM_BYTES)
        code: int = lib.s4_table_reset_if_alone(self._t, problem)
        sentence = f"{self.path}: {ffi.string(problem).decode(errors='replace')}"
        if code == lib.S4_DAMAGED:
            raise TableDamaged(f"the counter table cannot be used: {sentence}")
        if code < 0:
            raise OSError(ffi.errno, sentence)
        return code == 1

    def close(self) -> None:
        """Leave the slot as by death and unmap the table, once nobody holds a slice of a view."""
        if self._t is None:
            return
        handle, self._t, self.slot = self._t, None, -1
        _tables.discard(self)
        lib.s4_table_forget_slot(handle)
        self._counters.clear()
        for view in self._views:
            with contextlib.suppress(BufferError):  # in use by a call further up
                view.release()
        self._views.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- values

    def intern(self, dimension: int, value: bytes, most: int = 0) -> int:
        """The id of a value, >= 1; its dimension's `other` when there are `most` or no room.

        Raises TableFull only for dimensions from 8 on, which have no `other`; TableBusy; ValueError
        when the value is empty or longer than 128 bytes.
        """
        value_id: int = lib.s4_table_intern(self._t, dimension, value, len(value), most)
        if value_id < 0:
            self._raise(value_id, "intern a value")
        return value_id

    def is_other(self, value_id: int) -> bool:
        """Whether an id is the `other` of its dimension, shared by all that had no room."""
        return 1 <= value_id <= int(lib.S4_DIMENSIONS)

    def value(self, value_id: int) -> tuple[int, bytes]:
        """Dimension and text of an id.  Raises KeyError."""
        length = lib.s4_table_value(self._t, value_id, self._word, self._value)
        if length < 0:
            raise KeyError(value_id)
        return self._word[0], ffi.buffer(self._value, length)[:]

    def sweep_values(self, interval_s: int = SWEEP_S) -> Swept:
        """Retire values nobody used for an interval and free those retired before.  Steward only.

        Does nothing before the interval is over.  Afterwards every set of cells is stale (`reserve`
        says so once), and whoever remembers names of ids must forget them when any was emptied.
        """
        out = ffi.new("s4_swept *")
        code = lib.s4_table_sweep_values(self._t, interval_s * 1_000_000_000, out)
        if code != OK:
            self._raise(code, "sweep the values")
        return Swept(out.retired, out.emptied)

    # -- cells

    def claim(
        self,
        budget: int,
        kind: int,
        start_s: int,
        ids: Sequence[int],
        limit_nusd: int,
        stated_nusd: int,
    ) -> tuple[int, int]:
        """Find or open the cell of a key: (index, generation).  An existing one keeps its limits.

        Raises TableFull, TableBusy, StaleValue.
        """
        index: int = lib.s4_table_claim(
            self._t, budget, kind, start_s, ids, len(ids), limit_nusd, stated_nusd, self._word
        )
        if index == STALE:
            raise StaleValue("claim a cell: a value was retired")
        if index < 0:
            self._raise(index, "claim a cell")
        return index, self._word[0]

    def set_limit(self, cell: int, generation: int, limit_nusd: int, stated_nusd: int) -> bool:
        """Write new limits, also below `used`; False when the cell was closed meanwhile."""
        code = lib.s4_table_set_limit(self._t, cell, generation, limit_nusd, stated_nusd)
        return self._done(code, "set a limit")

    def close_cell(self, cell: int, generation: int) -> bool:
        """Close a cell; False when a lease names it or it was closed meanwhile."""
        return self._done(lib.s4_table_close_cell(self._t, cell, generation), "close a cell")

    def _done(self, code: int, what: str) -> bool:
        if code in (OK, lib.S4_STALE, lib.S4_IN_USE):
            return code == OK
        self._raise(code, what)

    def cells(self) -> list[CellInfo]:
        """All open cells, each as of one instant; takes no lock."""
        room = 512
        cursor, out = ffi.new("uint32_t *"), ffi.new("s4_cell_info[]", room)
        found: list[CellInfo] = []
        n = room
        while n == room:
            n = self._copy_cells(cursor, out, room, found)
        return found

    def cell(self, index: int) -> CellInfo:
        """The open cell of an index.  Raises KeyError."""
        found: list[CellInfo] = []
        self._copy_cells(ffi.new("uint32_t *", index), ffi.new("s4_cell_info[]", 1), 1, found)
        if not found or found[0].index != index:
            raise KeyError(index)
        return found[0]

    def _copy_cells(self, cursor: Any, out: Any, room: int, into: list[CellInfo]) -> int:
        n: int = lib.s4_table_cells(self._t, cursor, out, room)
        if n < 0:
            self._raise(n, "read the cells")
        for f in _CELL.iter_unpack(ffi.buffer(out, n * _CELL.size)):
            ids = tuple(i for i in f[5:9] if i)
            into.append(CellInfo._make((*f[:5], ids, *f[9:18], bool(f[18]), f[20])))
        return n

    # -- leases: the hot path

    def cell_set(self, cells: Sequence[tuple[int, int]], ids: Sequence[int]) -> CellSet:
        """Prepare (index, generation) pairs and the value ids of who pays for many reserves.

        At most 8 cells, none twice; `ids` by DIMENSIONS, 0 for none.  Raises StaleValue.
        """
        indices = [index for index, _ in cells]
        generations = [generation for _, generation in cells]
        out = ffi.new("s4_cell_set *")
        values = [*ids, *[0] * (8 - len(ids))]
        code = lib.s4_table_cell_set(self._t, out, indices, generations, len(cells), values)
        if code == STALE:
            raise StaleValue("prepare a set of cells: a value was retired")
        if code != OK:
            self._raise(code, "prepare a set of cells")
        return out

    def reserve(self, cells: CellSet, amount_nusd: int, request: bytes, price: int) -> int:
        """Hold an amount in all cells of a set or in none: a lease >= 0, or a code < 0.

        `request` is 16 bytes.  Fills `answer`: [0] the place in the set of the cell that refused
        (-1: all of them), [1] a bit for each cell whose stated limit is now passed, [2 + i] what
        cell i has used, with this hold or at the denial, [10 + i] its stated limit.
        """
        lease: int = lib.s4_table_reserve(self._t, cells, amount_nusd, request, price)
        return lease

    def sent(self, lease: int) -> None:
        """Record that upstream bytes follow: a crash from here on charges the amount."""
        lib.s4_table_sent(self._t, lease)

    def settle(self, lease: int, actual_nusd: int, accrued: bool) -> int:
        """Resolve with what was charged and publish the row: 0, ALREADY, or BUSY (call again).

        BUSY comes after 50 ms, when the holder of the lock is stopped; the lease and the prepared
        row are as before.
        """
        try:
            code: int = lib.s4_table_settle(self._t, lease, actual_nusd, accrued)
        except OverflowError:  # beyond any money; the table saturates
            code = lib.s4_table_settle(self._t, lease, 2**63 - 1, accrued)
        return code

    def void(self, lease: int) -> int:
        """Give the amount back and publish the row; codes as for `settle`."""
        code: int = lib.s4_table_void(self._t, lease)
        return code

    def correct(self, cell: int, generation: int, delta_nusd: int) -> bool:
        """Book a later truth on one cell, with a row of its own; False when it was closed."""
        code = lib.s4_table_correct(self._t, cell, generation, delta_nusd)
        return self._done(code, "correct a cell")

    # -- journal

    def row(self) -> memoryview:
        """The record to fill before settle, void, correct or publish, blank at first.

        256 bytes, always the same ones: they are copied into the ring by the call that publishes
        them.  A full ring drops the row and counts the gap; the money goes on.
        """
        return self._row

    def publish(self) -> None:
        """Publish the row of something that moved no money."""
        lib.s4_table_publish(self._t)

    def drain(self, slot: int, tail: int, limit: int) -> tuple[bytes, int]:
        """Copy up to `limit` published rows from `tail` on: (records, new tail).  Steward only.

        Raises ValueError when `tail` is not between the ring's own tail and its head.
        """
        out = ffi.new("s4_row[]", max(1, min(limit, self.sizes.rows)))
        n = lib.s4_table_drain(self._t, slot, tail, out, min(limit, self.sizes.rows))
        if n < 0:
            self._raise(n, f"drain slot {slot}")
        return ffi.buffer(out, n * ROW_BYTES)[:], tail + n

    def advance_tail(self, slot: int, tail: int) -> None:
        """Free the rows before `tail` for reuse: they are kept elsewhere now.  Steward only."""
        code = lib.s4_table_advance_tail(self._t, slot, tail)
        if code != OK:
            self._raise(code, f"advance the tail of slot {slot}")
