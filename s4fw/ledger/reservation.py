"""The reservation of one exchange: a lease in the shared table and how it is resolved.

It resolves once.  A second resolution changes nothing in the table (the lease's generation has
passed) and is a bug here, so it is asserted.
"""

from __future__ import annotations

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger.table import BUSY, Table
from s4fw.ledger.window import Clock


class Resolver:
    """Resolves the leases of one worker, in the order in which their exchanges ended.

    The table's lock is had within microseconds, unless its holder was stopped (SIGSTOP, a frozen
    cgroup); then the master kills the holder after some seconds.  A worker that waited that long
    would look stuck itself, so what cannot be resolved now is kept here, with its journal row, and
    `retry` brings it in with the next beat.  Meanwhile the money stays held: the cap holds.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._late: list[tuple[int, int | None, bool, bytes]] = []

    @property
    def late(self) -> int:
        """How many exchanges wait for the table's lock."""
        return len(self._late)

    def resolve(
        self,
        x: Exchange,
        lease: int,
        price: int,
        actual_nusd: int | None,
        is_accrued: bool,
        reason: Reason,
    ) -> None:
        """Settle with an amount, or void with None; now, or with one of the next beats."""
        row = self._table.row()
        journal.fill(row, x, self._clock.now_ns(), reason, price)
        if self._late or self._apply(lease, actual_nusd, is_accrued) == BUSY:
            self._late.append((lease, actual_nusd, is_accrued, bytes(row)))

    def _apply(self, lease: int, actual_nusd: int | None, is_accrued: bool) -> int:
        if actual_nusd is None:
            return self._table.void(lease)
        return self._table.settle(lease, actual_nusd, is_accrued)

    def retry(self) -> None:
        """Resolve what had to wait; a worker calls it with each beat and before it leaves."""
        while self._late:
            lease, actual_nusd, is_accrued, row = self._late[0]
            self._table.row()[:] = row
            if self._apply(lease, actual_nusd, is_accrued) == BUSY:
                return
            del self._late[0]


class HeldReservation:
    """Money held in every cell of an exchange until it is settled, accrued or given back."""

    __slots__ = ("_lease", "_price", "_resolver", "_table", "amount_nusd", "is_open")

    def __init__(
        self, table: Table, resolver: Resolver, lease: int, amount_nusd: int, price: int
    ) -> None:
        self._table = table
        self._resolver = resolver
        self._lease = lease
        self._price = price  # the interned version of the price table at the quote
        self.amount_nusd = amount_nusd
        self.is_open = True

    def sent(self) -> None:
        """Mark the lease SENT: if this process dies now, the whole amount is charged."""
        self._table.sent(self._lease)

    def settle(self, actual_nusd: int, x: Exchange) -> None:
        """Resolve with the actual cost, which may be above the amount."""
        self._close()
        self._resolver.resolve(x, self._lease, self._price, actual_nusd, False, Reason.USAGE)

    def accrue(self, reason: Reason, x: Exchange) -> None:
        """Resolve at worst case: charge the amount, marked as accrued for `reason`."""
        self._close()
        self._resolver.resolve(x, self._lease, self._price, self.amount_nusd, True, reason)

    def void(self, reason: Reason, x: Exchange) -> None:
        """Give the amount back: provably nothing was charged."""
        self._close()
        self._resolver.resolve(x, self._lease, self._price, None, False, reason)

    def _close(self) -> None:
        assert self.is_open, "a reservation resolves once"
        self.is_open = False
