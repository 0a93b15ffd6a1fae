"""Words of the counter table that the master publishes to everybody: clock, clean mark, generation.

The compiled module is imported in `table.py` only and reaches this class as an attribute.
"""

from __future__ import annotations

from collections.abc import Sequence

from s4fw.ledger.rates import RateCalls


class PublishedWords(RateCalls):
    """One writer, the master; anyone reads.  No lock."""

    def publish_clock(self, offset_ns: int, starts_s: Sequence[int]) -> None:
        """Publish the accepted clock and the start of each of the 6 window kinds.  Master only."""
        self._lib.s4_table_publish_clock(self._t, offset_ns, starts_s)

    def clock(self) -> tuple[int, tuple[int, ...]]:
        """What the master published last: (offset_ns, starts_s); zeros in a new table."""
        offset, starts = (
            self._ffi.new("int64_t *"),
            self._ffi.new("int64_t[]", self._lib.S4_WINDOWS),
        )
        self._lib.s4_table_clock(self._t, offset, starts)
        return offset[0], tuple(self._ffi.unpack(starts, self._lib.S4_WINDOWS))

    def set_clean(self, is_clean: bool) -> None:
        """Mark the table as stopped in order, or as in use.  Master only."""
        self._lib.s4_table_set_clean(self._t, is_clean)

    @property
    def is_clean(self) -> bool:
        """Whether the last stop was in order; true of a new table."""
        return bool(self._lib.s4_table_is_clean(self._t))

    def publish_generation(self, generation: int) -> None:
        """Publish the configuration generation that all processes should reach.  Master only."""
        self._lib.s4_table_publish_generation(self._t, generation)

    @property
    def generation(self) -> int:
        """The published configuration generation."""
        return int(self._lib.s4_table_generation(self._t))
