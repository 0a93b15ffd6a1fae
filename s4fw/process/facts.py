"""What the admin listener asks, answered from the steward's memory and the shared table."""

from __future__ import annotations

import time
from collections.abc import Callable

from s4fw import __version__
from s4fw.admin.facts import (
    COSTS_BY,
    Costs,
    Event,
    Frozen,
    Loops,
    Status,
    UnknownBudget,
    UnknownSession,
)
from s4fw.config.schema import Config
from s4fw.ledger.rule import rules_of
from s4fw.ledger.table import Table
from s4fw.ledger.window import Clock
from s4fw.loops import episodes, hindsight, tenants
from s4fw.loops.memory import Memory
from s4fw.loops.rules import RULES
from s4fw.observe.figures import BudgetFigures, Snapshot, WorkerFigures
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.readers import BudgetReader, read_loops, read_workers
from s4fw.observe.times import rfc3339
from s4fw.process.auditor import Auditor
from s4fw.process.bookkeeper import Bookkeeper
from s4fw.process.eventlog import EventLog
from s4fw.process.factors import learned
from s4fw.process.periods import Periods, outcomes_by
from s4fw.process.seat import KIND_NAMES
from s4fw.process.sums import sums_of
from s4fw.process.vitals import HEARTBEAT_S_MAX
from s4fw.process.witness import WORKER_EXIT, recovered_in
from s4fw.stages.policies import policies_of


