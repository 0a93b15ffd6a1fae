"""How callers behave, read from journal rows: repeats, growing contexts, changing tools, costs that
rise while less succeeds, and charges above their reservation.

One tenant has counts for each of the last minutes, one session two earlier moments; both are
bounded, and what was idle longest gives way.  `note` runs for every row: it only counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from s4fw.config.alerts import Alerts
from s4fw.core.attribution import DIMENSION_INDEX, OTHER, UNATTRIBUTED
from s4fw.core.reason import Reason
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.observe.alerts import Alert
from s4fw.units import usd

TENANTS_MAX: Final = 1000
SESSIONS_MAX: Final = 4096
FOUND_MAX: Final = 200
MINUTE_NS: Final = 60_000_000_000
RECENT_MIN: Final = 5  # minutes that are compared with those before
BASE_MIN: Final = 30
BASE_MIN_LEAST: Final = 10
COUNT_MIN: Final = 20  # fewer requests say nothing of a share
TASKS_MIN: Final = 5
FALL_PERMILLE: Final = 150
TURNS: Final = 10  # of a session, after which its older moment gives way

_TENANT, _SESSION = DIMENSION_INDEX["tenant"], DIMENSION_INDEX["session"]
_MODEL: Final = DIMENSION_INDEX["model"]
_COST, _GOOD, _BAD, _RETRIES, _WON, _LOST = range(6)
_COLUMNS: Final = 6
_SENT: Final = (Kind.SETTLE, Kind.VOID, Kind.RECOVER)


class _Session:
    """Where it stood at two earlier turns, and how its tools changed since."""

    __slots__ = ("before", "changes", "since", "tools", "turns")

    def __init__(self) -> None:
        self.turns = 0
        self.before = (0, 0, 0)  # turn, input tokens, changes of tools
        self.since = (0, 0, 0)
        self.tools = 0
        self.changes = 0


class RowWatch:
    """The habits of the last half hour."""

    def __init__(self, rules: Alerts) -> None:
        self.rules = rules
        self._tenants: dict[str, dict[int, list[int]]] = {}
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._overruns: dict[tuple[str, str], list[int]] = {}
        self._found: dict[tuple[str, str], Alert] = {}

    def note(self, row: JournalRow, names: Sequence[str | None]) -> None:
        """Take one row; `names` are its values by dimension."""
        kind, tenant = row.kind, names[_TENANT] or UNATTRIBUTED
        if kind is Kind.EVENT:
            if row.reason in (Reason.SUCCEEDED, Reason.FAILED):
                place = _WON if row.reason is Reason.SUCCEEDED else _LOST
                self._minute(tenant, row.at_ns)[place] += 1
            return
        if kind is not Kind.BLOCK and kind not in _SENT:
            return
        counts = self._minute(tenant, row.at_ns)
        counts[_COST] += row.charged_nusd
        if row.retries:
            counts[_RETRIES] += 1
        if kind is Kind.BLOCK:
            return
        counts[_GOOD if 200 <= row.status < 300 and not row.is_accrued else _BAD] += 1
        if row.charged_nusd > row.reserved_nusd:
            self._overran(row, tenant, names[_MODEL] or OTHER)
        session = names[_SESSION]
        if session is not None and row.reason is Reason.USAGE:
            self._turn(row, tenant, session)

    def look(self, now_s: int) -> list[Alert]:
        """What is to be told; `now_s` is wall clock."""
        minute = now_s // 60
        found = list(self._found.values())
        self._found.clear()
        found += [_overrun(*key, *seen) for key, seen in self._overruns.items()]
        self._overruns.clear()
        for tenant, minutes in list(self._tenants.items()):
            for old in [m for m in minutes if m <= minute - RECENT_MIN - BASE_MIN]:
                del minutes[old]
            if not minutes:
                del self._tenants[tenant]
                continue
            found += self._of_tenant(tenant, minutes, minute)
        return found

    # -- counting -----------------------------------------------------------------------------

    def _minute(self, tenant: str, at_ns: int) -> list[int]:
        minutes = self._tenants.get(tenant)
        if minutes is None:
            name = tenant if len(self._tenants) < TENANTS_MAX else OTHER
            minutes = self._tenants.setdefault(name, {})
        minute = at_ns // MINUTE_NS
        counts = minutes.get(minute)
        if counts is None:
            counts = minutes[minute] = [0] * _COLUMNS
        return counts

    def _overran(self, row: JournalRow, tenant: str, model: str) -> None:
        key = (tenant, model)
        if key not in self._overruns and len(self._overruns) >= FOUND_MAX:
            return
        seen = self._overruns.setdefault(key, [0, 0, 0])
        seen[0] += 1
        seen[1] += row.charged_nusd - row.reserved_nusd
        seen[2] += row.reserved_nusd

    def _turn(self, row: JournalRow, tenant: str, name: str) -> None:
        key = (tenant, name)
        session = self._sessions.pop(key, None) or _Session()
        self._sessions[key] = session  # at the end: the order tells which was idle longest
        if len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        session.turns += 1
        size = sum(row.tokens[:5])
        tools = row.tools_id or row.tools
        if tools and session.tools and tools != session.tools:
            session.changes += 1
        session.tools = tools or session.tools
        now = (session.turns, size, session.changes)
        if session.turns == 1:
            session.before = session.since = now
        self._judge(key, session.before, now)
        if session.turns - session.since[0] >= TURNS:
            session.before, session.since = session.since, now

    def _judge(
        self, key: tuple[str, str], before: tuple[int, int, int], now: tuple[int, int, int]
    ) -> None:
        turns = now[0] - before[0]
        rules = self.rules
        if len(self._found) >= FOUND_MAX:
            return
        if turns >= TURNS and rules.context_growth:
            slope = (now[1] - before[1]) // turns
            if slope >= rules.context_growth:
                self._found["context", "/".join(key)] = _grows(key, slope, before, now)
        changes = now[2] - before[2]
        if rules.tool_changes and changes >= rules.tool_changes:
            self._found["tools", "/".join(key)] = _changes(key, changes, turns)

    # -- judging ------------------------------------------------------------------------------

    def _of_tenant(self, tenant: str, minutes: dict[int, list[int]], minute: int) -> list[Alert]:
        found = []
        most = self.rules.retries_per_minute
        retries = max(minutes.get(m, (0,) * _COLUMNS)[_RETRIES] for m in (minute, minute - 1))
        if most and retries >= most:
            said = f"repeated {retries} requests within a minute"
            fields: dict[str, str | int] = {"tenant": tenant, "count": retries, "most": most}
            found.append(_of(tenant, "retry_storm", "warning", said, fields))
        if self.rules.cost_spike and (spike := self._spike(tenant, minutes, minute)) is not None:
            found.append(spike)
        return found

    def _spike(self, tenant: str, minutes: dict[int, list[int]], minute: int) -> Alert | None:
        """Costs of the last minutes against those before, and what became of the work."""
        edge = minute - RECENT_MIN
        base_minutes = min(BASE_MIN, edge - min(minutes) + 1)
        if base_minutes < BASE_MIN_LEAST:
            return None
        now = _summed(counts for m, counts in minutes.items() if m > edge)
        base = _summed(counts for m, counts in minutes.items() if m <= edge)
        now_nusd, base_nusd = now[_COST] // RECENT_MIN, base[_COST] // base_minutes
        if not base_nusd or now_nusd * 10 < base_nusd * self.rules.cost_spike:
            return None
        good, bad, least, of = _GOOD, _BAD, COUNT_MIN, "requests"
        if min(now[_WON] + now[_LOST], base[_WON] + base[_LOST]) >= TASKS_MIN:
            good, bad, least, of = _WON, _LOST, TASKS_MIN, "tasks"
        if min(now[good] + now[bad], base[good] + base[bad]) < least:
            return None
        share = now[good] * 1000 // (now[good] + now[bad])
        was = base[good] * 1000 // (base[good] + base[bad])
        if share > was - FALL_PERMILLE:
            return None
        said = (
            f"spends {usd(now_nusd)} a minute, {usd(base_nusd)} before, while"
            f" {share // 10} % of its {of} succeed, {was // 10} % before"
        )
        fields: dict[str, str | int] = {
            "tenant": tenant, "nusd_per_minute": now_nusd, "nusd_per_minute_before": base_nusd,
            "success_permille": share, "success_permille_before": was, "judged_by": of,
        }  # fmt: skip
        return _of(tenant, "cost_spike", "alarm", said, fields)


def _summed(counts: Iterable[list[int]]) -> list[int]:
    total = [0] * _COLUMNS
    for one in counts:
        for at, number in enumerate(one):
            total[at] += number
    return total


def _of(
    tenant: str, kind: str, level: str, said: str, fields: dict[str, str | int], more: str = ""
) -> Alert:
    who = f"tenant {tenant}"
    return Alert(kind, level, f"{who}{more}", f"{who} {said}", f"a tenant {said}", fields)


def _grows(
    key: tuple[str, str], slope: int, before: tuple[int, int, int], now: tuple[int, int, int]
) -> Alert:
    turns = now[0] - before[0]
    said = (
        f"has a session whose input grows by {slope:,} tokens each turn: {now[1]:,} now,"
        f" {before[1]:,} tokens {turns} turns ago"
    )
    fields: dict[str, str | int] = {
        "tenant": key[0], "session": key[1], "tokens_per_turn": slope, "tokens": now[1],
        "tokens_before": before[1], "turns": turns,
    }  # fmt: skip
    return _of(key[0], "context_growth", "warning", said, fields, f" {key[1]}")


def _changes(key: tuple[str, str], changes: int, turns: int) -> Alert:
    said = f"has a session that offered other tools {changes} times in {turns} turns"
    fields: dict[str, str | int] = {
        "tenant": key[0], "session": key[1], "count": changes, "turns": turns,
    }  # fmt: skip
    return _of(key[0], "tool_churn", "warning", said, fields, f" {key[1]}")


def _overrun(tenant: str, model: str, count: int, over_nusd: int, reserved_nusd: int) -> Alert:
    said = f"was charged {usd(over_nusd)} above what was reserved, in {count} requests"
    fields: dict[str, str | int] = {
        "tenant": tenant, "model": model, "count": count, "amount_nusd": over_nusd,
        "reserved_nusd": reserved_nusd,
    }  # fmt: skip
    return _of(tenant, "overrun", "alarm", said, fields, f" {model}")
