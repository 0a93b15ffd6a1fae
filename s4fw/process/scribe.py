"""Writes the ledger: journal rows become lines of the spool, each once, whatever dies in between.

Theory of operation.  A row stands in a ring of the shared table from the very step that moved its
money, and its room is given back only when it is kept.  So the rings are the ledger's write-ahead
log, and the ledger itself says how far it got: each line carries the slot and number of its row, a
segment's head those of the last rows before it.  After a death the next steward reads the newest
segment, skips rows that stand there already, and goes on.  No position is kept beside it that could
disagree.

`keep` comes before the sums of spend are written, and those before the room of rows is given back;
where it fails nothing further happens, and the rows wait.  When the spool is full, `refuse` lets
them wait until the rings are full too: workers then refuse what they could not record.  `drop`
leaves rows out, and a gap line says which; a gap that a death left unsaid is found by the numbers.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from s4fw.config.ledger import Ledger
from s4fw.core.attribution import DIMENSIONS
from s4fw.ledger import lines
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.ledger.segments import Line
from s4fw.observe.times import rfc3339, rfc3339_ms
from s4fw.process.cellscopes import CellScopes
from s4fw.process.spool import Spool, SpoolFull
from s4fw.process.tell import Tell

log: Final = logging.getLogger(__name__)

NAMED_MAX: Final = 20_000  # of parts that rows share: what is remembered as text
# Of one write: what a small spool can always take once there is room again.
LINES_AT_ONCE: Final = 256

Cell = tuple[int, int]  # index, generation


class _Waiting:
    """A row that is not written yet."""

    __slots__ = ("body", "cells", "charged_nusd", "seq", "slot")

    def __init__(self, row: JournalRow, body: bytes) -> None:
        self.slot = row.slot
        self.seq = row.seq
        self.body = body
        self.cells: tuple[Cell, ...] = row.cells
        self.charged_nusd = row.charged_nusd


class _Gap:
    """Rows of one slot that were left out, next to each other."""

    def __init__(self, first: int, why: str, nusd: int | None) -> None:
        self.first, self.last = first, first
        self.why = why
        self.nusd = nusd

    @property
    def rows(self) -> int:
        return self.last - self.first + 1


class Scribe:
    """The ledger's one writer.  `begin` once, `note` for each row, `keep` before rows are freed."""

    def __init__(
        self,
        spool: Spool,
        scopes: CellScopes,
        text_of: Callable[[int], str | None],
        hash_key: bytes,
        tell: Tell,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._scopes = scopes
        self._text_of = text_of  # of a value id
        self._hash_key = hash_key
        self._tell = tell
        self._wake = wake  # there may be sealed segments
        self._table = ""
        self._last: dict[int, int] = {}  # slot -> number of the last row that is written
        self._noted: dict[int, int] = {}  # the same, with those that wait
        self._waiting: list[_Waiting] = []
        self._gaps: dict[int, _Gap] = {}
        self._numbers: dict[Cell, int] = {}  # of cells, in the open segment
        self._numbered = 0
        self._tails: dict[tuple[Cell, ...], bytes] = {}  # their numbers as they are written
        self._named: dict[tuple[int, ...], str] = {}  # value ids -> who pays, as it is written
        self._steady: dict[tuple[object, ...], str] = {}  # what rows of one key have in common
        self._second, self._second_text = -1, ""
        self._is_stuck = False
        self._drops = False
        self._told_missing = 0  # rows of gap lines of this steward

    def adopt(self, config: Ledger) -> None:
        """Take a configuration: how names are written, how much may lie here, what then."""
        self._names = lines.Names(config.fields, self._hash_key)
        self.forget_names()
        self._scopes.adopt(self._names)
        self._spool.max_bytes = config.max_bytes
        self._spool.rotate_s = config.rotate_s
        self._drops = config.when_full == "drop"

    @property
    def is_behind(self) -> bool:
        """Whether rows wait for room: what their ids mean must not be forgotten meanwhile."""
        return self._is_stuck

    @property
    def missing(self) -> int:
        """Rows that this steward knows to be missing, in gap lines or about to be."""
        return self._told_missing + sum(gap.rows for gap in self._gaps.values())

    # -- beginning

    def begin(self, table: str, tails: Sequence[int], heads: Sequence[int]) -> None:
        """Go on where the ledger ends.  `tails` are the rows that were freed or summed up already,
        `heads` those that are published.  Raises OSError: then try again later."""
        self._spool.close()
        self._numbered = 0
        found = self._spool.open()
        last, is_known = self._read(found, table, heads)
        if found and self._spool.is_open and not is_known:
            self._spool.seal()
        self._table = table
        self._last = last if is_known else {s: t for s, t in enumerate(tails) if t}
        self._noted = dict(self._last)
        for slot, tail in enumerate(tails):
            if self._last.get(slot, 0) < tail:
                gap = _Gap(self._last.get(slot, 0) + 1, "not_recorded", None)
                gap.last = tail
                self._gaps[slot] = gap
                self._noted[slot] = tail
        self._ensure_segment()
        self._wake()  # segments of an earlier life may wait

    def _read(
        self, found: Sequence[Line], table: str, heads: Sequence[int]
    ) -> tuple[dict[int, int], bool]:
        """The last rows that a segment tells, and whether they are of these very rings."""
        if not found or found[0].content.get("table") != table:
            return {}, False
        last = {int(slot): int(seq) for slot, seq in found[0].content["after"].items()}
        for line in found[1:]:
            content = line.content
            if content["kind"] == "cell":
                self._numbered = max(self._numbered, content["cell"])
            elif "slot" in content:
                last[content["slot"]] = content.get("last") or content["seq"]
        is_known = all(slot < len(heads) and seq <= heads[slot] for slot, seq in last.items())
        return last, is_known

    def _ensure_segment(self) -> None:
        if not self._spool.is_open:
            self._spool.begin(self._table, self._last)
            self._numbers, self._numbered = {}, 0
            self._tails.clear()
            self._wake()

    # -- rows

    def note(self, row: JournalRow, names: Sequence[str | None]) -> None:
        """Take a row; `names` are its values by dimension."""
        if row.seq <= self._noted.get(row.slot, 0):
            return  # it was written before a death
        self._noted[row.slot] = row.seq
        at = self._moment(row.at_ns)
        if row.kind is Kind.GAP:
            body = lines.ring_gap_body(row, at)
            self._told_missing += row.dropped
        else:
            key = lines.steady_key(row)
            steady = self._steady.get(key)
            if steady is None:
                steady = self._made_steady(key, row, names)
            body = lines.body_of(row, at, steady)
        self._waiting.append(_Waiting(row, body))

    def _moment(self, at_ns: int) -> str:
        """RFC 3339 with milliseconds; most rows are of the same second as the one before."""
        second, rest = divmod(at_ns, 1_000_000_000)
        if second != self._second:
            self._second, self._second_text = second, rfc3339(second)[:-1]
        return f"{self._second_text}.{rest // 1_000_000:03d}Z"

    def _made_steady(
        self, key: tuple[object, ...], row: JournalRow, names: Sequence[str | None]
    ) -> str:
        named = self._named.get(row.values)
        if named is None:
            named = self._remembered(row.values, names)
        prices = self._text_of(row.price) if row.price else None
        part = lines.steady_part(row, named, prices, self._tools(row.tools_id))
        if len(self._steady) >= NAMED_MAX:
            self._steady.clear()
        self._steady[key] = part
        return part

    def _remembered(self, values: tuple[int, ...], names: Sequence[str | None]) -> str:
        """The part of a line that says who pays."""
        written = {}
        for dimension, name in zip(DIMENSIONS, names, strict=True):
            text = self._names.of(dimension, name) if name is not None else None
            if text is not None:
                written[dimension] = text
        if len(self._named) >= NAMED_MAX:
            self._named.clear()
        part = self._named[values] = lines.named_part(written)
        return part

    def forget_names(self) -> None:
        """Ids of values were freed and may mean others from now on."""
        self._named.clear()
        self._steady.clear()

    def _tools(self, tools_id: int) -> str | None:
        names = self._text_of(tools_id) if tools_id else None
        return self._names.of_tools(names) if names else None

    # -- keeping

    def keep(self) -> bool:
        """Write what waits.  False: not everything is written, so no row may be freed."""
        try:
            self._write_all()
        except (SpoolFull, OSError) as fault:
            self._stick(fault)
            if not self._drops:
                return False
            self._drop_waiting()
            return True
        if self._is_stuck:
            self._is_stuck = False
            self._tell("ledger_goes_on", "info", "the ledger is written again")
        return True

    def rest(self) -> None:
        """While no rows come: end a segment that is old, say which rows are missing."""
        if self._spool.is_due or self._gaps:
            self.keep()

    def _write_all(self) -> None:
        if self._spool.is_due:
            self._spool.seal()
        self._ensure_segment()
        if self._waiting or self._gaps:
            self._spool.measure()
        self._write_gaps()
        while self._waiting:
            if self._spool.is_due:
                self._spool.seal()
                self._ensure_segment()
            batch = self._waiting[:LINES_AT_ONCE]
            self._append(batch)
            del self._waiting[: len(batch)]

    def _append(self, batch: Sequence[_Waiting]) -> None:
        fresh: dict[Cell, int] = {}
        cells: list[bytes] = []
        rows: list[bytes] = []
        for row in batch:
            if row.cells:
                tail = self._tails.get(row.cells)
                if tail is None:
                    numbers = [self._number(cell, fresh, cells) for cell in row.cells]
                    tail = lines.cells_tail(numbers)
                    if not fresh:  # else they count only once they are written
                        self._tails[row.cells] = tail
                rows.append(row.body[:-1] + tail)
            else:
                rows.append(row.body)
        self._spool.append(cells + rows)
        self._numbers |= fresh
        self._numbered += len(fresh)
        for row in batch:
            self._last[row.slot] = row.seq

    def _number(self, cell: Cell, fresh: dict[Cell, int], bodies: list[bytes]) -> int:
        number = self._numbers.get(cell) or fresh.get(cell)
        if number is None:
            number = fresh[cell] = self._numbered + len(fresh) + 1
            bodies.append(lines.cell_body(number, self._scopes.of(cell)))
        return number

    def _write_gaps(self) -> None:
        if not self._gaps:
            return
        at = rfc3339_ms(time.time_ns())
        bodies = [
            lines.gap_body(at, slot, gap.first, gap.last, gap.why, gap.nusd)
            for slot, gap in sorted(self._gaps.items())
        ]
        self._spool.append(bodies)
        for slot, gap in self._gaps.items():
            self._last[slot] = gap.last
            self._told_missing += gap.rows
        self._gaps.clear()

    # -- no room

    def _stick(self, fault: Exception) -> None:
        if not self._is_stuck:
            errno = getattr(fault, "errno", None) or 0
            why = "its directory is full" if isinstance(fault, SpoolFull) else f"errno {errno}"
            then = "rows are left out" if self._drops else "rows wait in their rings"
            log.error("the ledger cannot be written (%s); %s", why, then)
            self._tell("ledger_full", "alarm", f"the ledger cannot be written ({why}); {then}")
        self._is_stuck = True
        if self._spool.is_open and self._spool.has_rows and isinstance(fault, SpoolFull):
            with contextlib.suppress(OSError):  # what is sealed can be sent, and then be removed
                self._spool.seal()
                self._ensure_segment()

    def _drop_waiting(self) -> None:
        for row in self._waiting:
            gap = self._gaps.get(row.slot)
            if gap is None:
                gap = self._gaps[row.slot] = _Gap(row.seq, "spool_full", 0)
            gap.last = row.seq
            if gap.nusd is not None:
                gap.nusd += row.charged_nusd
        self._waiting.clear()

    def close(self) -> None:
        """The orderly end of this steward: its segment is sealed, so that it can be sent."""
        if self._spool.is_open and self._spool.has_rows:
            with contextlib.suppress(OSError):
                self._spool.seal()
        self._spool.close()