class StewardFacts:
    """`admin.facts.Facts`, as the steward knows them.  `adopt` takes a new configuration."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        events: EventLog,
        books: Bookkeeper,
        auditor: Auditor,
        started_s: int,
        loops: Memory,
    ) -> None:
        self._table = table
        self._clock = clock
        self._events = events
        self._books = books
        self._auditor = auditor
        self._started_s = started_s
        self._loops = loops
        self._is_draining = False
        self._exits = 0
        self._recovered = 0
        self.periods: Periods | None = None  # of the steward whose facts these are
        self.ledger: Callable[[], dict[str, int]] | None = None  # gauges, where one is written

    def adopt(self, config: Config, generation: int, prices_version: str) -> None:
        """Answer for this configuration from now on."""
        self._config = config
        self._generation = generation
        self._prices_version = prices_version
        self._reader = BudgetReader(self._table, config.share.budgets, self._clock)
        rules = rules_of(self._table, config.budgets)
        self._value_ids = {rule.id: rule.value_id for rule in rules}
        self._ids = {rule.value_id: rule.id for rule in rules}

    def drain(self) -> None:
        """The master began to shut down."""
        self._is_draining = True

    def hear(self, event: Event) -> None:
        """An event the master saw."""
        self._events.note(event)
        self._exits += event.kind == WORKER_EXIT
        self._recovered += recovered_in(event)

    def remember(self, exits: int, recovered: int, events: list[Event]) -> None:
        """What the master saw before this steward."""
        self._exits += exits
        self._recovered += recovered
        self._events.note_past(events)

    # -- admin.facts.Facts --------------------------------------------------------------------

    def is_ready(self) -> bool:
        return not self._is_draining and self._ready_workers() > 0

    def is_draining(self) -> bool:
        return self._is_draining

    def status(self) -> Status:
        workers = [w for w in self.workers() if w.kind == "worker"]
        return {
            "version": __version__,
            "started_at": rfc3339(self._started_s),
            "ready": self.is_ready(),
            "draining": self._is_draining,
            "config_generation": self._generation,
            "workers": {
                "configured": self._config.server.workers,
                "live": sum(w.is_live for w in workers),
                "ready": sum(_is_beating(w) for w in workers),
            },
            "table": {
                "path": str(self._config.paths.runtime / "table"),
                "cells": len(self._table.cells()),
                "cells_max": self._table.sizes.cells,
                "open_leases": sum(w.leases for w in workers),
            },
            "prices_version": self._prices_version,
        }

    def budgets(self) -> list[BudgetFigures]:
        return self._reader.read()

    def workers(self) -> list[WorkerFigures]:
        kinds = [info.kind for info in self._table.slots()]
        return read_workers(self._table, lambda slot: KIND_NAMES[kinds[slot]])

    def events(self, limit: int, kind: str | None = None) -> list[Event]:
        return self._events.newest(limit, kind)

    def costs(self, by: str, period: str = "all") -> Costs:
        assert by in COSTS_BY
        if period != "all" and self.periods is not None:
            return self.periods.costs(period, by, self._books.spend)
        spend = self._books.spend
        return Costs(spend.since_s, spend.costs(by), outcomes_by(spend, by))

    def snapshot(self) -> Snapshot:
        workers = self.workers()
        gauges = {
            "ready": int(self.is_ready()),
            "draining": int(self._is_draining),
            "started_at_s": self._started_s,
            "config_generation": self._generation,
            "workers_configured": self._config.server.workers,
            "table_cells": len(self._table.cells()),
            "table_cells_max": self._table.sizes.cells,
            "audit_mismatches": self._auditor.mismatches,
            "audit_passes": self._auditor.passes,
            "recovered_leases": self._recovered,
            "worker_exits": self._exits,
        }
        if self.ledger is not None:
            gauges |= self.ledger()
        is_calibrated = self._config.pricing.counting == "calibrated"
        factors = learned(self._table, self._clock) if is_calibrated else []
        loops = read_loops(self._loops)
        labels = self._config.admin.metric_labels
        sums = sums_of(self._books.spend, labels)
        return Snapshot(self.budgets(), workers, gauges, factors, loops, *sums, labels)

    def outcomes(self, by: str) -> list[OutcomeFigures]:
        return self._books.spend.outcomes.by(by)

    def frozen(self) -> Frozen:
        value_ids = self._table.frozen()
        budgets = tuple(self.budget_name(value_id) for value_id in value_ids if value_id)
        return Frozen(0 in value_ids, budgets)

    def freeze(self, budget_id: str | None) -> Frozen:
        self._table.freeze(self._value_id(budget_id))
        self._tell("freeze", "alarm", "frozen", budget_id)
        return self.frozen()

    def release(self, budget_id: str | None) -> Frozen:
        self._table.release(self._value_id(budget_id))
        self._tell("release", "info", "released", budget_id)
        return self.frozen()

    def loops(self) -> Loops:
        policy = policies_of(self._config.loops).default
        return Loops(
            list(tenants.tallies(self._loops)),
            {rule: policy.mode_of(rule) for rule in RULES},
            tenants.sessions(self._loops),
        )

    def release_session(self, session: str) -> None:
        if not episodes.release(self._loops, episodes.key_of(session)):
            raise UnknownSession(session)
        sentence = "a session was released from its loop"
        self._events.note(Event(time.time_ns(), "loop_release", "info", sentence, {}))

    def judge_loops(self) -> None:
        """Judge by hindsight the sessions that are over."""
        hindsight.settle_idle(self._loops, time.monotonic_ns() // 1_000_000)

    # -- inside -------------------------------------------------------------------------------

    def budget_name(self, value_id: int) -> str:
        """A budget's id; for one that is no longer configured, the name it had in the table."""
        return self._ids.get(value_id) or self._table.value(value_id)[1].decode()

    def _ready_workers(self) -> int:
        return sum(_is_beating(w) for w in self.workers() if w.kind == "worker")

    def _value_id(self, budget_id: str | None) -> int:
        if budget_id is None:
            return 0
        if budget_id not in self._value_ids:
            raise UnknownBudget(budget_id)
        return self._value_ids[budget_id]

    def _tell(self, kind: str, level: str, done: str, budget_id: str | None) -> None:
        what = "all spending" if budget_id is None else f"budget {budget_id}"
        fields: dict[str, str | int] = {} if budget_id is None else {"budget_id": budget_id}
        self._events.note(Event(time.time_ns(), kind, level, f"{what} was {done}", fields))


def _is_beating(worker: WorkerFigures) -> bool:
    is_fresh = worker.heartbeat_age_ms < HEARTBEAT_S_MAX * 1000
    return worker.is_live and worker.state == "ready" and is_fresh
