"""Figures as Prometheus text exposition, version 0.0.4.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

Summed and per-worker counters are families of their own (`s4fw_requests_total`,
`s4fw_worker_requests_total{worker="0"}`), so that `sum()` never counts twice.  Both are right
without any set-up: a worker's counters live in the shared table and outlive it.

How many series a budget may have is bounded, because callers choose the values of some dimensions.
A budget with more than `SCOPES_MAX` scopes, or with a dimension that callers choose and that is not
among the labels the operator wants, is shown as one sum without scope labels; a limit of a sum says
nothing, so limit and remaining are left out there and `s4fw_budget_used_ratio_max` tells how near
its nearest scope is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from s4fw.core.counter import COUNTERS, GAUGES, Counter
from s4fw.loops.hindsight import wilson_upper
from s4fw.observe import exchanges, meters
from s4fw.observe.figures import BudgetFigures, LoopFigures, Snapshot, WorkerFigures
from s4fw.observe.meters import Meter
from s4fw.observe.text import Labels, Sample, decimal, family, line
from s4fw.units import usd_9

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SCOPES_MAX = 500
CALLER_DIMENSIONS = frozenset({"customer", "agent", "session"})

_AMOUNTS: tuple[tuple[Meter, Callable[[BudgetFigures], int]], ...] = (
    (meters.LIMIT, lambda b: b.limit_nusd),
    (meters.USED, lambda b: b.used_nusd),
    (meters.CHARGED, lambda b: b.charged_nusd),
    (meters.SPENT, lambda b: b.spent_nusd),
    (meters.ACCRUED, lambda b: b.accrued_nusd),
    (meters.HELD, lambda b: b.held_nusd),
    (meters.REMAINING, lambda b: b.remaining_nusd),
)
_ABSENT_WHERE_SUMMED = frozenset({meters.LIMIT, meters.REMAINING})


def render(snapshot: Snapshot) -> bytes:
    """The whole page."""
    lines: list[str] = []
    for meter, samples in _families(snapshot):
        lines += family(meter, [line(meter.name, labels, value) for labels, value in samples])
    for meter, rows in exchanges.histograms(snapshot.tally):
        lines += family(meter, rows)
    return ("\n".join(lines) + "\n").encode() if lines else b"\n"


def counter_meter(counter: Counter, is_per_worker: bool) -> Meter:
    """The metric family of a counter of the data plane: the one place that names it."""
    is_gauge = counter.name in GAUGES
    name = f"s4fw_{'worker_' if is_per_worker else ''}{counter.name}"
    if counter.per_unit != 1:
        name += f"_{counter.unit}"
    if not is_gauge:
        name += "_total"
    labels = ("worker",) if is_per_worker else ()
    sentence = counter.sentence.removesuffix(" (a gauge).").removesuffix(".") + "."
    return Meter(name, "gauge" if is_gauge else "counter", counter.unit, sentence, labels)


def _families(snapshot: Snapshot) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    yield from _instance(snapshot.gauges)
    yield from _budgets(snapshot.budgets, snapshot.labels)
    yield from _counters(snapshot.workers)
    yield from _workers(snapshot.workers)
    yield (
        meters.TOKEN_FACTOR,
        [
            ([("provider", provider), ("family", family)], decimal(factor, 1000))
            for provider, family, factor in snapshot.factors
        ],
    )
    yield from _loops(snapshot.loops)
    yield from exchanges.errors(snapshot.workers)
    yield from exchanges.decisions(snapshot.tally)
    for dimension, sums in snapshot.sums.items():
        yield from exchanges.sums(dimension, sums)
    for dimension, outcomes in snapshot.outcomes.items():
        yield from exchanges.outcomes(dimension, outcomes)


def _loops(loops: list[LoopFigures]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    yield (
        meters.LOOP_FINDINGS,
        [
            ([("rule", one.rule), ("outcome", outcome)], str(count))
            for one in loops
            for outcome, count in one.outcomes.items()
        ],
    )
    yield meters.LOOP_WASTED, [([("rule", o.rule)], usd_9(o.wasted_nusd)) for o in loops]
    yield meters.LOOP_AVOIDABLE, [([("rule", o.rule)], usd_9(o.saved_nusd)) for o in loops]
    judged = [(o.rule, o.judged) for o in loops if sum(o.judged)]
    yield (
        meters.LOOP_FALSE_SHARE_MAX,
        [
            ([("rule", rule)], f"{wilson_upper(wrong, right + wrong + other):.6f}")
            for rule, (right, wrong, other) in judged
        ],
    )


def _instance(gauges: dict[str, int]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    for key, meter in meters.GAUGES.items():
        if key in gauges:
            yield meter, [((), str(int(gauges[key])))]


def _counters(workers: list[WorkerFigures]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    for counter in COUNTERS:
        total = sum(w.counters[counter.name] for w in workers)
        yield counter_meter(counter, False), [((), decimal(total, counter.per_unit))]
    for counter in COUNTERS:
        samples = [(_of(w), decimal(w.counters[counter.name], counter.per_unit)) for w in workers]
        yield counter_meter(counter, True), samples


def _workers(workers: list[WorkerFigures]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    live = [w for w in workers if w.is_live]
    up = [([*_of(w), ("kind", w.kind), ("state", w.state)], str(int(w.is_live))) for w in workers]
    yield meters.WORKER_UP, up
    yield meters.HEARTBEAT_AGE, [(_of(w), decimal(w.heartbeat_age_ms, 1000)) for w in live]
    yield meters.WORKER_LEASES, [(_of(w), str(w.leases)) for w in workers]
    yield meters.RING_LAG, [(_of(w), str(w.ring_lag)) for w in workers]


def _of(worker: WorkerFigures) -> list[tuple[str, str]]:
    return [("worker", str(worker.slot))]


def _budgets(
    budgets: list[BudgetFigures], shown: frozenset[str]
) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    by_id: dict[str, list[BudgetFigures]] = {}
    for budget in budgets:
        by_id.setdefault(budget.id, []).append(budget)
    groups = list(by_id.values())
    for meter, amount in _AMOUNTS:
        yield meter, [s for cells in groups for s in _amounts(meter, amount, cells, shown)]
    summed = [(cells, _budget_labels(cells[0])) for cells in groups]
    yield meters.CELLS, [(labels, str(len(cells))) for cells, labels in summed]
    yield (
        meters.USED_RATIO_MAX,
        [(labels, decimal(max(map(_used_permille, cells)), 1000)) for cells, labels in summed],
    )
    yield meters.DENIALS, [(labels, str(sum(b.denials for b in c))) for c, labels in summed]
    yield (
        meters.RESETS_AT,
        [(labels, str(c[0].resets_at_s)) for c, labels in summed if c[0].resets_at_s is not None],
    )
    yield meters.IS_FROZEN, [(labels, str(int(c[0].is_frozen))) for c, labels in summed]


def _amounts(
    meter: Meter,
    amount: Callable[[BudgetFigures], int],
    cells: list[BudgetFigures],
    shown: frozenset[str],
) -> Iterator[Sample]:
    if not _is_summed(cells, shown):
        for b in cells:
            yield [*_budget_labels(b), *b.scope.items()], usd_9(amount(b))
    elif meter not in _ABSENT_WHERE_SUMMED:
        yield _budget_labels(cells[0]), usd_9(sum(map(amount, cells)))


def _budget_labels(b: BudgetFigures) -> Labels:
    return [("budget", b.id), ("window", b.window), ("mode", b.mode)]


def _is_summed(cells: list[BudgetFigures], shown: frozenset[str]) -> bool:
    return len(cells) > SCOPES_MAX or not CALLER_DIMENSIONS.isdisjoint(
        cells[0].scope.keys() - shown
    )


def _used_permille(b: BudgetFigures) -> int:
    if b.limit_nusd <= 0:
        return 1000
    return b.used_nusd * 1000 // b.limit_nusd
