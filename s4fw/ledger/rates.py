"""Rates and callers in the counter table: how often a caller may come, how many leases it may hold.

The part of `Table` for `native/s4_table_rates.c`, where the algorithm stands.  The compiled module
is imported in `table.py` only and reaches this class as an attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from s4fw.ledger.slots import SlotCalls


class Rate(NamedTuple):
    """A request each `interval_ns`, of which `burst` may come at once, counted in one cell."""

    cell: int
    generation: int
    interval_ns: int
    burst: int


# Any: structs prepared by `rate_set` and `cell_set`, opaque to everyone else.
RateSet = Any


class RateCalls(SlotCalls):
    """What concerns the callers' pace; any process may call, none needs a slot."""

    def rate_set(self, rates: Sequence[Rate]) -> RateSet:
        """Prepare up to 2 rates, the caller's own first, for many arrivals."""
        return self._ffi.new("s4_rate[]", [tuple(rate) for rate in rates])

    def arrive(self, rates: RateSet, now_ns: int) -> int:
        """A request takes its turn in each rate or in none: 0, the ns to wait, or a code < 0.

        The wait is at most the interval of the rate that refuses, whose place is `answer[0]`; codes
        are STALE (its cell was closed: claim again) and BUSY.  `now_ns` is the monotonic clock.
        Raises ValueError for a rate out of range.
        """
        wait_ns: int = self._lib.s4_table_arrive(self._t, rates, len(rates), now_ns)
        if wait_ns == self._lib.S4_INVALID:
            self._raise(wait_ns, "count a request")
        return wait_ns

    def limit_open(self, cells: Any, cell: int, generation: int, most: int) -> None:
        """Count the leases of a set of cells in `cell` too; `reserve` is CROWDED with `most` open.

        The cell is claimed without money and is none of the set.
        """
        code = self._lib.s4_table_limit_open(self._t, cells, cell, generation, most)
        if code != self._lib.S4_OK:
            self._raise(code, "limit the leases of a caller")

    def limit_held(self, cells: Any, most_nusd: int) -> None:
        """Let `reserve` be CROWDED, too, where the caller of a set holds something already and
        would hold more than this with it; after `limit_open`."""
        code = self._lib.s4_table_limit_held(cells, most_nusd)
        if code != self._lib.S4_OK:
            self._raise(code, "limit what a caller holds")
