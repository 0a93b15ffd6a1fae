"""Rate: how often a caller may come, before its request costs any work.

Who calls is known by now, and whoever is refused takes nothing from the others.  How many requests
of a caller run at once is looked at with the reservation: see `s4fw.ledger.callers`.
"""

from __future__ import annotations

from typing import Final

from s4fw.core.attribution import DIMENSION_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.callers import Callers

_KEY: Final = DIMENSION_INDEX["key"]


class Rate(Stage):
    """Blocks what comes too fast: of one caller, or of all."""

    name = "rate"
    is_for_free_routes = True

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def admit(self, x: Exchange) -> Verdict:
        """Count the request, or say when it may come again."""
        assert x.attribution is not None
        return self._callers.arrive(x.attribution.values[_KEY])
