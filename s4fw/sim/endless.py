"""Words without end, for a stream that goes on until the caller leaves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from s4fw.sim.words import words


def endless(allowed: int) -> Iterator[tuple[str, int]]:
    """Give words, each with what it bills: one token until what was allowed is used up."""
    for turn in count():
        yield words(turn.to_bytes(8, "big"), 2)[1], int(turn < allowed)
