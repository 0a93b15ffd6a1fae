"""Amends: what the master and the steward change in cells apart from what requests do, and how
they stop all spending.

The compiled module is imported in `table.py` only and reaches this class as an attribute.
"""

from __future__ import annotations

import struct

from s4fw.ledger.published import PublishedWords
from s4fw.ledger.records import Mismatch, TableDamaged

MISMATCH = struct.Struct("2I4q")  # s4_mismatch
_AUDIT_ROOM = 1024


class Amends(PublishedWords):
    """Nothing here ever lowers what is charged."""

    def set_mark(self, cell: int, generation: int, mark_nusd: int) -> bool:
        """Let a cell be used up to here: it stands on the disk.  False when it was closed."""
        code = self._lib.s4_table_set_mark(self._t, cell, generation, mark_nusd)
        return self._is_done(code, "set a mark")

    def raise_charged(
        self, cell: int, generation: int, charged_nusd: int, accrued: bool, has_row: bool = False
    ) -> bool:
        """Move `charged` of a cell up to an amount, never down; False when it was closed.

        With `has_row` the prepared row goes with it, into the ring of the own slot.
        """
        code = self._lib.s4_table_raise(self._t, cell, generation, charged_nusd, accrued, has_row)
        return self._is_done(code, "raise a cell")

    def recount(self, cell: int, generation: int) -> Mismatch | None:
        """Make a cell equal to its leases without lowering what is used; what was wrong, if any.

        A hold that no lease explains is charged as accrued, with the prepared row.
        """
        out = self._ffi.new("s4_mismatch *")
        code = self._lib.s4_table_recount(self._t, cell, generation, out)
        if not self._is_done(code, "recount a cell") or not out.budget:
            return None
        return Mismatch(
            out.index, out.budget, out.held, out.held_by_leases, out.open, out.open_leases
        )

    def check(self) -> None:
        """Walk every list, under the lock.  Raises TableDamaged, TableBusy."""
        problem = self._ffi.new("char[]", self._lib.S4_PROBLEM_BYTES)
        code = self._lib.s4_table_check(self._t, problem)
        if code == self._lib.S4_DAMAGED:
            sentence = self._ffi.string(problem).decode(errors="replace")
            raise TableDamaged(f"the counter table is damaged: {sentence}")
        if code != self._lib.S4_OK:
            self._raise(code, "check the table")

    def freeze(self, budget: int = 0) -> None:
        """Stop all spending, or that of one budget (its value id), in all processes at once."""
        code = self._lib.s4_table_freeze(self._t, budget)
        if code != self._lib.S4_OK:
            self._raise(code, "freeze")

    def release(self, budget: int = 0) -> None:
        """Let spending go on; what was frozen otherwise stays frozen."""
        code = self._lib.s4_table_release(self._t, budget)
        if code != self._lib.S4_OK:
            self._raise(code, "release")

    def frozen(self) -> tuple[int, ...]:
        """The frozen budgets; 0 stands for everything."""
        out = self._ffi.new("uint32_t[]", self._lib.S4_FROZEN_MAX + 1)
        return tuple(self._ffi.unpack(out, self._lib.s4_table_frozen(self._t, out)))

    def audit(self, start: int, count: int) -> list[Mismatch]:
        """Compare up to 1,024 cells with the leases, under the lock; freezes what is wrong.

        Steward only.  `count` is cut at the end of the table.
        """
        count = min(count, _AUDIT_ROOM, self.sizes.cells - start)
        out = self._ffi.new("s4_mismatch[]", max(1, count))
        n = self._lib.s4_table_audit(self._t, start, count, out, count)
        if n < 0:
            self._raise(n, "audit")
        records = MISMATCH.iter_unpack(self._ffi.buffer(out, n * MISMATCH.size))
        found = [Mismatch._make(record) for record in records]
        for budget in {mismatch.budget for mismatch in found}:
            self.freeze(budget)
        return found

    def _is_done(self, code: int, what: str) -> bool:
        if code not in (self._lib.S4_OK, self._lib.S4_STALE):
            self._raise(code, what)
        return bool(code == self._lib.S4_OK)
