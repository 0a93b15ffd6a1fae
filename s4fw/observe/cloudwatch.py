"""Figures as data of CloudWatch: what happened since the last time, in batches it accepts.

CloudWatch adds up what it is sent, over instances too, so everything that grows is sent as its
growth and only where there was some; states are sent as they are.  Histograms become values with
counts, one datum for each model: percentiles work and cost one metric.  A value is the upper bound
of its bucket, so a latency is never told better than it was.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from s4fw.core.attribution import OTHER
from s4fw.observe.exchanges import ERROR_CLASSES
from s4fw.observe.figures import BudgetFigures, Snapshot, Sum, WorkerFigures
from s4fw.observe.tally import Histogram
from s4fw.units import usd_9

BATCH_DATA_MAX = 1000
BATCH_BYTES_MAX = 900_000  # of one million, and the estimate below is on the safe side
_DATUM_BYTES = 500
_VALUE_BYTES = 120  # with its count, in the longest form on the wire

Datum = dict[str, Any]
_SUMS = ("SpendUSD", "InputTokens", "CachedInputTokens", "OutputTokens", "Requests", "Blocked")
_COUNTED = ("overruns", "rows_dropped", "shed", "loop_blocked", "loop_warned", "accrued")


class Deltas:
    """What was sent already.  `begin` notes where it starts, `take` gives what came since."""

    def __init__(self, values_max: int) -> None:
        self._values_max = values_max
        self._before: dict[tuple[str, ...], int] = {}
        self._sums: dict[tuple[str, str], list[int]] = {}  # by dimension and value
        self._at_s = 0

    def begin(self, snapshot: Snapshot, sums: Mapping[str, Sequence[Sum]]) -> None:
        """Nothing up to here is sent: somebody did so before, or it is too old."""
        self.take(snapshot, sums, 0)

    def take(self, snapshot: Snapshot, sums: Mapping[str, Sequence[Sum]], at_s: int) -> list[Datum]:
        """All data of one moment (Unix seconds)."""
        self._at_s = at_s
        data = [datum for name, rows in sums.items() for datum in self._of_values(name, rows)]
        data += self._of_all(snapshot)
        data += self._histograms(snapshot)
        data += self._states(snapshot)
        return data

    # -- what grows

    def _grown(self, now: int, *key: str) -> int:
        grown = now - self._before.get(key, 0)
        self._before[key] = now
        return grown

    def _of_values(self, dimension: str, rows: Sequence[Sum]) -> Iterator[Datum]:
        grown = [(one.value, self._growth(dimension, one)) for one in rows]
        active = [(value, amounts) for value, amounts in grown if any(amounts)]
        active.sort(key=lambda of: (-of[1][0], of[0]))
        shown = dict(active[: self._values_max])
        for _, amounts in active[self._values_max :]:
            sums = shown.setdefault(OTHER, [0] * len(_SUMS))
            shown[OTHER] = [a + b for a, b in zip(sums, amounts, strict=True)]
        for value, amounts in shown.items():
            yield from self._amounts(amounts, {dimension.capitalize(): value})

    def _growth(self, dimension: str, one: Sum) -> list[int]:
        now = [
            one.charged_nusd,
            one.tokens_in - one.tokens_cached,
            one.tokens_cached,
            one.tokens_out,
            one.requests,
            one.blocked,
        ]
        before = self._sums.get((dimension, one.value))
        self._sums[dimension, one.value] = now
        return now if before is None else [a - b for a, b in zip(now, before, strict=True)]

    def _amounts(self, amounts: Sequence[int], dimensions: Mapping[str, str]) -> Iterator[Datum]:
        for name, amount in zip(_SUMS, amounts, strict=True):
            if amount:
                value = float(usd_9(amount)) if name == "SpendUSD" else amount
                yield self._datum(
                    name, value, "None" if name == "SpendUSD" else "Count", dimensions
                )

    def _of_all(self, snapshot: Snapshot) -> Iterator[Datum]:
        """Without dimensions, so that an alarm on all of it needs no expression."""
        total = Sum.of_all(snapshot.sums.get("provider", ()))
        yield from self._amounts(self._growth("", total), {})
        counted = _counted(snapshot.workers)
        for name in _COUNTED:
            if grown := self._grown(counted.get(name, 0), "counter", name):
                yield self._datum(_camel(name), grown, "Count", {})
        for name, (added, taken) in ERROR_CLASSES.items():
            now = sum(counted.get(c, 0) for c in added) - sum(counted.get(c, 0) for c in taken)
            if (grown := self._grown(now, "errors", name)) > 0:
                yield self._datum("Errors", grown, "Count", {"Class": name})
        exits = snapshot.gauges.get("worker_exits", 0)
        if grown := self._grown(exits, "exits"):
            yield self._datum("WorkerExits", grown, "Count", {})

    def _histograms(self, snapshot: Snapshot) -> Iterator[Datum]:
        for (model, provider), tally in sorted(snapshot.tally.models.items()):
            dimensions = {"Model": model, "Provider": provider}
            for name, histogram in (
                ("OperationDuration", tally.duration_ms),
                ("TimeToFirstToken", tally.first_token_ms),
            ):
                yield from self._histogram(name, "Milliseconds", histogram, dimensions)
        yield from self._histogram("Overhead", "Microseconds", snapshot.tally.overhead_us, {})

    def _histogram(
        self, name: str, unit: str, histogram: Histogram, dimensions: Mapping[str, str]
    ) -> Iterator[Datum]:
        bounds = (*histogram.bounds, 2 * histogram.bounds[-1])
        values: list[int] = []
        counts: list[int] = []
        for bound, now in zip(bounds, histogram.counts, strict=True):
            if (grown := self._grown(now, name, *dimensions.values(), str(bound))) > 0:
                values.append(bound)
                counts.append(grown)
        if values:
            datum = self._datum(name, 0, unit, dimensions)
            del datum["Value"]
            yield datum | {"Values": values, "Counts": counts}

    # -- what is

    def _states(self, snapshot: Snapshot) -> Iterator[Datum]:
        workers = [w for w in snapshot.workers if w.kind == "worker" and w.is_live]
        yield self._datum("Ready", snapshot.gauges.get("ready", 0), "None", {})
        ready = sum(w.state == "ready" for w in workers)
        yield self._datum("WorkersReady", ready, "Count", {})
        in_flight = sum(w.counters.get("in_flight", 0) for w in workers)
        yield self._datum("InFlight", in_flight, "Count", {})
        if workers:
            age = max(w.heartbeat_age_ms for w in workers)
            yield self._datum("HeartbeatAgeMax", age, "Milliseconds", {})
        by_id: dict[str, list[BudgetFigures]] = {}
        for budget in snapshot.budgets:
            by_id.setdefault(budget.id, []).append(budget)
        for budget_id, cells in by_id.items():
            yield self._datum("BudgetUsed", _used_percent(cells), "Percent", {"Budget": budget_id})

    def _datum(
        self, name: str, value: int | float, unit: str, dimensions: Mapping[str, str]
    ) -> Datum:
        return {
            "MetricName": name,
            "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
            "Timestamp": self._at_s,
            "Value": value,
            "Unit": unit,
        }


def batches(data: Sequence[Datum]) -> Iterator[list[Datum]]:
    """In pieces that one call takes."""
    batch: list[Datum] = []
    size = 0
    for datum in data:
        more = _bytes_of(datum)
        if batch and (len(batch) >= BATCH_DATA_MAX or size + more > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(datum)
        size += more
    if batch:
        yield batch


def _bytes_of(datum: Datum) -> int:
    """At most so many bytes on the wire, in any of the forms that SDKs write."""
    names = sum(len(d["Name"]) + 3 * len(d["Value"].encode()) + 100 for d in datum["Dimensions"])
    return _DATUM_BYTES + names + _VALUE_BYTES * len(datum.get("Values", ()))


def _counted(workers: Sequence[WorkerFigures]) -> dict[str, int]:
    total: dict[str, int] = {}
    for worker in workers:
        for name, count in worker.counters.items():
            total[name] = total.get(name, 0) + count
    return total


def _used_percent(cells: Sequence[BudgetFigures]) -> float:
    """Of the scope nearest to its limit, rounded down to a tenth."""
    nearest = max(c.used_nusd * 1000 // c.limit_nusd if c.limit_nusd > 0 else 1000 for c in cells)
    return nearest / 10


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
