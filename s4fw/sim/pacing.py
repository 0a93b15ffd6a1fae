"""How fast the simulated provider generates: time to first token, then tokens per second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

_SLEEP_S_MIN = 0.001  # shorter pauses are saved up: a timer costs more than it paces


@dataclass(frozen=True, slots=True)
class Pace:
    """`first_ms` until the first token; `tokens_per_s` afterwards, 0 for at once."""

    first_ms: int = 0
    tokens_per_s: int = 0


# Realistic: what a mid-size hosted model does on a quiet day, rounded; not measured here.
FAST = Pace()
PACES = {"fast": FAST, "realistic": Pace(first_ms=300, tokens_per_s=80)}


class Pacer:
    """The clock of one answer: waits until the next tokens would have been generated."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._due_s = 0.0
        self._started_s = 0.0

    async def wait_first(self) -> None:
        """Wait for the first token."""
        if self._pace.first_ms:
            await asyncio.sleep(self._pace.first_ms / 1000)
        self._started_s = asyncio.get_running_loop().time()

    async def wait_tokens(self, tokens: int) -> None:
        """Wait until this many further tokens would have been generated."""
        if not self._pace.tokens_per_s:
            return
        self._due_s += tokens / self._pace.tokens_per_s
        ahead_s = self._started_s + self._due_s - asyncio.get_running_loop().time()
        if ahead_s >= _SLEEP_S_MIN:
            await asyncio.sleep(ahead_s)
