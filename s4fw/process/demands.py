"""How a worker asks the steward for room below the durable marks: a datagram, no answer.

The answer stands in the table: a higher mark.  A demand that is lost is made again by the worker
that still waits (see `s4fw.ledger.marks`).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_DEMAND = struct.Struct("<IIq")  # index and generation of a cell, amount
_AT_ONCE = 4096  # demands taken in one turn: the rest is still there in the next
_BYTES = 8 * _DEMAND.size


class Demand(NamedTuple):
    """A request waits to reserve an amount in a cell."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    generation: int
    amount_nusd: int


class Demands:
    """Both ends, made before the first fork; every child has copies, so neither is ever shut."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.receiver, self._sender):
            end.setblocking(False)

    def close(self) -> None:
        """At the end of the process."""
        self.receiver.close()
        self._sender.close()

    def ask(self, places: Sequence[tuple[int, int]], amount_nusd: int) -> None:
        """Ask for room for an amount in some cells; at most 8."""
        message = b"".join(_DEMAND.pack(*place, amount_nusd) for place in places)
        with contextlib.suppress(OSError):  # full: the steward has enough to do; asked again
            self._sender.send(message)

    def take(self) -> Iterator[Demand]:
        """What was asked for since.  Steward only."""
        for _ in range(_AT_ONCE):
            try:
                message = self.receiver.recv(_BYTES)
            except BlockingIOError:
                return
            yield from map(Demand._make, _DEMAND.iter_unpack(message))
