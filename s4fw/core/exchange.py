"""The exchange: one request and its answer, the one object that every stage sees.

Stages and the proxy write their own attributes and read those of others; the comments say who
writes what.  Slots and no methods on the hot path: an exchange is made for every request.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any, Final, Protocol

from s4fw.core.attribution import Attribution
from s4fw.core.dialect import Meter, Route
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.verdict import Block

# Runs a function in a thread and waits for its result; given by the process that has a loop.
Offload = Callable[[Callable[[], Any]], Awaitable[Any]]


class Reservation(Protocol):
    """The promise held against every budget of an exchange; the ledger makes it."""

    amount_nusd: int

    @property
    def is_open(self) -> bool:
        """Whether it still holds money."""

    def sent(self) -> None:
        """Record that upstream bytes follow: from here on a crash charges the amount."""

    def settle(self, actual_nusd: int, x: Exchange) -> None:
        """Resolve with what the provider charged."""

    def accrue(self, reason: Reason, x: Exchange) -> None:
        """Resolve at worst case: charge the whole amount, marked as accrued."""

    def void(self, reason: Reason, x: Exchange) -> None:
        """Give it all back: only when provably nothing was charged."""


class _RequestIds:
    """Random 128-bit ids, drawn from the kernel for 256 requests at a time."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def draw(self) -> bytes:
        at = self._at
        if at == len(self._pool):
            self._pool, at = os.urandom(4096), 0
        self._at = at + 16
        return self._pool[at : at + 16]

    def forget(self) -> None:
        self._pool, self._at = b"", 0


_ids: Final = _RequestIds()
os.register_at_fork(after_in_child=_ids.forget)  # two processes must never share a pool


class Exchange:
    """One request and its answer.  `x` is its name everywhere."""

    __slots__ = (
        "attribution",
        "billed_nusd",
        "block",
        "budget_id",
        "budget_remaining_nusd",
        "budget_resets_at",
        "budget_warning",
        "caller",
        "clamped_to",
        "denied_by",
        "estimate",
        "first_byte_ns",
        "id",
        "is_client_gone",
        "is_finished",
        "is_sent",
        "loop",
        "loop_note",
        "meter",
        "outcome",
        "price",
        "quote_nusd",
        "quote_tokens_in",
        "quote_tokens_out",
        "reason",
        "request",
        "rerouted_to",
        "reservation",
        "retries",
        "route",
        "sent_ns",
        "shadow_reason",
        "signature",
        "started_ns",
        "status",
        "tools",
        "tools_id",
        "upstream",
        "watched",
    )

    def __init__(self, route: Route, request: Request) -> None:
        self.id = _ids.draw()
        self.started_ns = monotonic_ns()
        self.route = route
        self.request = request
        # route stage
        self.upstream = ""  # the name of the upstream it goes to
        # caller stage
        self.caller: Any = None  # the configured key, None for anonymous callers
        self.signature: Any = None  # of a signed request, verified once the body is there
        # attribute stage
        self.attribution: Attribution | None = None
        # quote stage
        self.price: Any = None  # the price row of the quote: settle uses the same table version
        self.quote_nusd = 0
        self.quote_tokens_in = 0
        self.quote_tokens_out = 0
        self.estimate: Any = None  # of input that was not counted exactly: see stages.inputs
        # tools stage
        self.tools = 0  # how many the request offers, at most 65,535
        self.tools_id = 0  # the value id of their names, where those are kept
        # anomaly stage
        self.watched: Any = None  # what is kept of its session
        self.loop_note: str | None = None  # what callers are told of it
        self.loop = 0  # its verdict, by its number in journal rows (`ledger.journal.LOOPS`)
        # budget stage
        self.reservation: Reservation | None = None
        self.budget_id: str | None = None  # the tightest budget that may be shown to the caller
        self.budget_remaining_nusd = 0
        self.budget_resets_at: str | None = None
        self.budget_warning: str | None = None
        self.shadow_reason: str | None = None  # why shadow mode would have blocked
        self.denied_by: tuple[int, int] | None = None  # cell and generation that it did not fit
        self.clamped_to = 0  # the bound of the output was lowered to this; 0: it was not
        self.rerouted_to: str | None = None  # the cheaper model that runs instead
        # pipeline
        self.block: Block | None = None
        self.is_finished = False
        # proxy
        self.is_sent = False  # the first upstream byte was handed to a socket
        self.status = 0  # the upstream's status; 0: no answer head yet
        self.meter: Meter | None = None
        self.sent_ns = self.started_ns  # monotonic, when the first byte went upstream
        self.first_byte_ns = 0  # monotonic; 0: none
        self.retries = 0  # second tries on another connection, before anything was taken
        self.is_client_gone = False
        self.reason = Reason.USAGE  # set by the proxy to what went wrong, before finish
        # reconcile stage
        self.billed_nusd: int | None = None  # what the exchange was charged, known after finish
        self.outcome = ""  # settled, accrued, voided, blocked, free

    @property
    def request_id(self) -> str:
        """The id as callers see it."""
        return "fw_" + self.id.hex()

    def __repr__(self) -> str:
        state = self.outcome or ("sent" if self.is_sent else "admitted" if self.reservation else "")
        return f"<Exchange {self.request_id} {self.route.name} {state or 'new'}>"
