"""Which budgets burn: parts of a limit that were passed, and limits that will be reached soon.

The rate of a budget is what was charged over the last 5 to 10 minutes: two moments are remembered
of each cell, and the older one gives way every 5 minutes.  What is held for requests in flight is
no part of it, since most of that comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s4fw.observe.alerts import MINUTE_S, Alert, span
from s4fw.observe.figures import BudgetFigures
from s4fw.units import usd

TURN_S = 300
RATE_S_MIN = 60  # a shorter time says nothing of a rate
SOON_S = 900
_SHADOW = " (shadow: nothing is refused)"
_ADJECTIVES = {
    "minute": "limit of the minute",
    "hour": "hourly limit",
    "day": "daily limit",
    "week": "weekly limit",
    "month": "monthly limit",
    "total": "total limit",
}


@dataclass(slots=True)
class _Course:
    """Two earlier moments of a cell: when, and what was charged then."""

    starts_at_s: int
    before_s: int
    before_nusd: int
    since_s: int
    since_nusd: int


class BudgetWatch:
    """Looks at all cells now and then."""

    def __init__(self) -> None:
        self._courses: dict[tuple[str, str], _Course] = {}

    def look(
        self,
        rows: Sequence[BudgetFigures],
        now_s: int,
        within_s: int,
        warn_at: Mapping[str, Sequence[int]],
    ) -> list[Alert]:
        """What is to be told of them; `warn_at` are thousandths by budget, `now_s` wall clock."""
        found: list[Alert] = []
        courses: dict[tuple[str, str], _Course] = {}
        for row in rows:
            if not row.used_nusd and not row.denials:
                continue
            scope = _scope(row)
            if (passed := _passed(row, scope, warn_at.get(row.id, ()))) is not None:
                found.append(passed)
            if row.denials:
                found.append(_refuses(row, scope))
            key = (row.id, scope)
            course = courses[key] = self._course(key, row, now_s)
            if within_s and (alert := _runs_out(row, scope, course, now_s, within_s)) is not None:
                found.append(alert)
        self._courses = courses
        return found

    def _course(self, key: tuple[str, str], row: BudgetFigures, now_s: int) -> _Course:
        course = self._courses.get(key)
        # A clock that went back, or another window: what was before says nothing.
        if course is None or course.starts_at_s != row.starts_at_s or now_s < course.since_s:
            charged = row.charged_nusd
            return _Course(row.starts_at_s, now_s, charged, now_s, charged)
        if now_s - course.since_s >= TURN_S:
            course.before_s, course.before_nusd = course.since_s, course.since_nusd
            course.since_s, course.since_nusd = now_s, row.charged_nusd
        return course


def _scope(row: BudgetFigures) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.scope.items())


def _fields(row: BudgetFigures) -> dict[str, str | int]:
    said: dict[str, str | int] = {"budget_id": row.id, "window": row.window, **row.scope}
    said |= {"limit_nusd": row.limit_nusd, "charged_nusd": row.charged_nusd}
    said |= {"used_nusd": row.used_nusd}
    return said


def _alert(kind: str, level: str, row: BudgetFigures, scope: str, said: str, **more: int) -> Alert:
    return Alert(
        kind,
        level,
        f"{row.id} {scope}",
        f"{scope or f'budget {row.id}'} {said}",
        f"budget {row.id}{', one of its scopes,' if scope else ''} {said}",
        {**_fields(row), **more},
    )


def _once(alert: Alert, row: BudgetFigures, marks: Sequence[str]) -> Alert:
    base = f"{alert.subject} {row.starts_at_s}"
    return Alert(
        alert.kind, alert.level, alert.subject, alert.message, alert.log_text, alert.fields,
        tuple(f"{base} {mark}" for mark in marks), row.resets_at_s,
    )  # fmt: skip


def _passed(row: BudgetFigures, scope: str, warn_at: Sequence[int]) -> Alert | None:
    """The highest part that was passed; those below it are told with it."""
    parts = [p for p in warn_at if row.charged_nusd * 1000 >= row.limit_nusd * p]
    if not parts:
        return None
    said = (
        f"used {_percent(max(parts))} of its {_ADJECTIVES[row.window]}:"
        f" {usd(row.charged_nusd)} of {usd(row.limit_nusd)}"
        f"{_SHADOW if row.mode == 'shadow' else ''}"
    )
    alert = _alert("budget_warning", "warning", row, scope, said, part_permille=max(parts))
    return _once(alert, row, [str(part) for part in sorted(parts, reverse=True)])


def _percent(permille: int) -> str:
    whole, tenth = divmod(permille, 10)
    return f"{whole}.{tenth} %" if tenth else f"{whole} %"


def _refuses(row: BudgetFigures, scope: str) -> Alert:
    count = f"{row.denials:,} requests" if row.denials > 1 else "1 request"
    left = usd(max(0, row.limit_nusd - row.used_nusd))
    verb = "had" if row.mode == "enforce" else "would have had"
    said = (
        f"{verb} {count} refused: {left} of its {_ADJECTIVES[row.window]} of"
        f" {usd(row.limit_nusd)} is left"
    )
    level = "alarm" if row.mode == "enforce" else "warning"
    alert = _alert("budget_refuses", level, row, scope, said, denials=row.denials)
    return _once(alert, row, ["refuses"])


def _runs_out(
    row: BudgetFigures, scope: str, course: _Course, now_s: int, within_s: int
) -> Alert | None:
    over_s = now_s - course.before_s
    grown = row.charged_nusd - course.before_nusd
    room = row.limit_nusd - row.charged_nusd
    if row.window == "minute" or over_s < RATE_S_MIN or grown <= 0 or room <= 0:
        return None
    left_s = room * over_s // grown
    is_before_reset = row.resets_at_s is None or now_s + left_s < row.resets_at_s
    if left_s > within_s or not is_before_reset:
        return None
    said = (
        f"reaches its {_ADJECTIVES[row.window]} of {usd(row.limit_nusd)} in {span(left_s)}:"
        f" {usd(grown * MINUTE_S // over_s)} a minute{_SHADOW if row.mode == 'shadow' else ''}"
    )
    return _alert(
        "budget_runs_out", "alarm" if left_s <= SOON_S else "warning", row, scope, said,
        seconds_left=left_s, grown_nusd=grown, over_s=over_s,
    )  # fmt: skip
