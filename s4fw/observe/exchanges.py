"""The families about exchanges: what was decided and why, how long it took, tokens, who spent.

Sums over values that callers or operators choose have a bound: a dimension with more than
`VALUES_MAX` values is shown as one sum without its label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from s4fw.observe import meters
from s4fw.observe.figures import Sum, WorkerFigures
from s4fw.observe.meters import Meter
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.tally import Histogram, ModelTally, Tally
from s4fw.observe.text import Labels, Sample, histogram
from s4fw.units import usd_9

VALUES_MAX = 500

_MS, _US, _ONE = 1000, 1_000_000, 1

# Class -> counters that are added; those after None are subtracted.
ERROR_CLASSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "validation": (("invalid", "unauthorized"), ()),
    "policy": (("blocked_budget", "blocked_policy", "rate_limited"), ()),
    "upstream": (("upstream_errors",), ("upstream_timeouts",)),
    "timeout": (("upstream_timeouts",), ()),
    "internal": (("internal_errors", "shed"), ()),
}


def errors(workers: Sequence[WorkerFigures]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    """Errors by whose fault they were, from the counters of the table."""

    def total(names: tuple[str, ...]) -> int:
        return sum(w.counters[name] for w in workers for name in names)

    rows: list[Sample] = [
        ([("class", name)], str(max(0, total(added) - total(taken))))
        for name, (added, taken) in ERROR_CLASSES.items()
    ]
    yield meters.ERRORS, rows if workers else []


def decisions(tally: Tally) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    """What was decided, with the reason of the charge or the code of the refusal."""
    rows: list[Sample] = [
        ([("decision", decision), ("reason", reason)], str(count))
        for (decision, reason), count in sorted(tally.decisions.items())
    ]
    yield meters.DECISIONS, rows


def sums(dimension: str, values: Sequence[Sum]) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    """What each value of a dimension was charged, and its tokens."""
    rows = [([(dimension, one.value)], one) for one in values]
    if len(values) > VALUES_MAX:
        rows = [([], Sum.of_all(values))]
    yield (
        meters.charged_by(dimension),
        [(labels, usd_9(one.charged_nusd)) for labels, one in rows],
    )
    yield (
        meters.tokens_by(dimension),
        [
            ([*labels, ("type", kind)], str(count))
            for labels, one in rows
            for kind, count in (
                ("input", one.tokens_in - one.tokens_cached),
                ("cached_input", one.tokens_cached),
                ("output", one.tokens_out),
            )
        ],
    )


def outcomes(
    dimension: str, values: Sequence[OutcomeFigures]
) -> Iterator[tuple[Meter, Iterable[Sample]]]:
    """What applications reported, and what it had cost."""
    shown = values[:VALUES_MAX]
    counts = [(_outcome_labels(dimension, o), (o.successes, o.failures)) for o in shown]
    amounts = [(_outcome_labels(dimension, o), (o.useful_nusd, o.failing_nusd)) for o in shown]
    yield (
        meters.outcomes_by(dimension),
        [(of, str(n)) for labels, both in counts for of, n in zip(labels, both, strict=True)],
    )
    yield (
        meters.outcome_charged_by(dimension),
        [(of, usd_9(n)) for labels, both in amounts for of, n in zip(labels, both, strict=True)],
    )


def _outcome_labels(dimension: str, one: OutcomeFigures) -> list[Labels]:
    return [[(dimension, one.value), ("outcome", name)] for name in ("success", "failure")]


def histograms(tally: Tally) -> Iterator[tuple[Meter, list[str]]]:
    """The histograms, as lines."""
    models = sorted(tally.models.items())

    def rows(
        meter: Meter, of: Callable[[ModelTally], Histogram], unit: int, *more: str
    ) -> list[str]:
        extra: Labels = [("gen_ai_token_type", kind) for kind in more]
        return [
            text
            for key, one in models
            for text in histogram(meter.name, [*_labels(key), *extra], of(one), unit)
        ]

    yield meters.DURATION, rows(meters.DURATION, lambda t: t.duration_ms, _MS)
    yield meters.FIRST_TOKEN, rows(meters.FIRST_TOKEN, lambda t: t.first_token_ms, _MS)
    yield (
        meters.TOKEN_USAGE,
        rows(meters.TOKEN_USAGE, lambda t: t.input_tokens, _ONE, "input")
        + rows(meters.TOKEN_USAGE, lambda t: t.output_tokens, _ONE, "output"),
    )
    is_empty = not any(tally.overhead_us.counts)
    lines = [] if is_empty else histogram(meters.OVERHEAD.name, (), tally.overhead_us, _US)
    yield meters.OVERHEAD, list(lines)


def _labels(key: tuple[str, str]) -> list[tuple[str, str]]:
    model, provider = key
    return [("gen_ai_request_model", model), ("gen_ai_provider_name", provider)]
