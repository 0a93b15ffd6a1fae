"""`s4fw top`: a live view of what burns."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.live import Live

from s4fw.admin.client import AdminClient, Unreachable
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import print_json
from s4fw.cli.topcourse import Course, Moment
from s4fw.cli.topview import frame

PIPE_COLUMNS, PIPE_ROWS = 120, 40
EVENTS = 40
SHARE = 5  # between two looks lies at least this many times as long as one took


@click.command("top")
@click.option("--once", is_flag=True, help="Print one frame and end.")
@click.option(
    "--interval",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.2, 60.0),
    help="Seconds between two looks.",
)
@asks_firewall
def command(firewall: AdminClient, as_json: bool, once: bool, interval: float) -> None:
    """Watch budgets burn, workers work, and what is refused, live.  Ctrl-C ends it.

    A bar shows what was charged (full) and what is held for requests in flight (shaded).  "runs
    out" is when the limit is reached at the rate of the last minute; "no" means that the window
    ends before that.

    \b
    s4fw top                            this machine's firewall, as s4fw.yaml says
    s4fw top --admin http://10.0.0.7:9090
    s4fw top --once > frame.txt         one frame, for a ticket
    """
    course = Course(firewall.url)
    course.add(look(firewall))
    if as_json:
        last = course.moments[-1]
        print_json({n: getattr(last, n) for n in Moment.__slots__ if n != "at_ms"})
    elif once or not sys.stdout.isatty():
        console = Console(highlight=False) if sys.stdout.isatty() else Console(
            width=PIPE_COLUMNS, height=PIPE_ROWS, highlight=False
        )  # fmt: skip
        console.print(frame(course, console, console.height))
    else:
        _watch(firewall, course, interval)


def look(firewall: AdminClient) -> Moment:
    """Ask for everything a frame needs.  Raises AdminError."""
    total = firewall.get("/v1/costs", by="tenant", limit=1)["total"]
    return Moment(
        at_ms=time.monotonic_ns() // 1_000_000,
        now=datetime.now(UTC).isoformat(),
        status=firewall.get("/v1/status"),
        workers=firewall.get("/v1/workers")["workers"],
        budgets=firewall.get("/v1/budgets")["budgets"],
        events=firewall.get("/v1/events", limit=EVENTS)["events"],
        alerts=firewall.get("/v1/events", limit=EVENTS, kind="alert")["events"],
        charged_nusd=total["charged_nusd"],
        useful_nusd=total["useful_nusd"],
        failing_nusd=total["failing_nusd"],
        successes=total["successes"],
    )


def _watch(firewall: AdminClient, course: Course, interval_s: float) -> None:
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(frame(course, console, console.height), refresh=True)
                started_s = time.monotonic()
                _look_again(firewall, course)
                time.sleep(max(interval_s, SHARE * (time.monotonic() - started_s)))
        except KeyboardInterrupt:
            return


def _look_again(firewall: AdminClient, course: Course) -> None:
    """The next moment; a firewall that restarts is waited for.  Raises AdminError."""
    try:
        course.add(look(firewall))
    except Unreachable:
        course.silent_s = max(1, int(time.monotonic() - course.moments[-1].at_ms / 1000))
