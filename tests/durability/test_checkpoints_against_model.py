"""Power loss at any moment against a plain model: what is restored is never less than the truth."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from s4fw.ledger.snapshot import restore
from s4fw.ledger.table import UNMARKED, Table
from s4fw.process.checkpoints import NAMES, CheckpointFiles, found
from s4fw.process.demands import Demands
from s4fw.process.durability import Durability, write_now

LIMIT = 9000
KINDS = (0, 2, 4, 5)  # a minute, which has no mark; a day, a month, for ever
CELL = st.integers(0, len(KINDS) - 1)
SIZES = {"slots": 4, "cells": 32, "leases": 32, "values": 64, "rows": 32}


class PowerLoss(RuleBasedStateMachine):
    """The machine may die after each step, and within each write of the disk at each byte."""

    @initialize()
    def begin(self) -> None:
        """A firewall that has just started."""
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
        self.lives = 0
        self.loop = asyncio.new_event_loop()
        self.demands = Demands()
        self.spent = [0] * len(KINDS)  # what providers charged, for ever
        self.start()

    def start(self) -> None:
        """The steward's first look, over a table that is there."""
        runtime = self.folder / f"runtime{self.lives}"
        runtime.mkdir()
        self.lives += 1
        self.table = Table.create(runtime / "table", **SIZES)
        known = found(self.folder)
        if known is not None:
            restore(self.table, known, 1)
            for slot in self.table.slots():
                self.table.advance_tail(slot.slot, slot.tail + slot.ring_lag)
        self.table.join(0)
        self.table.set_marked(True)
        self.budget = self.table.intern(8, b"budget")
        self.places = [self.table.claim(self.budget, kind, 60, (), LIMIT, LIMIT) for kind in KINDS]
        self.sets = [self.table.cell_set([place], ()) for place in self.places]
        self.open: list[tuple[int, int, int]] = []
        self.files = CheckpointFiles(self.folder)
        assert self.files.take()
        write_now(self.table, self.files, is_clean=False)
        self.durability = Durability(self.table, self.files, self.demands, lambda *_: None)
        self.durability.start(self.loop)
        self.written_short = self.used(0)

    def turn(self, is_tick: bool) -> None:
        """One turn of the steward."""
        self.loop.run_until_complete(self.durability._turn(self.loop, is_tick))

    @rule(amounts=st.lists(st.tuples(CELL, st.integers(0, 90)), min_size=1, max_size=16))
    def reserve(self, amounts: list[tuple[int, int]]) -> None:
        """A burst of requests."""
        for at, amount in amounts:
            self.reserve_one(at, amount)

    def reserve_one(self, at: int, amount: int) -> None:
        """A request that meets the mark asks for room and tries again."""
        if len(self.open) == SIZES["leases"]:
            self.settle(50)
        lease = self.table.reserve(self.sets[at], amount, bytes(16), 1)
        if lease == UNMARKED:
            self.demands.ask([self.places[at]], amount)
            for demand in self.demands.take():
                self.durability._note(demand)
            self.turn(False)
            lease = self.table.reserve(self.sets[at], amount, bytes(16), 1)
            assert lease != UNMARKED
        if lease >= 0:
            self.table.sent(lease)
            self.open.append((lease, at, amount))

    @rule(share=st.integers(0, 100))
    def settle(self, share: int) -> None:
        """At most what was held."""
        if self.open:
            lease, at, amount = self.open.pop(0)
            actual = amount * share // 100
            self.table.settle(lease, actual, False)
            self.spent[at] += actual

    @rule()
    def tick(self) -> None:
        """A second passes."""
        self.turn(True)
        self.written_short = self.used(0)

    @rule()
    def kill_everything(self) -> None:
        """The table is still there: nothing is restored, the leases are charged."""
        self.table.leave()
        assert self.table.recover(0, 1).accrued == len(self.open)
        for _, at, amount in self.open:
            self.spent[at] += amount
        self.open = []
        self.table.join(0)
        self.end_of_steward()
        self.files = CheckpointFiles(self.folder)
        assert self.files.take()
        self.durability = Durability(self.table, self.files, self.demands, lambda *_: None)
        self.durability.start(self.loop)
        self.written_short = self.used(0)

    @rule(is_new_torn=st.booleans(), data=st.data())
    def lose_power(self, is_new_torn: bool, data: st.DataObject) -> None:
        """The table is gone; perhaps the next checkpoint was being written."""
        if is_new_torn:
            self.tear(data)
        self.end_of_steward()
        self.table.close()
        before = list(self.spent)
        for _, at, amount in self.open:  # the provider may have charged them in full
            before[at] += amount
        written_short = self.written_short
        self.start()
        assert self.charged(0) == written_short  # what was held then may have been spent
        for at, kind in enumerate(KINDS):
            charged = self.charged(at)
            if kind >= 2:
                assert charged >= before[at], (kind, charged, before[at])
            self.spent[at] = charged  # booked: that is what the ledger says from now on

    def tear(self, data: st.DataObject) -> None:
        """A checkpoint that only half reached the disk: any first part of its bytes."""
        target = self.folder / NAMES[1 - self.files._current]
        write_now(self.table, self.files, is_clean=False)
        document = target.read_bytes()
        target.write_bytes(document[: len(document) * data.draw(st.integers(0, 999)) // 1000])

    @rule()
    def stop_in_order(self) -> None:
        """Nothing is open any more: the next start is exact, without the runtime directory."""
        for lease, _, _ in self.open:
            self.table.void(lease)
        self.open = []
        write_now(self.table, self.files, is_clean=True)
        self.end_of_steward()
        before = [self.charged(at) for at in range(len(KINDS))]
        self.table.close()
        self.start()
        assert before == [self.charged(at) for at in range(len(KINDS))]

    def end_of_steward(self) -> None:
        self.loop.run_until_complete(self.durability.stop(self.loop))
        self.files.release()

    def used(self, at: int) -> int:
        return self.table.cell(self.places[at][0]).used

    def charged(self, at: int) -> int:
        return self.table.cell(self.places[at][0]).charged

    @invariant()
    def no_cell_is_used_above_what_the_disk_says(self) -> None:
        """That is what makes a power loss cost at most a step."""
        if not hasattr(self, "table"):
            return
        known = found(self.folder)
        assert known is not None
        marks = {cell.kind: max(cell.mark, cell.used) for cell in known.cells}
        for at, kind in enumerate(KINDS):
            if kind >= 2:
                assert self.table.cell(self.places[at][0]).used <= marks[kind]

    def teardown(self) -> None:
        """Nothing stays behind."""
        if hasattr(self, "table"):
            self.end_of_steward()
            self.table.close()
            self.loop.close()
            self.demands.close()
            shutil.rmtree(self.folder)


PowerLoss.TestCase.settings = settings(
    max_examples=int(os.environ.get("S4FW_POWER_LOSSES", "60")),
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestPowerLoss = PowerLoss.TestCase
