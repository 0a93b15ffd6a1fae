"""Amends: what the master and the steward change in cells apart from what requests do.

The compiled module is imported in `table.py` only and reaches this class as an attribute.
"""

from __future__ import annotations

from s4fw.ledger.published import PublishedWords
from s4fw.ledger.records import Mismatch, TableDamaged


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

    def _is_done(self, code: int, what: str) -> bool:
        if code not in (self._lib.S4_OK, self._lib.S4_STALE):
            self._raise(code, what)
        return bool(code == self._lib.S4_OK)
