"""What is sent at the end of a turn of the event loop, one write after the other.

A write to a socket may have to wake the process on its other side, which costs more than the rest
of the write.  Spread over a turn, each write finds it asleep again; in a row they wake it once.
A turn is what the loop found ready in one wait, so a worker with little to do delays nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from s4fw.proxy.faults import place_of

log: Final = logging.getLogger(__name__)


class Outbox:
    """The steps that wait for the end of this turn; each is run once."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<Outbox [{len(self._steps)}]>"

    def add(self, step: Callable[[], None]) -> None:
        """Run it at the end of this turn; what it adds in turn comes at the end of the next."""
        if not self._steps:
            asyncio.get_running_loop().call_soon(self._send)
        self._steps.append(step)

    def _send(self) -> None:
        steps, self._steps = self._steps, []
        for step in steps:
            try:
                step()
            except Exception as fault:  # one owner's fault must not hold up the others
                log.error("fault while sending: %s at %s", type(fault).__name__, place_of(fault))
