"""One row of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.scene import Scene

Play = Callable[[Scene], str]


@dataclass(frozen=True, slots=True)
class Case:
    """What is done, and the money outcome that is expected.

    `play` does it and returns the outcome in words; `nodes` are pytest nodes that show it (part of
    it) elsewhere; `why_not` is why it cannot run on one machine of ours.  `is_short`: the play is
    in `make test` too.  `limit_s` is when it is broken off, at the latest.
    `is_interpreted`: the play watches calls of Python, which compiled modules do not make.
    """

    id: str
    done: str
    expected: str
    play: Play | None = None
    nodes: tuple[str, ...] = ()
    why_not: str = ""
    is_short: bool = False
    is_interpreted: bool = False
    limit_s: int = 240
