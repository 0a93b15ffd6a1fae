"""What must hold: a list of functions, each told from the outside of the protocol.

Those of `WHEN_FREE` are asked wherever the lock is free and no record is valid, those
of `AT_THE_END` where nobody can do anything any more; I5 is asked at each look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    UNWRITTEN,
    USED,
    Layout,
    Lease,
    Row,
    State,
    Words,
)

Invariant = Callable[["Books"], bool]


class Books:
    """A state read by someone who knows the setup."""

    def __init__(self, setup: Setup, layout: Layout, state: State) -> None:
        self.setup, self.layout, self.state = setup, layout, state

    def of_cell(self, cell: int, field: int) -> int:
        """A field of a cell."""
        word: int = self.state.words[self.layout.cell(cell, field)]
        return word

    def open_cells(self) -> Iterator[int]:
        """Cells with a key."""
        return (c for c in range(self.setup.cells) if self.of_cell(c, CONTROL) & 1)

    def leases(self) -> Iterator[tuple[int, Lease]]:
        """Leases that were ever taken."""
        for i in range(len(self.setup.wishes)):
            lease = self.state.words[self.layout.lease(i)]
            if lease:
                yield i, lease

    def rows(self) -> list[Row]:
        """All rows that were published, drained ones first."""
        rows = [*self.state.drained]
        for w in range(len(self.setup.workers)):
            words = self.state.words
            tail, head = words[self.layout.ring(w, TAIL)], words[self.layout.ring(w, HEAD)]
            places = (self.layout.row(w, number) for number in range(tail, head))
            rows += [words[place] or UNWRITTEN for place in places]
        return rows


def held_in(setup: Setup, layout: Layout, words: Words, cell: int) -> int:
    """What open leases hold in a cell."""
    held = 0
    for i, wish in enumerate(setup.wishes):
        lease = words[layout.lease(i)]
        if lease and lease.is_open:
            held += wish.amount * sum(named == cell for named, _ in lease.handles)
    return held


def i1_used_is_charged_and_held(b: Books) -> bool:
    """Every open cell: used == charged + what open leases hold, and their number is right."""
    for cell in b.open_cells():
        held = held_in(b.setup, b.layout, b.state.words, cell)
        named = sum(h[0] == cell for _, x in b.leases() if x.is_open for h in x.handles)
        if b.of_cell(cell, USED) != b.of_cell(cell, CHARGED) + held:
            return False
        if b.of_cell(cell, OPEN) != named:
            return False
    return True


def i2_used_is_within_the_limit(b: Books) -> bool:
    """Unless something cost more than it held."""
    return b.state.has_overrun or all(
        b.of_cell(cell, USED) <= b.setup.limits[b.of_cell(cell, KEY)] for cell in b.open_cells()
    )


def i3_nothing_is_held_and_truth_is_covered(b: Books) -> bool:
    """What was charged is at least what the provider charged, as far as holds bound it."""
    if any(lease.is_open for _, lease in b.leases()):
        return False
    cost = {i: lease.cost for i, lease in b.leases()}
    return all(
        cost.get(i, 0) >= min(b.state.truth[i], wish.amount)
        for i, wish in enumerate(b.setup.wishes)
    )


def i4_without_a_death_charged_is_the_truth(b: Books) -> bool:
    """Exactly, lease by lease."""
    if b.state.deaths or b.state.master_deaths:
        return True
    cost = {i: lease.cost for i, lease in b.leases()}
    return all(cost.get(i, 0) == truth for i, truth in enumerate(b.state.truth))


def i6_money_stays_with_its_key(b: Books) -> bool:
    """An open lease names cells of its keys; a cell has the charges of its own generation."""
    for i, lease in b.leases():
        for (cell, control), key in zip(lease.handles, b.setup.wishes[i].keys, strict=True):
            is_there = b.of_cell(cell, CONTROL) == control and b.of_cell(cell, KEY) == key
            if lease.is_open and not is_there:
                return False
    return all(
        b.of_cell(cell, CHARGED)
        == sum(x.cost for _, x in b.leases() if (cell, b.of_cell(cell, CONTROL)) in x.handles)
        for cell in b.open_cells()
    )


def i7_a_row_is_there_only_with_its_money(b: Books) -> bool:
    """Each row tells of one resolved lease, once, with what it was charged."""
    cost = {i: lease.cost for i, lease in b.leases() if not lease.is_open}
    told = [row for row in b.rows() if row.lease != -1]
    is_right = all(cost.get(row.lease) == row.charged for row in told)
    return is_right and len({row.lease for row in told}) == len(told)


def i8_money_without_a_row_is_counted(b: Books) -> bool:
    """Resolved leases are rows and dropped rows; gap rows tell of those that were told."""
    rows = b.rows()
    for w in range(len(b.setup.workers)):
        own = [i for i, owner in enumerate(b.setup.owners) if owner == w]
        resolved = sum(i in own and not lease.is_open for i, lease in b.leases())
        published = sum(row.lease in own for row in rows)
        if resolved != published + b.state.words[b.layout.ring(w, DROPPED)]:
            return False
    rings = range(len(b.setup.workers))
    told = sum(b.state.words[b.layout.ring(w, TOLD)] for w in rings)
    return bool(told == sum(row.charged for row in rows if row.lease == -1))


I5 = "i5_a_look_decides_by_the_exact_sums"
WHEN_FREE: tuple[Invariant, ...] = (
    i1_used_is_charged_and_held,
    i2_used_is_within_the_limit,
    i6_money_stays_with_its_key,
    i7_a_row_is_there_only_with_its_money,
    i8_money_without_a_row_is_counted,
)
AT_THE_END: tuple[Invariant, ...] = (
    i3_nothing_is_held_and_truth_is_covered,
    i4_without_a_death_charged_is_the_truth,
)
ALL = (*(f.__name__ for f in (*WHEN_FREE, *AT_THE_END)), I5)
