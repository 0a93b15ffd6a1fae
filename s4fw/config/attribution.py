"""`attribution`: which values a dimension may take, and how many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from s4fw.config.forms import VALUE, Choice, Text, Whole
from s4fw.config.section import Section, setting
from s4fw.core.attribution import OTHER, UNATTRIBUTED

SETTABLE = ("tenant", "feature", "customer", "session", "agent")
MAX_VALUES = {
    "tenant": 1_000, "feature": 1_000, "customer": 10_000, "session": 50_000, "agent": 10_000,
}  # fmt: skip
RESERVED = frozenset({OTHER, UNATTRIBUTED})

VALUE_WORDS = "1 to 128 letters, digits or ._:@/-"
Value = Annotated[str, Text(VALUE, VALUE_WORDS)]
Dimension = Annotated[str, Choice(*SETTABLE)]


def _with_defaults(value: Any) -> Any:
    return {**MAX_VALUES, **value} if isinstance(value, dict) else value


class Attribution(Section):
    """Bounds of what headers can say about who pays."""

    max_values: Annotated[
        dict[Dimension, Annotated[int, Whole(1, 10_000_000)]], BeforeValidator(_with_defaults)
    ] = setting(
        "How many values of a dimension are told apart; the surplus shares the value `other`. Of"
        " customer, agent and session never more than the counter table can hold.",
        MAX_VALUES,
    )
    known: dict[Dimension, frozenset[Value]] = setting(
        "The values of a dimension that exist; every other one counts as `unattributed`.", {}
    )


def attribution_problems(attribution: Attribution) -> Iterator[tuple[str, str]]:
    """What is wrong within the section, as (path, sentence)."""
    for dimension, values in attribution.known.items():
        path = f"attribution.known.{dimension}"
        if not values:
            yield path, "lists no value; remove the line to accept every value"
        for value in sorted(values & RESERVED):
            yield path, f"lists {value}, which is the firewall's own word"
        if len(values) > attribution.max_values[dimension]:
            most = attribution.max_values[dimension]
            yield path, f"lists {len(values)} values, but max_values.{dimension} is {most}"
