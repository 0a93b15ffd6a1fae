"""Durable marks: how far cells may be used before the disk has heard of it.

Theory of operation.  Spend between two checkpoints would be forgotten by a power loss.  So each
cell of a long window has a mark, written to the disk first and then into the table; no reserve
passes it, and after a power loss everything up to it counts as spent.  The steward raises marks
ahead of need, so that a request almost never meets one.  One that does asks for room and waits; the
exchange goes on, or not, as the configuration says:

  relaxed   after 250 ms it goes on past the mark, which is counted and told
  strict    after 250 ms it is refused

While the disk does not answer, nobody waits for it in vain again and again: within a second after
such a wait others are decided at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from time import monotonic_ns
from typing import Final, Protocol

from s4fw.core.verdict import Block
from s4fw.errors import FIREWALL_UNAVAILABLE

# COUNTERS.md: a synced write takes 1 to 10 ms on what clouds call a disk.
WAIT_NS: Final = 250_000_000
ASK_EACH_NS: Final = 50_000_000
HOPELESS_NS: Final = 1_000_000_000
FIRST_PAUSE_S: Final = 0.001
LONGEST_PAUSE_S: Final = 0.008


class Unmarked(Block):
    """The quote would pass a durable mark; as a refusal it is that of `strict`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            FIREWALL_UNAVAILABLE,
            "not sent. The firewall cannot write down what is spent at the moment, so it lets"
            " nothing through.",
            retry_after_s=1,
        )


class Steward(Protocol):
    """Who raises marks, as a worker reaches it."""

    def ask(self, places: Sequence[tuple[int, int]], amount_nusd: int) -> None: ...
    def pause(self, seconds: float) -> Awaitable[None]: ...


class Wait:
    """The patience of one worker."""

    def __init__(self, steward: Steward, is_strict: bool) -> None:
        self.is_strict = is_strict
        self._steward = steward
        self._hopeless_until_ns = 0

    def deadline_ns(self) -> int:
        """Until when (monotonic) a request that begins to wait now may wait."""
        now_ns = monotonic_ns()
        return now_ns if now_ns < self._hopeless_until_ns else now_ns + WAIT_NS

    def ask(self, places: Sequence[tuple[int, int]], amount_nusd: int) -> None:
        self._steward.ask(places, amount_nusd)

    def pause(self, seconds: float) -> Awaitable[None]:
        return self._steward.pause(seconds)

    def give_up(self) -> None:
        """A wait was in vain."""
        self._hopeless_until_ns = monotonic_ns() + HOPELESS_NS
