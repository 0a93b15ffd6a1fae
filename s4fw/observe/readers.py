"""The shared table as plain figures.

Readers change nothing, take no lock and never make a writer wait.  Each cell is of one instant;
two cells may be of two instants some microseconds apart, so a request that is being settled just
now may show in one budget and not yet in the other.  That is all that staleness costs here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from s4fw.core.counter import COUNTERS, GAUGES
from s4fw.ledger.rule import Budget, rules_of
from s4fw.ledger.table import CellInfo, SlotInfo, Table
from s4fw.ledger.upkeep import Upkeep
from s4fw.ledger.window import Clock, end_of
from s4fw.loops.memory import Memory
from s4fw.loops.tenants import Tally, tallies
from s4fw.observe.figures import BudgetFigures, LoopFigures, WorkerFigures

OUTCOMES = (
    *("warned", "would_block", "blocked", "episodes"),
    *("proved", "disproved", "uncertain"),
)
STATES = ("starting", "ready", "draining")  # the state word of a slot


class BudgetReader:
    """Reads the cells of one configuration's budgets; a reload makes a new one."""

    def __init__(self, table: Table, budgets: Sequence[Budget], clock: Clock) -> None:
        self._table = table
        self._upkeep = Upkeep(table, budgets, clock)
        self._rules = {rule.id: rule for rule in rules_of(table, budgets)}
        self._clock = clock
        self._budgets = budgets
        self._place = {budget.id: place for place, budget in enumerate(budgets)}

    def read(self) -> list[BudgetFigures]:
        """Current windows, a row per cell, in the configuration's order and then by scope.

        A budget without dimensions has its row before anything was spent.
        """
        rows = [row for cell in self._table.cells() if (row := self._row(cell)) is not None]
        seen = {row.id for row in rows}
        rows += [self._unopened(b) for b in self._budgets if not b.per and b.id not in seen]
        rows.sort(key=lambda row: (self._place[row.id], tuple(row.scope.values())))
        return rows

    def _row(self, cell: CellInfo) -> BudgetFigures | None:
        described = self._upkeep.describe(cell)
        if described is None:
            return None
        rule, scope, ends_s = described
        return BudgetFigures(
            id=rule.id,
            scope=scope,
            window=rule.budget.window,
            starts_at_s=cell.start_s,
            resets_at_s=ends_s,
            mode=rule.budget.mode,
            limit_nusd=cell.stated,
            used_nusd=cell.used,
            charged_nusd=cell.charged,
            accrued_nusd=cell.accrued,
            open_leases=cell.open_leases,
            denials=cell.denials,
            is_frozen=cell.is_frozen,
        )

    def _unopened(self, budget: Budget) -> BudgetFigures:
        """What a budget shows in the moment before its window's cell is opened: nothing used."""
        rule = self._rules[budget.id]
        start_s = self._clock.start_of(budget.window, rule.zone)
        is_total = budget.window == "total"
        return BudgetFigures(
            id=budget.id,
            scope={},
            window=budget.window,
            starts_at_s=start_s,
            resets_at_s=None if is_total else end_of(budget.window, start_s, rule.zone),
            mode=budget.mode,
            limit_nusd=rule.limit_of(()),
        )


def read_loops(memory: Memory) -> list[LoopFigures]:
    """What the rules about loops found, by rule, at all tenants together."""
    found: dict[str, list[Tally]] = {}
    for tally in tallies(memory):
        found.setdefault(tally.rule, []).append(tally)
    return [
        LoopFigures(
            rule,
            {name: sum(getattr(one, name) for one in of_rule) for name in OUTCOMES},
            sum(one.wasted_nusd for one in of_rule),
            sum(one.saved_nusd for one in of_rule),
        )
        for rule, of_rule in sorted(found.items())
    ]


def read_workers(table: Table, kind_of: Callable[[int], str]) -> list[WorkerFigures]:
    """A row per slot that is in use or has counted something, by slot.

    `kind_of` gives a slot's kind as a word: the table knows a number only its owners understand.
    """
    return [_worker(info, kind_of(info.slot)) for info in table.slots() if _was_used(info)]


def _was_used(info: SlotInfo) -> bool:
    return info.is_live or info.open_leases > 0 or any(info.counters)


def _worker(info: SlotInfo, kind: str) -> WorkerFigures:
    return WorkerFigures(
        slot=info.slot,
        kind=kind,
        pid=info.pid,
        state=_state(info),
        is_live=info.is_live,
        heartbeat_age_ms=info.heartbeat_age_ms,
        leases=info.open_leases,
        generation=info.generation,
        ring_lag=info.ring_lag,
        counters=_counters(info),
    )


def _counters(info: SlotInfo) -> dict[str, int]:
    """By name.  A dead process has nothing in flight, whatever it had noted last."""
    counters = {
        c.name: info.counters[at] if info.is_live or c.name not in GAUGES else 0
        for at, c in enumerate(COUNTERS)
    }
    # The table itself counts the rows it had no room for: their owner cannot know of all.
    counters["rows_dropped"] = info.dropped
    return counters


def _state(info: SlotInfo) -> str:
    if info.is_live:
        return STATES[info.state] if info.state < len(STATES) else "unknown"
    return "dead" if info.open_leases else "gone"
