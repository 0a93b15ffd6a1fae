"""The steward, as a worker's ledger reaches it: asked for room, waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from s4fw.process.demands import Demands


class StewardsEar:
    """`s4fw.ledger.marks.Steward` on a worker's loop."""

    def __init__(self, demands: Demands) -> None:
        self._demands = demands

    def ask(self, places: Sequence[tuple[int, int]], amount_nusd: int) -> None:
        self._demands.ask(places, amount_nusd)

    def pause(self, seconds: float) -> Awaitable[None]:
        return asyncio.sleep(seconds)
