"""The simulator's own account of what it charged: the oracle that money tests compare with.

It shares the price arithmetic with the firewall and nothing else: it knows what was generated, not
what was reported or seen.  An exchange that fails in a way that leaves the answer generated is
billed in full; a stream that breaks is billed for what was generated until then; a refusal is free.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from s4fw.core.usage import Usage
from s4fw.pricing import PriceRow, cost_nusd

ROWS_MAX = 100_000  # the sums go on for ever; the rows of a long load run do not


@dataclass(slots=True)
class Charge:
    """One exchange that will be billed: `usage` as if complete, `generated` output so far.

    `extras` are further runs of a model within the exchange, with the prices of that model.
    """

    shape: str
    provider: str
    call_id: str
    model: str
    served_model: str
    price: PriceRow
    is_stream: bool
    usage: Usage
    extras: tuple[tuple[PriceRow, Usage], ...] = ()
    generated: int = 0

    def complete(self) -> None:
        """Everything was generated, whether or not it was or will be delivered."""
        self.generated = max(self.generated, self.usage.output)


class Ledger:
    """Rows and sums of one simulator.  Not safe to use from several threads."""

    def __init__(self) -> None:
        self.rows: deque[dict[str, Any]] = deque(maxlen=ROWS_MAX)
        self.total_nusd = 0
        self.billed = 0
        self.unbilled = 0

    def bill(self, charge: Charge, outcome: str) -> None:
        """Charge for what was generated."""
        made = charge.generated
        usage = replace(charge.usage, output=made, reasoning=min(charge.usage.reasoning, made))
        cost = cost_nusd(charge.price, usage, usage.tier)
        cost += sum(cost_nusd(price, extra, extra.tier) for price, extra in charge.extras)
        self.total_nusd += cost
        self.billed += 1
        self.rows.append(_row(charge, usage) | {"cost_nusd": cost, "outcome": outcome})

    def record_unbilled(self, call_id: str, outcome: str) -> None:
        """Note an exchange of a paid endpoint that cost nothing."""
        self.unbilled += 1
        row = {"id": call_id, "at": time.time_ns(), "cost_nusd": 0, "outcome": outcome}
        self.rows.append(row | {"billed": False})

    def body(self, last: int = ROWS_MAX) -> dict[str, Any]:
        """The account as the control API shows it, with so many of its rows, the latest."""
        left_out = max(0, len(self.rows) - last)
        return {
            "total_nusd": self.total_nusd,
            "billed": self.billed,
            "unbilled": self.unbilled,
            "rows": list(islice(self.rows, left_out, None)),
        }


def _row(charge: Charge, usage: Usage) -> dict[str, Any]:
    return {
        "id": charge.call_id,
        "at": time.time_ns(),
        "shape": charge.shape,
        "provider": charge.provider,
        "model": charge.model,
        "served_model": charge.served_model,
        "tier": usage.tier,
        "speed": usage.speed,
        "geo": usage.geo,
        "stream": charge.is_stream,
        "uncached_input": usage.uncached_input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write_30m,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "cache_write_12h": usage.cache_write_12h,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "web_searches": usage.web_searches,
        "billed": True,
    }
