"""Plain figures of one moment: what readers give and what pages, metrics and the CLI show.

Everything here is a number, a name from the configuration or an attribution value.  Amounts are
nano-USD.  `spent`, `held` and `remaining` are derived, so they can never disagree with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.tally import Tally


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """One cell of a budget: one scope in one window.

    `limit_nusd` is the stated limit, also in shadow mode.  `scope` has one value for each dimension
    of the budget's `per`, in its order.  `resets_at_s` is None for the window `total`.
    """

    id: str
    scope: dict[str, str]
    window: str
    starts_at_s: int
    resets_at_s: int | None
    mode: str
    limit_nusd: int
    used_nusd: int = 0
    charged_nusd: int = 0
    accrued_nusd: int = 0
    open_leases: int = 0
    denials: int = 0
    is_frozen: bool = False

    @property
    def spent_nusd(self) -> int:
        """What providers reported: charged without the part that is accrued."""
        return self.charged_nusd - self.accrued_nusd

    @property
    def held_nusd(self) -> int:
        """What open reservations promise."""
        return self.used_nusd - self.charged_nusd

    @property
    def remaining_nusd(self) -> int:
        """What still fits; never below 0, even after a limit was lowered."""
        return max(0, self.limit_nusd - self.used_nusd)


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One slot of the table: a process that carries traffic or did.

    `state` is starting, ready, draining, dead (its lock is free, leases remain) or gone.
    `counters` has every name of `core.counter.COUNTERS`; those of a dead slot still count in sums.
    """

    slot: int
    kind: str
    pid: int
    state: str
    is_live: bool
    heartbeat_age_ms: int
    leases: int
    generation: int
    ring_lag: int
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """What one rule about loops found at all tenants; `outcomes` by name."""

    rule: str
    outcomes: dict[str, int]
    wasted_nusd: int
    saved_nusd: int = 0

    @property
    def judged(self) -> tuple[int, int, int]:
        """What hindsight said of its would-be blocks: right, wrong, uncertain."""
        said = self.outcomes
        return said.get("proved", 0), said.get("disproved", 0), said.get("uncertain", 0)


@dataclass(frozen=True, slots=True)
class Sum:
    """What one value of a dimension cost since the sums began; amounts are nano-USD."""

    value: str
    charged_nusd: int
    tokens_in: int  # all input, cached or not
    tokens_cached: int
    tokens_out: int
    requests: int = 0  # settled or accrued
    blocked: int = 0

    @classmethod
    def of_all(cls, sums: Sequence[Sum]) -> Sum:
        """All of them as one, without a value."""
        return cls(
            "",
            sum(one.charged_nusd for one in sums),
            sum(one.tokens_in for one in sums),
            sum(one.tokens_cached for one in sums),
            sum(one.tokens_out for one in sums),
            sum(one.requests for one in sums),
            sum(one.blocked for one in sums),
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures of one moment.  `gauges` has names of `meters.GAUGES` only; `factors` are learned
    token factors: provider, family, thousandths; `sums` and `outcomes` are by dimension.  Scopes of
    a budget are shown one by one only where `labels` has all its dimensions that callers choose.
    """

    budgets: list[BudgetFigures]
    workers: list[WorkerFigures]
    gauges: dict[str, int] = field(default_factory=dict)
    factors: list[tuple[str, str, int]] = field(default_factory=list)
    loops: list[LoopFigures] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    sums: dict[str, list[Sum]] = field(default_factory=dict)
    outcomes: dict[str, list[OutcomeFigures]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
