"""What the steward adds up of journal rows: each row once, in the right bucket."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from s4fw.core.attribution import OTHER
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, Kind
from s4fw.observe.figures import Snapshot, Sum
from s4fw.observe.prometheus import render
from s4fw.observe.tally import DURATION_MS, MODELS_MAX, Histogram, Tally
from tests.process.rows import NAMES, row


def samples(snapshot: Snapshot, family: str) -> dict[tuple[str, ...], float]:
    """The samples of a family as a real parser reads them, by name and values of labels."""
    page = render(snapshot).decode()
    found = [f for f in text_string_to_metric_families(page) if f.name == family]
    return {(s.name, *s.labels.values()): s.value for f in found for s in f.samples}


def tallied(*rows: Any, names: tuple[str | None, ...] = NAMES) -> Tally:
    tally = Tally()
    for one in rows:
        tally.note(one, names)
    return tally


@pytest.mark.parametrize(("value", "place"), [(0, 0), (10, 0), (11, 1), (81920, 13), (81921, 14)])
def test_histogram_bounds_are_inclusive(value: int, place: int) -> None:
    """`le` means less or equal; off by one would shift every percentile."""
    histogram = Histogram(DURATION_MS)
    histogram.add(value)
    assert 1 == histogram.counts[place]
    assert 1 == sum(histogram.counts)


def test_rows_of_a_model_become_the_histograms_of_opentelemetry() -> None:
    """Dashboards made for GenAI telemetry read these very names and labels."""
    tally = tallied(
        row(duration_ms=1500, sent_us=2000, first_byte_ms=52, is_stream=True),
        row(duration_ms=5, sent_us=40),
    )
    snapshot = Snapshot([], [], tally=tally)
    duration = samples(snapshot, "gen_ai_client_operation_duration_seconds")
    of = ("mock-small", "openai")
    assert 1.505 == duration["gen_ai_client_operation_duration_seconds_sum", *of]
    assert 1 == duration["gen_ai_client_operation_duration_seconds_bucket", *of, "0.010"]
    assert 2 == duration["gen_ai_client_operation_duration_seconds_bucket", *of, "+Inf"]
    first = samples(snapshot, "gen_ai_server_time_to_first_token_seconds")
    assert 0.05 == first["gen_ai_server_time_to_first_token_seconds_sum", *of]
    assert 1 == first["gen_ai_server_time_to_first_token_seconds_count", *of]
    usage = samples(snapshot, "gen_ai_client_token_usage")
    assert 264 == usage["gen_ai_client_token_usage_sum", *of, "input"]
    assert 120 == usage["gen_ai_client_token_usage_sum", *of, "output"]
    assert 0.00204 == samples(snapshot, "s4fw_overhead_seconds")["s4fw_overhead_seconds_sum",]


def test_rows_that_were_never_sent_are_decisions_without_a_duration() -> None:
    """A refusal takes microseconds; counted as an operation it would make providers look fast."""
    tally = tallied(
        row(kind=Kind.VOID, reason=Reason.NOT_SENT),
        row(kind=Kind.BLOCK, reason=Reason.NOT_SENT, code="budget_exceeded"),
        row(decision=Decision.CLAMP, reason=Reason.CLIENT_GONE),
        row(kind=Kind.EVENT),
    )
    assert {
        ("allow", "not_sent"): 1,
        ("block", "budget_exceeded"): 1,
        ("clamp", "client_gone"): 1,
    } == tally.decisions
    (only,) = tally.models.values()
    assert 1 == sum(only.duration_ms.counts)
    assert 0 == sum(only.input_tokens.counts), "without the provider's usage nobody knows"


def test_models_beyond_the_bound_share_one() -> None:
    """Names of models are the operator's, but a price table may have thousands of them."""
    tally = Tally()
    for number in range(MODELS_MAX + 5):
        tally.note(row(), (*NAMES[:6], f"model-{number}", "openai"))
    assert MODELS_MAX + 1 == len(tally.models)
    assert 5 == sum(tally.models[OTHER, OTHER].duration_ms.counts)


def test_document_gives_back_every_count() -> None:
    """It stands in spend.json with the ring positions: after a death nothing is lost or doubled."""
    tally = tallied(row(duration_ms=70), row(kind=Kind.BLOCK, code="frozen"))
    document = orjson.loads(orjson.dumps(tally.document()))
    assert tally.document() == Tally.read(document).document()


@pytest.mark.parametrize("document", [None, {}, {"overhead_us": [1, 2]}, {"models": 3}, []])
def test_document_of_another_version_begins_anew(document: object) -> None:
    """Figures may begin anew; the steward must not."""
    assert Tally().document() == Tally.read(document).document()


def test_sums_with_too_many_values_are_one_sum() -> None:
    """A label with thousands of values is what breaks a monitoring system."""
    many = [Sum(f"c{n}", 10**9, 10, 4, 2) for n in range(501)]
    snapshot = Snapshot([], [], sums={"customer": many})
    assert {("s4fw_customer_charged_usd",): 501.0} == samples(snapshot, "s4fw_customer_charged_usd")
    tokens = samples(snapshot, "s4fw_customer_tokens")
    assert 501 * 6 == tokens["s4fw_customer_tokens_total", "input"]
    few = Snapshot([], [], sums={"customer": many[:500]})
    assert 500 == len(samples(few, "s4fw_customer_charged_usd"))
