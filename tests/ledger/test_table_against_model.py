"""The compiled table against a model in plain Python: same calls, same decisions, same sums."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from s4fw.ledger import table as t
from s4fw.ledger.table import Table

CELLS = 4
LEASES = 4
REQUEST = bytes(16)
AMOUNTS = st.integers(0, 60)
CELL = st.integers(0, CELLS - 1)


class Model(RuleBasedStateMachine):
    """Cells as dictionaries: what each operation means, without lock, record or lists."""

    @initialize(limits=st.lists(st.integers(0, 150), min_size=CELLS, max_size=CELLS))
    def begin(self, limits: list[int]) -> None:
        """A new table and its model."""
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        path = Path(self.folder.name) / "table"
        self.table = Table.create(path, slots=2, cells=8, leases=LEASES, values=64, rows=4)
        self.table.join(0)
        self.budget = self.table.intern(8, b"budget")
        self.places = []
        self.cells = []
        for index, limit in enumerate(limits):
            self.places.append(self.table.claim(self.budget, 2, index, (), limit, limit))
            self.cells.append(self.new_cell(limit))
        self.open: dict[int, tuple[int, list[int]]] = {}  # lease: (amount, cells)
        self.past: list[int] = []
        self.rows: list[int] = []  # charged, of each row that must be there
        self.starts = CELLS
        self.is_frozen = False

    @staticmethod
    def new_cell(limit: int) -> dict[str, int]:
        """A cell that nobody has used."""
        return {"limit": limit, "charged": 0, "accrued": 0, "held": 0, "denials": 0, "overrun": 0}

    @rule(chosen=st.sets(CELL), amount=AMOUNTS)
    def reserve(self, chosen: set[int], amount: int) -> None:
        """All or nothing; the first cell of the set that does not fit is named."""
        order = sorted(chosen)
        cells = self.table.cell_set([self.places[i] for i in order], ())
        lease = self.table.reserve(cells, amount, REQUEST, 1)
        headroom = [self.cells[i] for i in order]
        denying = [
            i
            for i, cell in enumerate(headroom)
            if cell["charged"] + cell["held"] + amount > cell["limit"]
        ]
        if self.is_frozen:
            assert t.FROZEN == lease
        elif denying:
            assert (t.DENIED, denying[0]) == (lease, self.table.answer[0])
            headroom[denying[0]]["denials"] += 1
        elif len(self.open) == LEASES:
            assert t.FULL == lease
        else:
            assert lease >= 0
            self.open[lease] = (amount, order)
            for i in order:
                self.cells[i]["held"] += amount

    def resolve(self, lease: int, actual: int, is_accrued: bool) -> None:
        """What ends a lease, in the model."""
        amount, order = self.open.pop(lease)
        self.past.append(lease)
        self.rows.append(actual)
        for i in order:
            cell = self.cells[i]
            cell["held"] -= amount
            cell["charged"] += actual
            cell["accrued"] += actual if is_accrued else 0
            cell["overrun"] += max(0, actual - amount)

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0), actual=AMOUNTS, is_accrued=st.booleans(), is_sent=st.booleans())
    def settle(self, pick: int, actual: int, is_accrued: bool, is_sent: bool) -> None:
        """Charges what it cost, also above the hold."""
        lease = list(self.open)[pick % len(self.open)]
        if is_sent:
            self.table.sent(lease)
        assert t.OK == self.table.settle(lease, actual, is_accrued)
        self.resolve(lease, actual, is_accrued)

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0))
    def void(self, pick: int) -> None:
        """Gives everything back."""
        lease = list(self.open)[pick % len(self.open)]
        assert t.OK == self.table.void(lease)
        self.resolve(lease, 0, False)

    @precondition(lambda self: self.past)
    @rule(pick=st.integers(0), actual=AMOUNTS)
    def settle_again(self, pick: int, actual: int) -> None:
        """Changes nothing and says so."""
        lease = self.past[pick % len(self.past)]
        assert t.ALREADY == self.table.settle(lease, actual, False)
        assert t.ALREADY == self.table.void(lease)

    @rule(which=CELL, delta=st.integers(-60, 60))
    def correct(self, which: int, delta: int) -> None:
        """A later truth, never below nothing."""
        cell = self.cells[which]
        assert self.table.correct(*self.places[which], delta)
        moved = max(0, cell["charged"] + delta) - cell["charged"]
        cell["charged"] += moved
        cell["accrued"] = min(cell["accrued"], cell["charged"])
        self.rows.append(moved)

    @rule(which=CELL, limit=st.integers(0, 150))
    def set_limit(self, which: int, limit: int) -> None:
        """Also below what is used."""
        assert self.table.set_limit(*self.places[which], limit, limit)
        self.cells[which]["limit"] = limit

    @rule(which=CELL, limit=st.integers(0, 150))
    def close_and_claim(self, which: int, limit: int) -> None:
        """Refused while a lease names it; else the next window's cell takes its place."""
        is_named = any(which in order for _, order in self.open.values())
        assert self.table.close_cell(*self.places[which]) is not is_named
        if is_named:
            return
        assert not self.table.close_cell(*self.places[which])
        stale = self.table.cell_set([self.places[which]], ())
        assert t.STALE == self.table.reserve(stale, 0, REQUEST, 1)
        self.places[which] = self.table.claim(self.budget, 2, self.starts, (), limit, limit)
        self.starts += 1
        self.cells[which] = self.new_cell(limit)

    @rule()
    def freeze_or_release(self) -> None:
        """One word for all."""
        self.is_frozen = not self.is_frozen
        (self.table.freeze if self.is_frozen else self.table.release)(self.budget)
        if self.is_frozen:
            self.table.freeze()  # a set without cells names no budget
        else:
            self.table.release()

    @invariant()
    def journal_tells_every_charge_in_order(self) -> None:
        """Drained after each step, so that no row is dropped."""
        tail = self.table.slots()[0].tail
        rows, head = self.table.drain(0, tail, 4)
        self.table.advance_tail(0, head)
        charged = [
            int.from_bytes(rows[at + 144 : at + 152], "little", signed=True)
            for at in range(0, len(rows), t.ROW_BYTES)
        ]
        assert self.rows == charged
        self.rows.clear()

    @invariant()
    def cells_are_those_of_the_model(self) -> None:
        """Every figure of every cell."""
        found = {c.index: c for c in self.table.cells()}
        assert CELLS == len(found)
        for (index, generation), cell in zip(self.places, self.cells, strict=True):
            info = found[index]
            assert generation == info.generation
            assert cell == {
                "limit": info.limit,
                "charged": info.charged,
                "accrued": info.accrued,
                "held": info.used - info.charged,
                "denials": info.denials,
                "overrun": info.overrun,
            }
        assert [] == self.table.audit(0, 8)

    def teardown(self) -> None:
        """A closed table leaves nothing behind, and all its lists are whole."""
        if hasattr(self, "table"):
            self.table.leave()
            assert self.table.reset_lock_if_alone()
            self.table.close()
            self.folder.cleanup()


TestTableAgainstModel = Model.TestCase
TestTableAgainstModel.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
