"""What the admin listener asks of the process it runs in.  The steward implements `Facts`.

The listener knows no table, no configuration and no journal: it asks, shapes the answer and says
who may see it.  All calls are synchronous and come from the listener's event loop; they must not
wait for anything but memory.

Composition, in the process that has a loop:

    guard = Guard(token, read_token, is_loopback(host))  # admin.auth; raises when it would be open
    server = AdminServer(facts, guard)                # admin.server
    await server.start(listening_socket)              # bound and listening; kept by its owner
    ...
    await server.close()

The commands find the listener by reading the configuration.  Where its `admin.port` is 0 they read
`<paths.runtime>/ports.json`, one object `{"data": 8080, "admin": 9090}` that the master writes
(replaced whole, mode 0600) once both listeners are bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypedDict

from s4fw.core.attribution import DIMENSIONS
from s4fw.loops.tenants import Tally
from s4fw.observe.figures import BudgetFigures, Snapshot, WorkerFigures
from s4fw.observe.outcomes import OutcomeFigures

# What spend can be summed by; `budget` is not among them: /v1/budgets answers that.
COSTS_BY = DIMENSIONS
PERIODS = ("all", "today", "month")  # in UTC; all: since the sums began


class UnknownBudget(LookupError):
    """Asked to freeze or release a budget that the configuration does not name."""


class UnknownSession(LookupError):
    """Asked to release a session that is not remembered (any more)."""


class WorkersStatus(TypedDict):
    """How many workers there should be, how many hold their slot, how many are ready."""

    configured: int
    live: int
    ready: int


class TableStatus(TypedDict):
    """How full the shared table is."""

    path: str
    cells: int
    cells_max: int
    open_leases: int


class Status(TypedDict):
    """The shape of /v1/status.  `started_at` is RFC 3339 in UTC."""

    version: str
    started_at: str
    ready: bool
    draining: bool
    config_generation: int
    workers: WorkersStatus
    table: TableStatus
    prices_version: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a person's look: a block, an overrun, a recovery, a reload, a freeze.

    `kind` is a word to filter by (block, shadow_block, overrun, accrued, recovery, gap, reload,
    reload_refused, freeze, release, worker_exit, worker_killed, audit, alert).  `level` is info,
    warning or alarm.  `message` is a sentence of ours; `fields` hold names and integers: budget_id,
    code, reason, request_id, worker, amount_nusd, and `scope` values under their dimension's name.
    """

    at_ns: int  # wall clock
    kind: str
    level: str
    message: str
    fields: dict[str, str | int] = field(default_factory=dict)

    @property
    def log_text(self) -> str:
        """What a log line may show of it: `log.warning("%s", event)` (see `observe.log`)."""
        return self.message


@dataclass(frozen=True, slots=True)
class Cost:
    """What one value of a dimension cost since the sums began; amounts in nano-USD."""

    value: str
    spent_nusd: int
    accrued_nusd: int
    requests: int  # settled or accrued
    blocked: int
    tokens_in: int  # all input, cached or not
    tokens_cached: int  # the part of tokens_in that was read from a cache
    tokens_out: int

    @property
    def charged_nusd(self) -> int:
        return self.spent_nusd + self.accrued_nusd


@dataclass(frozen=True, slots=True)
class Costs:
    """All values of one dimension, in any order, and since when (wall clock) they are summed.

    `outcomes` are what applications reported of them, where the dimension is one of OUTCOMES_BY.
    """

    since_s: int
    costs: list[Cost]
    outcomes: list[OutcomeFigures] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is frozen now: everything, and single budgets by their id."""

    everything: bool
    budgets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loops:
    """What the rules about loops found since the start: `tallies` by tenant and rule, in any order,
    `modes` by rule as configured for all, `sessions` by tenant."""

    tallies: list[Tally]
    modes: dict[str, str]
    sessions: dict[str, int]


class Facts(Protocol):
    """The questions.  Cheap ones (`is_ready`, `is_draining`) are asked by every health check."""

    def is_ready(self) -> bool:
        """Table attached, configuration valid, a worker beating, not draining or failed closed."""

    def is_draining(self) -> bool:
        """Whether the firewall is shutting down."""

    def status(self) -> Status: ...

    def budgets(self) -> list[BudgetFigures]:
        """Current windows, one entry per cell, in the order of the configuration."""

    def workers(self) -> list[WorkerFigures]:
        """A row per slot that is or was in use, by slot."""

    def events(self, limit: int, kind: str | None = None) -> list[Event]:
        """The last events, newest first, at most `limit`; all, or those of one kind."""

    def costs(self, by: str, period: str = "all") -> Costs:
        """Sums by one of COSTS_BY, over one of PERIODS."""

    def outcomes(self, by: str) -> list[OutcomeFigures]:
        """What applications reported, by one of OUTCOMES_BY."""

    def snapshot(self) -> Snapshot:
        """Everything for /metrics, of one moment."""

    def frozen(self) -> Frozen: ...

    def freeze(self, budget_id: str | None) -> Frozen:
        """Stop one budget, or everything for None; returns what is frozen then.

        Raises UnknownBudget.  Freezing what is frozen changes nothing.
        """

    def release(self, budget_id: str | None) -> Frozen:
        """Undo `freeze` of the same scope.  Raises UnknownBudget."""

    def loops(self) -> Loops: ...

    def release_session(self, session: str) -> None:
        """Let a session go on until its loop ends.  Raises UnknownSession."""
