"""`limits`: how often callers may come, and how much of theirs may run at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from s4fw.config.forms import Whole
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
    burst: Count | None = setting(
        "How many requests of one key may come at once, the rest evenly; where left out, those of"
        " a whole minute.",
        None,
    )


def limit_problems(limits: Limits) -> Iterator[tuple[str, str]]:
    """What is wrong within the section, as (path, sentence)."""
    if limits.burst is not None and limits.per_key_rpm is None:
        yield "limits.burst", "is of limits.per_key_rpm, which is not set"
