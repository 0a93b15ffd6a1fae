"""Holds answers back until a test has seen what it wants to see: fault mode `hold`."""

from __future__ import annotations

import asyncio


class Gate:
    """Answers wait here; `held` of them now.  A release lets through who waits, not who comes."""

    def __init__(self) -> None:
        self.held = 0
        self._waiting: asyncio.Event = asyncio.Event()

    async def wait(self, until_held: int) -> None:
        """Wait for a release; the arrival of the `until_held`-th (0: never) is one."""
        self.held += 1
        gate = self._waiting
        if until_held and self.held >= until_held:
            self.release()
        try:
            await gate.wait()
        finally:
            self.held -= 1

    def release(self) -> int:
        """Let everybody go who waits; returns how many."""
        gate, self._waiting = self._waiting, asyncio.Event()
        gate.set()
        return self.held
