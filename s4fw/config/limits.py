"""`limits`: how often callers may come, and how much of theirs may run at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from s4fw.config.forms import Whole, permille
from s4fw.config.section import Section, setting

Count = Annotated[int, Whole(1, 1_000_000)]


class Limits(Section):
    """Bounds on requests, of all workers together; refused with 429 and when to come again.

    Callers without keys count as one."""

    per_key_rpm: Count | None = setting("Requests a minute of one key.", None)
    global_rpm: Count | None = setting("Requests a minute of all callers together.", None)
    per_key_in_flight: Count | None = setting(
        "Requests of one key that run at once; those on routes that cost nothing do not count.",
        None,
    )
    per_key_held_share: Annotated[int, permille()] | None = setting(
        "Part of a budget that the running requests of one key may hold together; its only request"
        " may always run. Of budgets without the dimension key, the smallest counts.",
        None,
    )
    burst: Count | None = setting(
        "How many requests of one key may come at once, the rest evenly; where left out, those of"
        " a whole minute.",
        None,
    )


class KeyLimits(Section):
    """Limits of one key, each instead of the one for all keys."""

    rpm: Count | None = setting("Its requests a minute; else limits.per_key_rpm.", None)
    in_flight: Count | None = setting(
        "Its requests that run at once; else limits.per_key_in_flight.", None
    )
    burst: Count | None = setting(
        "How many of its requests may come at once; else those of a whole minute of its own rpm, or"
        " limits.burst.",
        None,
    )


def limit_problems(limits: Limits, of_keys: Mapping[int, KeyLimits]) -> Iterator[tuple[str, str]]:
    """What is wrong with the section and with the limits of keys (by their place in the list), as
    (path, sentence)."""
    if limits.per_key_rpm is not None:
        return
    if limits.burst is not None:
        yield "limits.burst", "is of limits.per_key_rpm, which is not set"
    for at, own in of_keys.items():
        if own.burst is not None and own.rpm is None:
            yield f"keys[{at}].limits.burst", "is of a rate, but neither rpm nor per_key_rpm is set"
