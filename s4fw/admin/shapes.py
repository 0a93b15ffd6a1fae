"""The JSON of the admin listener: one function for each noun.

Amounts are exact integers in nano-USD, moments RFC 3339 in UTC.  Programs rely on these names:
add, never rename.
"""

from __future__ import annotations

from typing import Any

from s4fw.admin.facts import Cost, Costs, Event, Frozen, Loops
from s4fw.loops.hindsight import wilson_upper
from s4fw.loops.tenants import Tally
from s4fw.observe.figures import BudgetFigures, WorkerFigures
from s4fw.observe.meters import OUTCOMES_BY
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.times import rfc3339, rfc3339_ms


def budget(b: BudgetFigures) -> dict[str, Any]:
    return {
        "id": b.id,
        "scope": b.scope,
        "window": b.window,
        "resets_at": None if b.resets_at_s is None else rfc3339(b.resets_at_s),
        "mode": b.mode,
        "limit_nusd": b.limit_nusd,
        "used_nusd": b.used_nusd,
        "charged_nusd": b.charged_nusd,
        "spent_nusd": b.spent_nusd,
        "accrued_nusd": b.accrued_nusd,
        "held_nusd": b.held_nusd,
        "remaining_nusd": b.remaining_nusd,
        "open_leases": b.open_leases,
        "denials": b.denials,
        "frozen": b.is_frozen,
    }


def worker(w: WorkerFigures) -> dict[str, Any]:
    counted = w.counters
    return {
        "slot": w.slot,
        "kind": w.kind,
        "pid": w.pid,
        "state": w.state,
        "heartbeat_age_ms": w.heartbeat_age_ms,
        "requests": counted["requests"],
        "in_flight": counted["in_flight"],
        "leases": w.leases,
        "connections": counted["open_connections"],
        "allowed": counted["allowed"],
        "blocked": counted["blocked_budget"] + counted["blocked_policy"],
        "upstream_errors": counted["upstream_errors"],
        "internal_errors": counted["internal_errors"],
        "config_generation": w.generation,
    }


def event(e: Event) -> dict[str, Any]:
    return {
        "at": rfc3339_ms(e.at_ns),
        "kind": e.kind,
        "level": e.level,
        "message": e.message,
        "fields": e.fields,
    }


def _cost(c: Cost) -> dict[str, Any]:
    return {
        "value": c.value,
        "charged_nusd": c.charged_nusd,
        "spent_nusd": c.spent_nusd,
        "accrued_nusd": c.accrued_nusd,
        "requests": c.requests,
        "blocked": c.blocked,
        "tokens_in": c.tokens_in,
        "tokens_cached": c.tokens_cached,
        "tokens_out": c.tokens_out,
    }


def costs(by: str, costs: Costs, limit: int) -> dict[str, Any]:
    """Dearest first; what `limit` leaves out is still in the total."""
    reported = {o.value: o for o in costs.outcomes}
    ordered = sorted(costs.costs, key=lambda c: (-c.charged_nusd, c.value))
    rows = [_cost(c) for c in ordered]
    figures = [name for name in _cost(Cost("", 0, 0, 0, 0, 0, 0, 0)) if name != "value"]
    total = {name: sum(row[name] for row in rows) for name in figures}
    if by in OUTCOMES_BY:
        for row in rows:
            row |= _outcome(reported.get(row["value"], _NOTHING))
        total |= _outcome(_summed(costs.outcomes))
    return {
        "by": by,
        "since": rfc3339(costs.since_s),
        "costs": rows[:limit],
        "left_out": max(0, len(rows) - limit),
        "total": total,
    }


def outcomes(by: str, rows: list[OutcomeFigures]) -> dict[str, Any]:
    """What failed most first; a success costs what was charged for both, over the successes."""
    ordered = sorted(rows, key=lambda o: (-o.failing_nusd, o.value))
    return {
        "by": by,
        "outcomes": [
            {
                "value": o.value,
                **_outcome(o),
                "nusd_per_success": (o.useful_nusd + o.failing_nusd) // o.successes
                if o.successes
                else None,
            }
            for o in ordered
        ],
    }


_NOTHING = OutcomeFigures("", 0, 0, 0, 0)


def _outcome(o: OutcomeFigures) -> dict[str, int]:
    return {
        "successes": o.successes,
        "failures": o.failures,
        "useful_nusd": o.useful_nusd,
        "failing_nusd": o.failing_nusd,
    }


def _summed(rows: list[OutcomeFigures]) -> OutcomeFigures:
    return OutcomeFigures(
        "",
        sum(o.successes for o in rows),
        sum(o.failures for o in rows),
        sum(o.useful_nusd for o in rows),
        sum(o.failing_nusd for o in rows),
    )


def frozen(frozen: Frozen) -> dict[str, Any]:
    return {"everything": frozen.everything, "budgets": list(frozen.budgets)}


def _tally(t: Tally, mode: str) -> dict[str, Any]:
    judged = t.proved + t.disproved + t.uncertain
    return {
        "tenant": t.tenant,
        "rule": t.rule,
        "mode": mode,
        "warned": t.warned,
        "episodes": t.episodes,
        "would_block": t.would_block,
        "blocked": t.blocked,
        "turns": t.turns,
        "wasted_nusd": t.wasted_nusd,
        "saved_nusd": t.saved_nusd,
        "proved": t.proved,
        "disproved": t.disproved,
        "uncertain": t.uncertain,
        "false_share_max": round(wilson_upper(t.disproved, judged), 6) if judged else None,
    }


def loops(loops: Loops) -> dict[str, Any]:
    """Those that cost most first."""
    ordered = sorted(loops.tallies, key=lambda t: (-t.episodes, -t.warned, t.tenant, t.rule))
    return {
        "sessions": loops.sessions,
        "rules": [_tally(t, loops.modes[t.rule]) for t in ordered],
    }
