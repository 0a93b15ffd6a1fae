"""The reservation of one exchange: a lease in the shared table and how it is resolved.

It resolves once.  A second resolution changes nothing in the table (the lease's generation has
passed) and is a bug here, so it is asserted.
"""

from __future__ import annotations

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.ledger import journal
from s4fw.ledger.table import Table
from s4fw.ledger.window import Clock


class HeldReservation:
    """Money held in every cell of an exchange until it is settled, accrued or given back."""

    __slots__ = ("_clock", "_lease", "_price", "_table", "amount_nusd", "is_open")

    def __init__(
        self, table: Table, clock: Clock, lease: int, amount_nusd: int, price: int
    ) -> None:
        self._table = table
        self._clock = clock
        self._lease = lease
        self._price = price
        self.amount_nusd = amount_nusd
        self.is_open = True

    def sent(self) -> None:
        """Mark the lease SENT: if this process dies now, the whole amount is charged."""
        self._table.sent(self._lease)

    def settle(self, actual_nusd: int, x: Exchange) -> None:
        """Resolve with the actual cost, which may be above the amount."""
        self._prepare(x, Reason.USAGE)
        self._table.settle(self._lease, actual_nusd, False)

    def accrue(self, reason: Reason, x: Exchange) -> None:
        """Resolve at worst case: charge the amount, marked as accrued for `reason`."""
        self._prepare(x, reason)
        self._table.settle(self._lease, self.amount_nusd, True)

    def void(self, reason: Reason, x: Exchange) -> None:
        """Give the amount back: provably nothing was charged."""
        self._prepare(x, reason)
        self._table.void(self._lease)

    def _prepare(self, x: Exchange, reason: Reason) -> None:
        assert self.is_open, "a reservation resolves once"
        self.is_open = False
        journal.fill(self._table.row(), x, self._clock.now_ns(), reason, self._price)
