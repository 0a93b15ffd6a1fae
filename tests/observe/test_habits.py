"""What callers do that costs money, seen in rows."""

from __future__ import annotations

from typing import Any

from s4fw.config.alerts import Alerts
from s4fw.core.reason import Reason
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.observe.alerts import Alert
from s4fw.observe.habits import SESSIONS_MAX, RowWatch
from tests.process.rows import NAMES, row

NOW_S = 1_795_262_400
MINUTE_S = 60


def at(seconds: int, **more: Any) -> JournalRow:
    made: JournalRow = row(at_ns=(NOW_S + seconds) * 10**9, **more)  # type: ignore[no-untyped-call]
    return made


def told(rows: list[JournalRow], **rules: object) -> dict[str, Alert]:
    """What is told of these, by kind."""
    watch = RowWatch(Alerts.model_validate(rules))
    for one in rows:
        watch.note(one, NAMES)
    return {alert.kind: alert for alert in watch.look(NOW_S)}


def test_retries_of_a_minute_are_counted_by_tenant() -> None:
    """Whoever repeats without pause pays again each time."""
    rows = [at(0, retries=1) for _ in range(5)] + [at(0) for _ in range(50)]
    assert {} == told(rows, retries_per_minute=6)
    alert = told(rows, retries_per_minute=5)["retry_storm"]
    assert "tenant acme repeated 5 requests within a minute" == alert.message
    assert {} == told(rows, retries_per_minute=0)


def test_growing_context_of_a_session_is_told_with_its_slope() -> None:
    """Each turn is charged for all turns before it."""
    rows = [at(0, tokens=(turn * 5000, 0, 0, 0, 0, 9, 0, 0)) for turn in range(1, 13)]
    alert = told(rows, context_growth=5000)["context_growth"]
    assert (5000, 60_000, 5000) == (
        alert.fields["tokens_per_turn"], alert.fields["tokens"], alert.fields["tokens_before"],
    )  # fmt: skip
    assert "s1" not in alert.log_text
    assert {} == told(rows, context_growth=5001)
    assert {} == told(rows[:10], context_growth=100)


def test_changing_tools_are_counted_by_session() -> None:
    """Each change throws the provider's cache of the prompt away."""
    rows = [at(0, tools=3 + turn % 2) for turn in range(7)]
    assert 6 == told(rows, tool_changes=6)["tool_churn"].fields["count"]
    assert {} == told(rows, tool_changes=7)
    assert {} == told([at(0, tools=3) for _ in range(40)], tool_changes=1)


def test_overruns_are_added_up() -> None:
    """One sentence for a wave of them, with the sum."""
    rows = [at(0, charged=1000), at(0, charged=950), at(0)]
    alert = told(rows)["overrun"]
    assert (2, 150) == (alert.fields["count"], alert.fields["amount_nusd"])
    assert "alarm" == alert.level


def spend(statuses: list[int], base: int = 200) -> list[JournalRow]:
    """Twenty quiet minutes, then five in which every request costs as much, four times as often."""
    before = [at(-m * MINUTE_S, status=base) for m in range(6, 26) for _ in range(4)]
    return before + [at(-m * MINUTE_S, status=s) for m in range(5) for s in statuses]


def test_cost_spike_while_success_falls_is_an_alarm() -> None:
    """Panic tokens: more money, fewer results."""
    alert = told(spend([200] * 8 + [500] * 8))["cost_spike"]
    assert (
        "tenant acme spends $0.000008 a minute, $0.000002 before, while 50 % of its requests"
        " succeed, 100 % before" == alert.message
    )
    assert (500, 1000) == (
        alert.fields["success_permille"], alert.fields["success_permille_before"],
    )  # fmt: skip


def test_cost_spike_that_succeeds_is_business() -> None:
    """A good day is no alarm."""
    assert {} == told(spend([200] * 16))


def test_cost_spike_is_judged_by_tasks_where_they_are_reported() -> None:
    """A 200 is no success when the application says that the task failed."""
    won, lost = (
        {"kind": Kind.EVENT, "reason": r, "charged": 0} for r in (Reason.SUCCEEDED, Reason.FAILED)
    )
    outcomes = [at(-600, **won) for _ in range(9)] + [at(-60, **lost) for _ in range(9)]
    alert = told(spend([200] * 16) + outcomes)["cost_spike"]
    assert "tasks" == alert.fields["judged_by"]


def test_sessions_are_bounded() -> None:
    """Session names are the caller's choice: they must not fill the memory."""
    watch = RowWatch(Alerts())
    for number in range(SESSIONS_MAX + 10):
        watch.note(at(0), (*NAMES[:5], f"s{number}", *NAMES[6:]))
    assert SESSIONS_MAX == len(watch._sessions)
