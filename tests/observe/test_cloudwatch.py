"""Figures as data of CloudWatch: each growth once, compressed, in batches it accepts."""

from __future__ import annotations

from typing import Any

from s4fw.observe.cloudwatch import BATCH_BYTES_MAX, Datum, Deltas, batches
from s4fw.observe.figures import Snapshot, Sum
from s4fw.observe.tally import Tally
from tests.admin.scripted import USD, budget, counters, worker
from tests.process.rows import NAMES, row

NOW_S = 1_795_262_400


def named(data: list[Datum], name: str) -> dict[str, Any]:
    """Value (or values and counts) of each datum of a name, by its dimensions."""
    return {
        ",".join(d["Value"] for d in datum["Dimensions"]): (
            datum["Value"] if "Value" in datum else (datum["Values"], datum["Counts"])
        )
        for datum in data
        if datum["MetricName"] == name
    }


def spent(value: str, usd: int, tokens: int = 0) -> Sum:
    return Sum(value, usd * USD, tokens, 0, tokens, 1, 0)


def test_take_sends_what_grew_since_the_last_time_and_once() -> None:
    """CloudWatch adds up: a total sent each minute would be a hundred times the bill."""
    deltas = Deltas(100)
    empty = Snapshot([], [])
    deltas.begin(empty, {"tenant": [spent("acme", 5)]})
    grown = {"tenant": [spent("acme", 7, 30), spent("globex", 1)]}
    first = deltas.take(empty, grown, NOW_S)
    assert {"acme": 2.0, "globex": 1.0} == named(first, "SpendUSD")
    assert {"acme": 30} == named(first, "InputTokens")
    assert {} == named(deltas.take(empty, grown, NOW_S), "SpendUSD")
    assert {NOW_S} == {datum["Timestamp"] for datum in first}


def test_take_sends_a_refund_as_a_negative_amount() -> None:
    """A later truth that was cheaper must make the sum right."""
    deltas = Deltas(100)
    deltas.begin(Snapshot([], []), {"tenant": [spent("acme", 5)]})
    data = deltas.take(Snapshot([], []), {"tenant": [spent("acme", 4)]}, NOW_S)
    assert {"acme": -1.0} == named(data, "SpendUSD")


def test_take_bounds_the_values_and_loses_no_money() -> None:
    """AWS bills each value; whoever is not dear enough is still in the sum."""
    deltas = Deltas(2)
    rows = [spent("a", 1), spent("b", 9), spent("c", 2), spent("other", 8)]
    data = deltas.take(Snapshot([], []), {"customer": rows}, NOW_S)
    assert {"b": 9.0, "other": 11.0} == named(data, "SpendUSD")


def test_take_compresses_durations_to_values_and_counts() -> None:
    """A thousand requests are one datum; values are upper bounds, never better than it was."""
    tally = Tally()
    deltas = Deltas(10)
    tally.note(row(duration_ms=15), NAMES)
    deltas.begin(Snapshot([], [], tally=tally), {})
    for duration_ms in (15, 15, 300, 1_000_000):
        tally.note(row(duration_ms=duration_ms), NAMES)
    data = deltas.take(Snapshot([], [], tally=tally), {}, NOW_S)
    of = {"mock-small,openai": ([20, 320, 163_840], [2, 1, 1])}
    assert of == named(data, "OperationDuration")


def test_take_tells_health_and_errors() -> None:
    """What an alarm needs that must not depend on anything else of the firewall."""
    deltas = Deltas(10)
    workers = [
        worker(0, counters=counters(upstream_errors=4, upstream_timeouts=1, in_flight=3)),
        worker(1, heartbeat_age_ms=900),
        worker(2, is_live=False, state="dead", heartbeat_age_ms=99_000),
    ]
    gauges = {"ready": 1, "worker_exits": 2}
    data = deltas.take(
        Snapshot([budget(used_nusd=9_999 * USD // 1000)], workers, gauges), {}, NOW_S
    )
    assert {"": 1} == named(data, "Ready")
    assert {"": 2} == named(data, "WorkersReady")
    assert {"": 900} == named(data, "HeartbeatAgeMax")
    assert {"": 2} == named(data, "WorkerExits")
    assert {"tenant-day": 99.9} == named(data, "BudgetUsed")
    errors = named(data, "Errors")
    assert (3, 1) == (errors["upstream"], errors["timeout"])


def test_batches_keep_within_what_one_call_takes() -> None:
    """One datum too many and CloudWatch refuses all of them."""
    datum = {"MetricName": "m", "Dimensions": [], "Value": 1}
    assert [1000, 1000, 500] == [len(batch) for batch in batches([datum] * 2500)]
    large = {"MetricName": "m", "Dimensions": [], "Values": [1] * 150, "Counts": [1] * 150}
    sizes = [len(batch) for batch in batches([large] * 100)]
    assert 100 == sum(sizes)
    assert max(sizes) * 120 * 150 <= BATCH_BYTES_MAX
    assert [] == list(batches([]))
