"""The pictures of the documentation: `python -m tests.cli.pictures` writes docs/img/*.svg."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from s4fw.admin import shapes
from s4fw.admin.facts import Cost, Costs, Event
from s4fw.cli.costs import render_sums
from s4fw.cli.topcourse import Course, Moment
from s4fw.cli.topview import frame
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.times import rfc3339
from tests.admin.scripted import NOON_S, USD, budget, counters, worker

IMAGES = Path(__file__).parents[2] / "docs" / "img"
MONTH_END_S = 1_796_083_200
THEME = TerminalTheme(
    (16, 20, 28),
    (214, 220, 230),
    [(40, 46, 58), (240, 92, 92), (98, 200, 120), (235, 190, 80), (92, 150, 240), (200, 130, 230),
     (80, 200, 210), (214, 220, 230)],
    [(74, 84, 102), (255, 120, 120), (130, 225, 150), (250, 210, 110), (130, 175, 255),
     (220, 160, 250), (120, 225, 235), (255, 255, 255)],
)  # fmt: skip


def moments(count: int = 40) -> list[Moment]:
    """A lunch hour, two seconds apart: a batch at globex burns what was meant for the day."""
    return [moment(at) for at in range(count)]


def moment(at: int) -> Moment:
    now_s = NOON_S + 2 * at
    burnt = 38 * USD + at * 60_000_000 + at * at * 1_900_000 + at % 7 * at % 5 * 24_000_000
    cells = [
        budget("company-month", scope={}, window="month", limit_nusd=20_000 * USD,
               charged_nusd=9_412 * USD + burnt, used_nusd=9_420 * USD + burnt,
               resets_at_s=MONTH_END_S),
        budget(scope={"tenant": "globex"}, limit_nusd=50 * USD, charged_nusd=burnt,
               used_nusd=burnt + 2 * USD),
        budget(scope={"tenant": "acme"}, limit_nusd=50 * USD, used_nusd=23 * USD,
               charged_nusd=21 * USD + at * 4_000_000),
        budget("feature-day", scope={"tenant": "initech", "feature": "summaries"},
               limit_nusd=5 * USD, charged_nusd=4_960_000_000, used_nusd=5 * USD),
        budget("agent-hour", scope={"agent": "researcher"}, window="hour", limit_nusd=3 * USD,
               charged_nusd=at * 12_000_000, used_nusd=at * 12_000_000 + 200_000_000,
               resets_at_s=NOON_S + 3600, mode="shadow"),
    ]  # fmt: skip
    slots = [
        worker(n, heartbeat_age_ms=90 + 37 * n, counters=counters(
            requests=48_000 + 700 * n + at * (11 + n) + (at * at % 11) * 3, allowed=47_000,
            blocked_budget=900 + max(0, at - 20) * 3 + at * at // 60,
            in_flight=6 + (at * (n + 3)) % 9))
        for n in range(4)
    ]  # fmt: skip
    slots.append(worker(4, kind="steward", heartbeat_age_ms=40, counters=counters()))
    return Moment(
        at_ms=at * 2000,
        now=rfc3339(now_s),
        status={
            "version": "0.1.0", "started_at": rfc3339(NOON_S - 11_520), "ready": True,
            "draining": False, "workers": {"configured": 4, "live": 4, "ready": 4},
        },
        workers=[shapes.worker(w) for w in slots],
        budgets=[shapes.budget(b) for b in cells],
        events=[shapes.event(e) for e in EVENTS],
        alerts=[shapes.event(e) for e in ALERTS],
        charged_nusd=9_412 * USD + burnt,
        useful_nusd=6_100 * USD + burnt // 3,
        failing_nusd=1_204 * USD + burnt // 2,
        successes=48_210 + at,
    )  # fmt: skip


def event(before_s: int, kind: str, level: str, message: str, **fields: str | int) -> Event:
    return Event((NOON_S + 78 - before_s) * 10**9, kind, level, message, fields)


ALERTS = [
    event(9, "alert", "alarm", "tenant globex reaches its daily limit of $50.00 in 2 minutes:"
          " $4.80 a minute", alert="budget_runs_out"),
    event(41, "alert", "warning", "tenant globex used 80 % of its daily limit: $40.12 of $50.00",
          alert="budget_warning"),
    event(312, "alert", "warning", "tenant acme has a session whose input grows by 6,120 tokens"
          " each turn", alert="context_growth"),
]  # fmt: skip
EVENTS = [
    event(1, "block", "info", "refused: budget_exceeded", budget_id="feature-day",
          tenant="initech", feature="summaries"),
    event(2, "block", "info", "refused: budget_exceeded", budget_id="feature-day",
          tenant="initech", feature="summaries"),
    event(6, "accrued", "warning", "charged at worst case: client gone", tenant="acme"),
]  # fmt: skip


def course(count: int = 40) -> Course:
    made = Course("http://127.0.0.1:9090")
    for one in moments(count):
        made.add(one)
    return made


def costs_document() -> dict[str, Any]:
    rows = [
        Cost("globex", 312 * USD, 4 * USD, 18_220, 912, 41_200_000, 22_000_000, 3_120_000),
        Cost("acme", 201 * USD, 0, 40_118, 3, 39_000_000, 31_500_000, 2_210_000),
        Cost("initech", 64 * USD, 1_200_000_000, 9_034, 1_204, 8_100_000, 900_000, 640_000),
        Cost("unattributed", 421_300_000, 0, 12, 0, 61_000, 0, 4_100),
    ]
    said = [
        OutcomeFigures("globex", 1_102, 640, 148 * USD, 121 * USD),
        OutcomeFigures("acme", 9_871, 204, 182 * USD, 6 * USD),
        OutcomeFigures("initech", 410, 96, 49 * USD, 11 * USD),
    ]
    return shapes.costs("tenant", Costs(NOON_S - 43_200, rows, said), 25)


def picture(name: str, title: str, width: int, draw: Callable[[Console], None]) -> None:
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, highlight=False,
        color_system="truecolor",
    )  # fmt: skip
    draw(console)
    console.save_svg(str(IMAGES / name), title=title, theme=THEME)


def main() -> None:
    """Write them all."""
    picture("top.svg", "s4fw top", 120, lambda c: c.print(frame(course(), c, 26)))
    picture("costs.svg", "s4fw costs --by tenant --period today", 120,
            lambda c: render_sums(c, costs_document()))  # fmt: skip


if __name__ == "__main__":
    main()
