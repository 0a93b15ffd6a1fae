"""Callers: how often each may come, and how many of its requests may run at once.

Theory of operation.  Each caller has one cell in the table, found by its key, and all together have
one more.  A request takes its turn in both before it costs anything (`arrive`, one C call).  What
runs is not counted here at all: the lease of an exchange names the cell of its caller, so the
operations that open and end leases count them, for all workers at once, and what a killed worker
had open comes back with the recovery of its leases.  A count of each worker's own would have to be
added up and taken back by somebody; this one cannot drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic_ns
from typing import Final, Protocol

from s4fw.core.attribution import DIMENSION_INDEX, DIMENSIONS
from s4fw.core.verdict import Block
from s4fw.errors import FIREWALL_OVERLOADED, FIREWALL_UNAVAILABLE, RATE_LIMITED
from s4fw.ledger import table as t
from s4fw.ledger.rates import Rate, RateSet
from s4fw.ledger.table import CellSet, StaleValue, Table, TableBusy, TableFull
from s4fw.ledger.window import KIND_INDEX
from s4fw.units import NUSD_MAX

# Beside budgets and price tables, what cells without money count for is interned.
COUNT_DIMENSION: Final = len(DIMENSIONS) + 2
_OF_A_KEY, _OF_ALL = b"requests of a key", b"requests of all"
_KEY: Final = DIMENSION_INDEX["key"]
_TOTAL: Final = KIND_INDEX["total"]

MINUTE_NS: Final = 60_000_000_000
CLAIM_TRIES: Final = 4  # each try fails only if a cell was closed between claim and use
UNBOUNDED: Final = 2**31 - 1  # requests running, where only what they hold is limited
CROWDED_MS: Final = 1000  # nobody knows when one of its requests will end


class Limits(Protocol):
    """What the configuration says about callers (see `s4fw.config`); None: no limit."""

    @property
    def per_key_rpm(self) -> int | None: ...
    @property
    def global_rpm(self) -> int | None: ...
    @property
    def per_key_in_flight(self) -> int | None: ...
    @property
    def burst(self) -> int | None: ...
    @property
    def per_key_held_share(self) -> int | None: ...


class KeyLimits(Protocol):
    """What it says about one key instead; None: as for all keys."""

    @property
    def rpm(self) -> int | None: ...
    @property
    def in_flight(self) -> int | None: ...
    @property
    def burst(self) -> int | None: ...


class Key(Protocol):
    """A configured caller (see `s4fw.config`)."""

    @property
    def id(self) -> str: ...
    @property
    def limits(self) -> KeyLimits: ...


class OwnLimits:
    """What holds for one caller."""

    __slots__ = ("burst", "in_flight", "rpm")

    def __init__(self, rpm: int | None, in_flight: int | None, burst: int | None) -> None:
        self.rpm = rpm
        self.in_flight = in_flight
        self.burst = burst

    def but(self, own: KeyLimits) -> OwnLimits:
        """These, but for what a key has of its own; a burst belongs to its rate."""
        burst = own.burst or (self.burst if own.rpm is None else None)
        return OwnLimits(own.rpm or self.rpm, own.in_flight or self.in_flight, burst)


class Callers:
    """The limits of callers for one worker; the counts are in the one shared table."""

    def __init__(
        self, table: Table, limits: Limits | None = None, keys: Sequence[Key] = ()
    ) -> None:
        self._table = table
        self._all_rpm = limits.global_rpm if limits else None
        self._usual = (
            OwnLimits(limits.per_key_rpm, limits.per_key_in_flight, limits.burst)
            if limits
            else OwnLimits(None, None, None)
        )
        self._share_permille = limits.per_key_held_share if limits else None
        self._of = {key.id: self._usual.but(key.limits) for key in keys}
        self._is_paced = self._all_rpm is not None or any(
            own.rpm is not None for own in (self._usual, *self._of.values())
        )
        self._rates: dict[str | None, RateSet] = {}  # keys are configured: there are few

    def arrive(self, key: str | None) -> Block | None:
        """Count a request of a key (None: anonymous, all of them one caller), or refuse it."""
        if not self._is_paced:
            return None
        for _ in range(CLAIM_TRIES):
            rates = self._rates.get(key)
            if rates is None:
                try:
                    rates = self._rates[key] = self._claim(key)
                except StaleValue:
                    continue
                except TableBusy:
                    break
                except TableFull:
                    return Block(
                        FIREWALL_UNAVAILABLE,
                        "not sent. The firewall cannot count requests at the moment, so it lets"
                        " nothing through.",
                    )
            wait_ns = self._table.arrive(rates, monotonic_ns())
            if wait_ns == 0:
                return None
            if wait_ns > 0:
                return self._too_fast(key, wait_ns)
            if wait_ns != t.STALE:
                break
            del self._rates[key]
        return Block(
            FIREWALL_OVERLOADED,
            "not sent. The firewall is busy; try again shortly.",
            retry_after_s=1,
        )

    def _claim(self, key: str | None) -> RateSet:
        rates = []
        own = self._limits_of(key)
        if own.rpm is not None:
            key_id = 0 if key is None else self._table.intern(_KEY, key.encode())
            index, generation = self._cell_of(key_id)
            rates.append(_rate(index, generation, own.rpm, own.burst))
        if self._all_rpm is not None:
            index, generation = self._claim_cell(_OF_ALL, ())
            rates.append(_rate(index, generation, self._all_rpm, None))
        return self._table.rate_set(rates)

    def _limits_of(self, key: str | None) -> OwnLimits:
        return self._usual if key is None else self._of.get(key, self._usual)

    def _cell_of(self, key_id: int) -> tuple[int, int]:
        return self._claim_cell(_OF_A_KEY, (key_id,) if key_id else ())

    def _claim_cell(self, name: bytes, ids: tuple[int, ...]) -> tuple[int, int]:
        """A cell that counts requests and no money: nothing is ever held in it."""
        of = self._table.intern(COUNT_DIMENSION, name)
        return self._table.claim(of, _TOTAL, 0, ids, NUSD_MAX, NUSD_MAX)

    def _too_fast(self, key: str | None, wait_ns: int) -> Block:
        wait_ms = -(-wait_ns // 1_000_000)
        own_rpm = self._limits_of(key).rpm
        is_own = own_rpm is not None and self._table.answer[0] == 0
        limit = own_rpm if is_own else self._all_rpm
        name, whose = (
            ("per_key_rpm", "This caller") if is_own else ("global_rpm", "All callers together")
        )
        return Block(
            RATE_LIMITED,
            f"not sent. {whose} may send {limit} requests a minute; try again in {_said(wait_ms)}.",
            {"limit": name, "requests_per_minute": limit, "retry_after_ms": wait_ms},
            retry_after_ms=wait_ms,
        )

    def limit_open(
        self, cells: CellSet, key: str | None, key_id: int, smallest_nusd: int = NUSD_MAX
    ) -> None:
        """Let `reserve` refuse where the caller of a set has too many requests running, or they
        hold too much of the smallest limit among the budgets that it shares with others.

        `key_id` is the value id of its key, 0 for anonymous.  Raises what `Table.claim` does.
        """
        most, share = self._limits_of(key).in_flight, self._share_permille
        if most is None and share is None:
            return
        self._table.limit_open(cells, *self._cell_of(key_id), most or UNBOUNDED)
        if share is not None and smallest_nusd < NUSD_MAX:
            self._table.limit_held(cells, max(1, smallest_nusd * share // 1000))

    def crowded(self, key: str | None) -> Block:
        """The refusal of a caller with too much running."""
        if self._table.answer[0] == 1:
            return Block(
                RATE_LIMITED,
                "not sent. The running requests of this caller hold its share of the budget; try"
                " again when one of them has ended.",
                {"limit": "per_key_held_share", "retry_after_ms": CROWDED_MS},
                retry_after_ms=CROWDED_MS,
            )
        most = self._limits_of(key).in_flight
        return Block(
            RATE_LIMITED,
            f"not sent. This caller may have {most} requests running at once; try again when one"
            " of them has ended.",
            {"limit": "per_key_in_flight", "in_flight": most, "retry_after_ms": CROWDED_MS},
            retry_after_ms=CROWDED_MS,
        )


def _rate(cell: int, generation: int, rpm: int, burst: int | None) -> Rate:
    # Rounded up: never a request more than stated.
    return Rate(cell, generation, -(-MINUTE_NS // rpm), burst or rpm)


def _said(wait_ms: int) -> str:
    return f"{wait_ms} ms" if wait_ms < 1000 else f"{-(-wait_ms // 1000)} s"
