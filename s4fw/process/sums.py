"""The steward's books as the figures of a snapshot."""

from __future__ import annotations

from collections.abc import Set

from s4fw.observe.figures import Sum
from s4fw.observe.meters import OUTCOMES_BY, SUMMED_BY
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.tally import Tally
from s4fw.process.spend import Spend


def sums_of(
    spend: Spend, labels: Set[str]
) -> tuple[Tally, dict[str, list[Sum]], dict[str, list[OutcomeFigures]]]:
    """Everything that was added up; `labels` are dimensions beside those always shown."""
    return (
        spend.tally,
        {dimension: sums_by(spend, dimension) for dimension in (*SUMMED_BY, *sorted(labels))},
        {dimension: spend.outcomes.by(dimension) for dimension in OUTCOMES_BY},
    )


def sums_by(spend: Spend, dimension: str) -> list[Sum]:
    """What each value of a dimension came to."""
    return [
        Sum(
            c.value, c.charged_nusd, c.tokens_in, c.tokens_cached, c.tokens_out, c.requests,
            c.blocked,
        )
        for c in spend.costs(dimension)
    ]  # fmt: skip
