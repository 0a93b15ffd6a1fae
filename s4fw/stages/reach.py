"""Reach: an upstream that is down is not asked, and nothing is reserved for it."""

from __future__ import annotations

from s4fw.core.breaker import Breakers
from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import UPSTREAM_UNREACHABLE


class Reach(Stage):
    """Refuses while the breaker of the exchange's upstream is open."""

    name = "reach"
    is_for_free_routes = True

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers

    def admit(self, x: Exchange) -> Verdict:
        """Let it pass, or say when another may try."""
        breaker = self._breakers.of(x.upstream)
        if breaker is None:
            return None
        wait_ms = breaker.refuses()
        if not wait_ms:
            return None
        return Block(
            UPSTREAM_UNREACHABLE,
            f"not sent. The upstream {x.upstream} has not answered lately; it is tried again in"
            f" {wait_ms} ms. Nothing was charged.",
            {"upstream": x.upstream, "retry_after_ms": wait_ms},
            retry_after_ms=wait_ms,
        )
