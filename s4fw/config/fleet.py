"""`fleet`: several firewalls under the same limits, each with its own part of them.

Instances do not talk to each other.  So that all of them together never spend more than what is
stated, each enforces an N-th of every limit: money rounded down to the nano-dollar, rates and
requests at once rounded down too.  The parts never add up to more than the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from s4fw.config.budgets import Budget
from s4fw.config.forms import Whole
from s4fw.config.keys import Key
from s4fw.config.limits import KeyLimits, Limits
from s4fw.config.section import Section, setting

INSTANCES_MAX = 1_000

_RATES = ("per_key_rpm", "global_rpm", "per_key_in_flight", "burst")
_RATES_OF_KEYS = ("rpm", "in_flight", "burst")


class Fleet(Section):
    """How many firewalls share the limits of this file."""

    instances: Annotated[int, Whole(1, INSTANCES_MAX)] = setting(
        "How many there are at most, this one included; each enforces its N-th of every budget and"
        " of every rate, so all of them together stay within what is stated.",
        1,
    )


def budget_of_one(budget: Budget, instances: int) -> Budget:
    """A budget with one instance's part of its limits."""
    overrides = tuple(
        override.model_copy(update={"limit_nusd": override.limit_nusd // instances})
        for override in budget.overrides
    )
    return budget.model_copy(
        update={"limit_nusd": budget.limit_nusd // instances, "overrides": overrides}
    )


def limits_of_one(limits: Limits, instances: int) -> Limits:
    """One instance's part of the limits of callers."""
    return limits.model_copy(update=_parts(limits, _RATES, instances))


def key_of_one(key: Key, instances: int) -> Key:
    """A key with one instance's part of its own limits."""
    limits = key.limits.model_copy(update=_parts(key.limits, _RATES_OF_KEYS, instances))
    return key.model_copy(update={"limits": limits})


def _parts(section: Section, names: tuple[str, ...], instances: int) -> dict[str, int]:
    stated = ((name, getattr(section, name)) for name in names)
    return {name: limit // instances for name, limit in stated if limit is not None}


def fleet_problems(
    fleet: Fleet | None, limits: Limits | None, of_keys: Mapping[int, KeyLimits]
) -> Iterator[tuple[str, str]]:
    """Limits of which there is not even one for each instance, as (path, sentence)."""
    if fleet is None:
        return
    if limits is not None:
        yield from _too_few("limits", limits, _RATES, fleet.instances)
    for at, own in of_keys.items():
        yield from _too_few(f"keys[{at}].limits", own, _RATES_OF_KEYS, fleet.instances)


def _too_few(
    path: str, section: Section, names: tuple[str, ...], instances: int
) -> Iterator[tuple[str, str]]:
    for name in names:
        limit = getattr(section, name)
        if limit is not None and limit < instances:
            yield f"{path}.{name}", f"is {limit}, too few to share among {instances} instances"
