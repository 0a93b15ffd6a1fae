"""What each operation means: which scratch it writes, and the new words its record holds.

Pure functions of the words as they are under the lock.  Mutants that change a meaning are here;
those that change the order of stores are in explorer.py.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.model.setup import Setup
from tests.model.state import (
    CHARGED,
    CONTROL,
    DROPPED,
    HEAD,
    KEY,
    OPEN,
    TAIL,
    TOLD,
    USED,
    Layout,
    Lease,
    Record,
    Row,
    Words,
)


class Decision(NamedTuple):
    """What an operation will do.  An empty record: nothing, unlock."""

    scratch: Record = ()
    record: Record = ()
    handle: tuple[int, int] | None = None  # of a claim
    is_refused: bool = False


class Meaning:
    """The operations of one setup."""

    def __init__(self, setup: Setup, layout: Layout) -> None:
        self.setup, self.layout = setup, layout

    def claim(self, words: Words, key: int) -> Decision:
        """Find the open cell of a key, or open a free one with a higher generation."""
        cell_at = self.layout.cell
        free = []
        for cell in range(self.setup.cells):
            control = words[cell_at(cell, CONTROL)]
            if not control & 1:
                free.append(cell)
            elif words[cell_at(cell, KEY)] == key:
                return Decision(handle=(cell, control))
        if not free:
            return Decision(is_refused=True)
        cell = free[0]
        is_raised = self.setup.mutant != "generation-not-raised"
        opened = (words[cell_at(cell, CONTROL)] | 1) + (2 if is_raised else 0)
        fields = {KEY: key, USED: 0, CHARGED: 0, OPEN: 0}
        scratch = tuple((cell_at(cell, field), word) for field, word in fields.items())
        return Decision(scratch, ((cell_at(cell, CONTROL), opened),), (cell, opened))

    def fits(self, words: Words, lease: int, handles: tuple[tuple[int, int], ...]) -> bool:
        """The look: whether every cell is still the one claimed and has room."""
        amount = self.setup.wishes[lease].amount
        for cell, control in handles:
            is_same = words[self.layout.cell(cell, CONTROL)] == control
            if not is_same and self.setup.mutant != "stale-generation":
                return False
            limit = self.setup.limits[words[self.layout.cell(cell, KEY)]]
            headroom = limit - words[self.layout.cell(cell, USED)]
            if amount > headroom + (1 if self.setup.mutant == "off-by-one" else 0):
                return False
        return True

    def reserve(self, words: Words, lease: int, handles: tuple[tuple[int, int], ...]) -> Decision:
        """Hold the amount in all cells.  The caller looked."""
        amount = self.setup.wishes[lease].amount
        record: list[tuple[int, object]] = []
        for cell, _ in handles:
            used, named = self.layout.cell(cell, USED), self.layout.cell(cell, OPEN)
            record += [(used, words[used] + amount), (named, words[named] + 1)]
        record.append((self.layout.lease(lease), Lease("RES", handles)))
        return Decision(record=tuple(record))

    def resolve(self, words: Words, lease: int, cost: int) -> Decision:
        """The hold goes, the charge comes, the row tells of it."""
        amount = self.setup.wishes[lease].amount
        held: Lease = words[self.layout.lease(lease)]
        record: list[tuple[int, object]] = []
        for cell, _ in held.handles:
            used, charged = self.layout.cell(cell, USED), self.layout.cell(cell, CHARGED)
            named = self.layout.cell(cell, OPEN)
            record += [(charged, words[charged] + cost), (used, words[used] - amount + cost)]
            record.append((named, words[named] - 1))
        scratch, published = self.rows(words, self.setup.owners[lease], Row(lease, cost))
        record += published
        record.append((self.layout.lease(lease), Lease("DONE", held.handles, cost)))
        return Decision(scratch, tuple(record))

    def rows(self, words: Words, worker: int, row: Row) -> tuple[Record, Record]:
        """Places a row behind the head, a gap row before it where some were dropped."""
        head_at, dropped_at = self.layout.ring(worker, HEAD), self.layout.ring(worker, DROPPED)
        told_at = self.layout.ring(worker, TOLD)
        head, dropped, told = words[head_at], words[dropped_at], words[told_at]
        room = self.setup.rows - (head - words[self.layout.ring(worker, TAIL)])
        if self.setup.mutant == "overwrite-full-ring":
            room = 2
        has_gap = dropped != told
        if room < 1 + has_gap:
            is_counted = self.setup.mutant != "drop-not-counted"
            return (), ((dropped_at, dropped + 1),) if is_counted else ()
        scratch: Record = ()
        published: Record = ()
        if has_gap:
            scratch = ((self.layout.row(worker, head), Row(-1, dropped - told)),)
            published = ((told_at, dropped),)
            head += 1
        scratch = (*scratch, (self.layout.row(worker, head), row))
        return scratch, (*published, (head_at, head + 1))

    def settle(self, words: Words, lease: int) -> Decision:
        """Charges what it cost; a second one changes nothing."""
        held = words[self.layout.lease(lease)]
        if not held or not (held.is_open or self.setup.mutant == "settle-twice"):
            return Decision()
        wish = self.setup.wishes[lease]
        is_mutant = self.setup.mutant == "settle-at-hold"
        return self.resolve(words, lease, wish.amount if is_mutant else wish.actual)

    def recover(self, words: Words, lease: int) -> Decision:
        """Of a dead owner: reserved is given back, sent is charged in full."""
        held = words[self.layout.lease(lease)]
        if not held or not held.is_open:
            return Decision()
        is_charged = held.state == "SENT" and self.setup.mutant != "sent-voided"
        return self.resolve(words, lease, self.setup.wishes[lease].amount if is_charged else 0)

    def close(self, words: Words, cell: int) -> Decision:
        """Ends a cell that no lease names."""
        control = words[self.layout.cell(cell, CONTROL)]
        is_named = words[self.layout.cell(cell, OPEN)] and self.setup.mutant != "close-in-use"
        if not control & 1 or is_named:
            return Decision()
        return Decision(record=((self.layout.cell(cell, CONTROL), control - 1),))
