"""The slots of the counter table: who owns one, whether the owner lives, what it leaves behind.

The part of `Table` that is about processes.  The compiled module is imported in `table.py` only and
reaches this class as an attribute.
"""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Any, NoReturn

from s4fw.core.counter import COUNTER_INDEX, GAUGES
from s4fw.core.reason import Reason
from s4fw.ledger.records import (
    Recovered,
    Sizes,
    SlotInfo,
    SlotTaken,
    TableBusy,
    TableDamaged,
    TableFull,
)


class SlotCalls:
    """What a process does with its own slot, and the master with those of the dead."""

    _lib: Any
    _ffi: Any
    _t: Any  # the handle, None once closed
    sizes: Sizes
    slot: int  # of this process, -1 before `join`
    _counters: dict[int, memoryview]

    def _view(self, pointer: Any, size: int, form: str) -> memoryview:
        raise NotImplementedError

    def join(self, slot: int, kind: int = 0) -> None:
        """Own a slot from now until death or `leave`.  Called after fork by the process itself.

        Raises SlotTaken when it is live or holds unrecovered leases.
        """
        code = self._lib.s4_table_join(self._t, slot, kind)
        if code == self._lib.S4_TAKEN:
            raise SlotTaken(f"slot {slot} is live, or holds leases of a dead process")
        if code != self._lib.S4_OK:
            self._raise(code, f"join slot {slot}")
        self.slot = slot
        counters = self.counters()
        for gauge in GAUGES:
            counters[COUNTER_INDEX[gauge]] = 0

    def leave(self) -> None:
        """Leave the slot with nothing open.  With leases open it counts as dead: recovered."""
        self._lib.s4_table_leave(self._t)
        self.slot = -1

    def _forget_slot(self) -> None:
        self._lib.s4_table_forget_slot(self._t)
        self.slot = -1

    def beat(self) -> None:
        """Show that this process is alive and not stuck."""
        self._lib.s4_table_beat(self._t)

    def set_state(self, word: int) -> None:
        """The state of the own slot: 0 starting, 1 ready, 2 draining."""
        self._lib.s4_table_set_state(self._t, word)

    def set_generation(self, generation: int) -> None:
        """Acknowledge a configuration generation in the own slot."""
        self._lib.s4_table_set_generation(self._t, generation)

    def set_strict(self, is_strict: bool) -> None:
        """Whether `reserve` refuses (RING_FULL) where its journal row would have no room."""
        self._lib.s4_table_set_strict(self._t, is_strict)

    def set_marked(self, is_marked: bool) -> None:
        """Whether `reserve` stays below the durable marks of the cells (UNMARKED)."""
        self._lib.s4_table_set_marked(self._t, is_marked)

    def slots(self) -> list[SlotInfo]:
        """All slots, used or not; asks the kernel of each whether it is live."""
        out = self._ffi.new("s4_slot_info *")
        return [self._slot_info(out, slot) for slot in range(self.sizes.slots)]

    def ring_lag(self, slot: int) -> int:
        """How many rows of a slot's ring wait to be read."""
        return self._slot_info(self._ffi.new("s4_slot_info *"), slot).ring_lag

    def _slot_info(self, out: Any, slot: int) -> SlotInfo:
        self._lib.s4_table_slot_info(self._t, slot, out)
        return SlotInfo(
            slot=slot,
            kind=out.kind,
            pid=out.pid,
            incarnation=out.incarnation,
            is_live=bool(out.is_live),
            heartbeat_age_ms=max(0, monotonic_ns() - out.heartbeat_ns) // 1_000_000,
            open_leases=out.open,
            generation=out.generation,
            state=out.state,
            ring_lag=out.head - out.tail,
            tail=out.tail,
            dropped=out.dropped,
            counters=tuple(self._ffi.unpack(out.counters, self._lib.S4_COUNTERS)),
        )

    def free_slot(self) -> int:
        """The first slot that is not live, holds nothing and has an empty ring.

        Raises TableFull.
        """
        slot: int = self._lib.s4_table_free_slot(self._t)
        if slot < 0:
            self._raise(slot, "find a free slot")
        return slot

    def recover(self, slot: int, now_ns: int) -> Recovered:
        """Resolve every lease of a dead slot: reserved is voided, sent is charged in full.

        Master only.  `now_ns` is wall clock, for the journal rows.  Raises SlotTaken when the slot
        is live, TableBusy when to be called again: what was resolved until then stays resolved, and
        is not told again.
        """
        out = self._ffi.new("s4_recovered *")
        code = self._lib.s4_table_recover(self._t, slot, now_ns, Reason.WORKER_CRASH, out)
        if code == self._lib.S4_TAKEN:
            raise SlotTaken(f"slot {slot} is live")
        if code != self._lib.S4_OK:
            self._raise(code, f"recover slot {slot}")
        return Recovered(out.voided, out.accrued, out.accrued_nusd)

    def counters(self, slot: int | None = None) -> memoryview:
        """The counters of a slot in shared memory, of the own one when none is named.

        Only the slot's owner writes: `counters[i] += 1`.
        """
        slot = self.slot if slot is None else slot
        if slot not in self._counters:
            pointer = self._lib.s4_table_counters(self._t, slot)
            if not pointer:
                raise ValueError(f"there is no slot {slot}")
            self._counters[slot] = self._view(pointer, 8 * self._lib.S4_COUNTERS, "Q")
        return self._counters[slot]

    def _raise(self, code: int, what: str) -> NoReturn:
        """Turn the code of a call that is not on the hot path into its exception."""
        lib, errno = self._lib, self._ffi.errno
        if code == lib.S4_BUSY:
            raise TableBusy(f"{what}: the lock of the table is held by a stopped process")
        if code == lib.S4_FULL:
            raise TableFull(f"{what}: the table is full")
        if code == lib.S4_DAMAGED:
            raise TableDamaged(f"{what}: the table is damaged")
        if code == lib.S4_SYSTEM:
            raise OSError(errno, f"{what}: {os.strerror(errno)}")
        raise ValueError(f"{what}: out of range")
