"""The calls of `mirror.Mirror` on the compiled table: two workers and a steward in one process.

A worker is a handle of its own with its own slot; to close it drops the slot as death does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from s4fw.ledger import table as t
from s4fw.ledger.rates import Rate
from s4fw.ledger.table import StaleValue, Table, TableFull
from tests.model.mirrored import EVENT, FULL, OTHERS, STALE, Key, Place, Size

REQUEST = bytes(range(16))
_ROW = struct.Struct("<Q24xBxxB100xqq44xI56x")
assert _ROW.size == t.ROW_BYTES


class Driver:
    """A table in a file of its own; workers are slots 0, 1, ..."""

    def __init__(self, path: Path, size: Size, is_strict: tuple[bool, ...]) -> None:
        self.path, self.is_strict = path, is_strict
        self.steward = Table.create(
            path,
            slots=len(is_strict),
            cells=size.cells,
            leases=size.leases,
            values=size.values,
            rows=size.rows,
        )
        self.workers: list[Table] = [self.join(w) for w in range(len(is_strict))]
        self.sets: list[Any] = [None] * len(is_strict)
        self.tails = [0] * len(is_strict)

    @classmethod
    def after_death(cls, path: Path, is_strict: tuple[bool, ...]) -> Driver:
        """A new steward over the table of processes that died."""
        driver = cls.__new__(cls)
        driver.path, driver.is_strict = path, is_strict
        driver.steward = Table.attach(path)
        driver.workers, driver.sets, driver.tails = [], [], [0] * len(is_strict)
        return driver

    def join(self, w: int) -> Table:
        """A worker begins."""
        worker = Table.attach(self.path)
        worker.join(w)
        worker.set_strict(self.is_strict[w])
        return worker

    def close_all(self) -> None:
        """The end of the test."""
        for table in (*self.workers, self.steward):
            table.close()

    def intern(self, dimension: int, text: bytes, most: int) -> int:
        """As Mirror's."""
        try:
            return self.steward.intern(dimension, text, most)
        except TableFull:
            return FULL

    def sweep(self) -> tuple[int, int]:
        """As Mirror's."""
        retired, emptied = self.steward.sweep_values(0)
        return retired, emptied

    def claim(self, key: Key, limit: int, stated: int) -> Place | int:
        """As Mirror's."""
        try:
            return self.steward.claim(*key, limit, stated)
        except StaleValue:
            return STALE
        except TableFull:
            return FULL

    def set_limit(self, place: Place, limit: int, stated: int) -> bool:
        """As Mirror's."""
        return self.steward.set_limit(*place, limit, stated)

    def close(self, place: Place) -> bool:
        """As Mirror's."""
        return self.steward.close_cell(*place)

    def freeze(self, budget: int) -> None:
        """As Mirror's."""
        self.steward.freeze(budget)

    def release(self, budget: int) -> None:
        """As Mirror's."""
        self.steward.release(budget)

    def prepare(
        self,
        w: int,
        places: tuple[Place, ...],
        values: tuple[int, ...],
        caller: Place | None = None,
        most: int = 0,
        held_max: int = 0,
    ) -> int:
        """As Mirror's."""
        try:
            self.sets[w] = self.workers[w].cell_set(places, values)
            if caller:
                self.workers[w].limit_open(self.sets[w], *caller, most)
                if held_max:
                    self.workers[w].limit_held(self.sets[w], held_max)
        except StaleValue:
            return STALE
        return 0

    def reserve(self, w: int, amount: int) -> tuple[int, int, int]:
        """As Mirror's."""
        worker = self.workers[w]
        lease = worker.reserve(self.sets[w], amount, REQUEST, 1)
        place = -1 if lease >= 0 or lease in (t.FULL, t.RING_FULL) else worker.answer[0]
        return lease, place, worker.answer[1] if lease >= 0 else 0

    def arrive(self, rates: tuple[tuple[Place, int, int], ...], now_ns: int) -> tuple[int, int]:
        """As Mirror's."""
        rate_set = self.steward.rate_set(
            [Rate(*place, interval_ns, burst) for place, interval_ns, burst in rates]
        )
        wait_ns = self.steward.arrive(rate_set, now_ns)
        return wait_ns, self.steward.answer[0] if wait_ns else -1

    def sent(self, w: int, handle: int) -> None:
        """As Mirror's."""
        self.workers[w].sent(handle)

    def settle(self, w: int, handle: int, actual: int, is_accrued: bool) -> int:
        """As Mirror's."""
        return self.workers[w].settle(handle, actual, is_accrued)

    def void(self, w: int, handle: int) -> int:
        """As Mirror's."""
        return self.workers[w].void(handle)

    def correct(self, w: int, place: Place, delta: int) -> bool:
        """As Mirror's."""
        return self.workers[w].correct(*place, delta)

    def set_marked(self, w: int, is_marked: bool) -> None:
        """As Mirror's."""
        self.workers[w].set_marked(is_marked)

    def set_mark(self, place: Place, mark: int) -> bool:
        """As Mirror's."""
        return self.steward.set_mark(*place, mark)

    def raise_charged(
        self, w: int, place: Place, charged: int, is_accrued: bool, has_row: bool
    ) -> bool:
        """As Mirror's."""
        return self.workers[w].raise_charged(*place, charged, is_accrued, has_row)

    def crash(self, w: int) -> tuple[int, int, int]:
        """As Mirror's; another worker takes the slot."""
        self.workers[w].close()
        voided, accrued, accrued_nusd = self.steward.recover(w, 1)
        self.workers[w] = self.join(w)
        return voided, accrued, accrued_nusd

    def publish(self, w: int) -> None:
        """As Mirror's."""
        self.workers[w].row()[32] = EVENT
        self.workers[w].publish()

    def drain(self, w: int, most: int) -> list[tuple[int, ...]]:
        """As Mirror's."""
        rows, self.tails[w] = self.steward.drain(w, self.tails[w], most)
        self.steward.advance_tail(w, self.tails[w])
        return [*_ROW.iter_unpack(rows)]

    def view(self) -> dict[str, Any]:
        """As Mirror's; the audit has found nothing on the way."""
        assert [] == self.steward.audit(0, self.steward.sizes.cells)
        cells = {c.index: (*c[1:14], c.is_frozen, c.arrival_ns) for c in self.steward.cells()}
        slots = [(s.open_leases, s.ring_lag, s.dropped) for s in self.steward.slots()]
        return {
            "cells": cells,
            "slots": slots,
            "frozen": self.steward.frozen(),
            "values": self.values(),
        }

    def values(self) -> dict[int, tuple[int, bytes]]:
        """All records that are not empty, but for `other`."""
        found = {}
        for number in range(OTHERS + 1, self.steward.sizes.values + 1):
            try:
                found[number] = self.steward.value(number)
            except KeyError:
                continue
        return found
