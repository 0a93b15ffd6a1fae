"""What was spent today and this month (UTC): the sums now, less what they were at its beginning.

The sums only grow, so one copy of them at the start of each day and month is enough; it is kept in
`periods.json` and written when a day begins.  A steward that was down at midnight takes the copy
late, and says so: `since` is the moment it was taken, never the one it should have been.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from s4fw.admin.facts import COSTS_BY, PERIODS, Cost, Costs
from s4fw.observe.meters import OUTCOMES_BY
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.process.rundir import write_whole
from s4fw.process.spend import Spend

log = logging.getLogger(__name__)

_VERSION = 2
_NOTHING = (0,) * 7
_COUNTS = (2, 3)  # columns that never fall: requests, blocked


@dataclass(slots=True)
class _Mark:
    """The sums at `since_s`, in the period that starts at `start_s`; `sums_since_s` says whose."""

    start_s: int
    since_s: int
    sums_since_s: int
    sums: dict[str, dict[str, tuple[int, ...]]]
    outcomes: dict[str, dict[str, tuple[int, ...]]]

    def outcomes_since(self, spend: Spend, dimension: str) -> list[OutcomeFigures]:
        """What was reported after it; of what is smaller than before, all: it began anew."""
        before = self.outcomes.get(dimension, {})
        rows = []
        for now in outcomes_by(spend, dimension):
            parts = before.get(now.value, (0,) * 4)
            less = [a - b for a, b in zip(_parts(now), parts, strict=True)]
            if any(less):
                rows.append(now if min(less) < 0 else OutcomeFigures(now.value, *less))
        return rows


class Periods:
    """One steward's copies.  `look` each second, once the books are open."""

    def __init__(self, state: Path) -> None:
        self._path = state / "periods.json"
        self._marks: dict[str, _Mark] = {}
        self._is_read = False
        self._day_s = -1

    def look(self, spend: Spend, now_s: int) -> None:
        """Take a copy where a day or a month began."""
        if now_s // 86_400 == self._day_s:
            return
        if not self._is_read:
            self._is_read = True
            self._read()
        for name, start_s in _starts(now_s).items():
            mark = self._marks.get(name)
            is_same = mark is not None and mark.sums_since_s == spend.since_s
            if mark is None or not is_same or mark.start_s != start_s:
                self._marks[name] = _taken(spend, start_s, now_s)
        self._day_s = now_s // 86_400
        self._write()

    def costs(self, period: str, dimension: str, spend: Spend) -> Costs:
        """What each value of a dimension cost in one of PERIODS."""
        mark = self._marks.get(period)
        if mark is None:
            return Costs(spend.since_s, spend.costs(dimension), outcomes_by(spend, dimension))
        before = mark.sums.get(dimension, {})
        rows = [_less(cost, before.get(cost.value, _NOTHING)) for cost in spend.costs(dimension)]
        costs = [row for row in rows if any(_columns(row))]
        return Costs(mark.since_s, costs, mark.outcomes_since(spend, dimension))

    def _read(self) -> None:
        try:
            document = orjson.loads(self._path.read_bytes())
            if document["version"] != _VERSION:
                raise ValueError("another version")
            self._marks = {name: _mark(document["marks"][name]) for name in PERIODS[1:]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            log.warning("periods.json is not used: %s", type(fault).__name__)

    def _write(self) -> None:
        marks = {
            name: [mark.start_s, mark.since_s, mark.sums_since_s, mark.sums, mark.outcomes]
            for name, mark in self._marks.items()
        }
        try:
            write_whole(self._path, orjson.dumps({"version": _VERSION, "marks": marks}))
        except OSError as fault:
            log.error("periods.json cannot be written: errno %d", fault.errno or 0)


def _starts(now_s: int) -> dict[str, int]:
    now = datetime.fromtimestamp(now_s, UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"today": int(day.timestamp()), "month": int(day.replace(day=1).timestamp())}


def _taken(spend: Spend, start_s: int, now_s: int) -> _Mark:
    """A copy of now; nothing where the sums themselves began within the period."""
    if spend.since_s >= start_s:
        return _Mark(start_s, spend.since_s, spend.since_s, {}, {})
    sums = {name: {c.value: _columns(c) for c in spend.costs(name)} for name in COSTS_BY}
    outcomes = {
        name: {o.value: _parts(o) for o in outcomes_by(spend, name)} for name in OUTCOMES_BY
    }
    return _Mark(start_s, now_s, spend.since_s, sums, outcomes)


def outcomes_by(spend: Spend, dimension: str) -> list[OutcomeFigures]:
    """What was reported of each value of a dimension; nothing where that is not kept."""
    return spend.outcomes.by(dimension) if dimension in OUTCOMES_BY else []


def _parts(o: OutcomeFigures) -> tuple[int, ...]:
    return (o.successes, o.failures, o.useful_nusd, o.failing_nusd)


def _mark(document: Any) -> _Mark:
    start_s, since_s, sums_since_s, sums, outcomes = document
    return _Mark(int(start_s), int(since_s), int(sums_since_s), _whole(sums), _whole(outcomes))


def _whole(document: Any) -> dict[str, dict[str, tuple[int, ...]]]:
    return {
        str(name): {str(value): tuple(map(int, columns)) for value, columns in of.items()}
        for name, of in document.items()
    }


def _columns(cost: Cost) -> tuple[int, ...]:
    return (
        cost.spent_nusd, cost.accrued_nusd, cost.requests, cost.blocked, cost.tokens_in,
        cost.tokens_cached, cost.tokens_out,
    )  # fmt: skip


def _less(cost: Cost, before: tuple[int, ...]) -> Cost:
    """What came since; a value whose sums were folded into `other` meanwhile began anew."""
    now = _columns(cost)
    if any(now[at] < before[at] for at in _COUNTS):
        return cost
    return Cost(cost.value, *(a - b for a, b in zip(now, before, strict=True)))
