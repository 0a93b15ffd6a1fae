"""What happens to a settlement while the table's lock is held by a process that was stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.core.attribution import Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import ROUTES
from s4fw.errors import FIREWALL_OVERLOADED
from s4fw.ledger import journal
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.reservation import HeldReservation, Resolver
from s4fw.ledger.table import BUSY, Table
from s4fw.ledger.window import Clock
from tests.harness.wait import wait_until

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """A table of which this process owns slot 0."""
    with Table.create(tmp_path / "table", slots=4, cells=16, leases=16, values=64, rows=32) as t:
        t.join(0)
        yield t


def hammer(table: Table) -> None:
    """Take and give back for ever, so that most of the time the lock is held."""
    table.join(1)
    cells = table.cell_set([table.claim(900, 5, 1, [], 10**9, 10**9)], [])
    while True:
        lease = table.reserve(cells, 1, bytes(16), 0)
        if lease >= 0:
            table.void(lease)


def stopped_with_the_lock(table: Table) -> int:
    """A child that was stopped while it held the lock; found by trying, in a few dozen tries."""
    pid = os.fork()
    if pid == 0:
        hammer(table)
    cells = table.cell_set([table.claim(901, 5, 1, [], 10**9, 10**9)], [])
    for _ in range(5000):
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        lease = table.reserve(cells, 1, bytes(16), 0)
        if lease == BUSY:
            return pid
        assert lease >= 0
        table.void(lease)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.0003)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child was never stopped inside the lock")


def drained(table: Table) -> int:
    """Empty the ring, which the tries to stop a child may have filled; returns its new tail."""
    tail = table.drain(0, 0, 32)[1]
    table.advance_tail(0, tail)
    return tail


def test_settle_while_the_lock_is_stuck_waits_and_is_exact_afterwards(table: Table) -> None:
    """A worker must not hang with its neighbour, and must not forget what an exchange cost."""
    resolver = Resolver(table, Clock(0))
    cells = table.cell_set([table.claim(20, 5, 0, [], 1000, 1000)], [])
    held = []
    for _ in range(3):
        x = Exchange(CHAT, Request(b"POST", b"/", b"", {}))
        lease = table.reserve(cells, 100, x.id, 0)
        assert lease >= 0
        held.append((x, HeldReservation(table, resolver, lease, 100, 0)))
    pid = stopped_with_the_lock(table)
    before = drained(table)
    try:
        started_s = time.monotonic()
        for cost, (x, reservation) in enumerate(held, 10):
            reservation.settle(cost, x)
        assert time.monotonic() - started_s < 1.0, "only the first may wait, and briefly"
        assert 3 == resolver.late
        resolver.retry()
        assert 3 == resolver.late, "the holder is still stopped"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    wait_until(lambda: resolver.retry() or resolver.late == 0, "the lock is free again")
    (cell,) = (cell for cell in table.cells() if cell.budget == 20)
    assert (33, 33, 0) == (cell.used, cell.charged, cell.open_leases)
    rows = list(journal.read(table.drain(0, before, 32)[0]))
    settled = [row for row in rows if row.kind is journal.Kind.SETTLE]
    assert [10, 11, 12] == [row.charged_nusd for row in settled]
    assert [x.id for x, _ in held] == [row.request for row in settled]


def test_refusal_while_the_lock_is_stuck_is_journalled_without_names(table: Table) -> None:
    """A caller nobody has seen before cannot be interned then; its refusal must not be a fault."""
    budgets = Budgets(table, [], Clock(0), "v")
    x = Exchange(CHAT, Request(b"POST", b"/", b"", {}))
    x.attribution = Attribution((None, "new", *[None] * 6))
    pid = stopped_with_the_lock(table)
    before = drained(table)
    try:
        x.block = budgets.reserve(x)
        assert x.block is not None
        assert FIREWALL_OVERLOADED is x.block.code
        budgets.journal_block(x)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    rows = [row for row in journal.read(table.drain(0, before, 32)[0]) if row.request == x.id]
    assert [journal.Kind.BLOCK] == [row.kind for row in rows]
    assert {0} == set(rows[0].values)
