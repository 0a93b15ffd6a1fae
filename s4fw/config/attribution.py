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

# Headers of others that can count; `baggage` is for its plain names, s4fw.* count always.
ALIASES = (
    "baggage",
    "cf-aig-metadata",
    "helicone-property-customer",
    "helicone-property-feature",
    "helicone-property-tenant",
    "helicone-session-id",
    "helicone-user-id",
    "x-amzn-bedrock-request-metadata",
    "x-claude-code-agent-id",
    "x-claude-code-session-id",
    "x-litellm-agent-id",
    "x-litellm-session-id",
    "x-litellm-spend-logs-metadata",
    "x-litellm-tags",
    "x-portkey-metadata",
)
# Fields of bodies, as the dialects name what they find, and the dimension of each.
BODY_FIELDS = {
    **{f"metadata.{name}": name for name in SETTABLE},
    **{f"requestMetadata.{name}": name for name in SETTABLE},
    "safety_identifier": "customer",
    "user": "customer",
    "metadata.user_id": "customer",
    "prompt_cache_key": "session",
    "conversation": "session",
}

VALUE_WORDS = "1 to 128 letters, digits or ._:@/-"
Value = Annotated[str, Text(VALUE, VALUE_WORDS)]
Dimension = Annotated[str, Choice(*SETTABLE)]
Alias = Annotated[str, Choice(*ALIASES)]
BodyField = Annotated[str, Choice(*BODY_FIELDS)]


def _with_defaults(value: Any) -> Any:
    return {**MAX_VALUES, **value} if isinstance(value, dict) else value


class Attribution(Section):
    """What requests can say about who pays, beside x-s4fw-* headers, and its bounds."""

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
    require: frozenset[Dimension] = setting(
        "The dimensions that a request must have a value for; others are refused with 400.", []
    )
    aliases: tuple[Alias, ...] = setting(
        "Headers of other gateways and tools that count, too; the first that names a dimension"
        " does. What a key pins or may not set they cannot change.",
        [],
    )
    body_fields: tuple[BodyField, ...] = setting(
        "Fields of the body that count after all headers, in this order. Of their values only a"
        " keyed hash is kept, but for those listed under `known`.",
        [],
    )


def attribution_problems(attribution: Attribution) -> Iterator[tuple[str, str]]:
    """What is wrong within the section, as (path, sentence)."""
    for name in ("aliases", "body_fields"):
        listed: tuple[str, ...] = getattr(attribution, name)
        for value in sorted({value for value in listed if listed.count(value) > 1}):
            yield f"attribution.{name}", f"lists {value} twice"
    for dimension, values in attribution.known.items():
        path = f"attribution.known.{dimension}"
        if not values:
            yield path, "lists no value; remove the line to accept every value"
        for value in sorted(values & RESERVED):
            yield path, f"lists {value}, which is the firewall's own word"
        if len(values) > attribution.max_values[dimension]:
            most = attribution.max_values[dimension]
            yield path, f"lists {len(values)} values, but max_values.{dimension} is {most}"
