"""`s4fw status`: is it well, and is it busy?  Exit code 1 when it is not ready."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import freeze, show
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column

STATES = {"ready": "green", "starting": "yellow", "draining": "yellow", "dead": "bold red"}
SUMS = ("requests", "in_flight", "connections", "allowed", "blocked")
BEAT_LATE_MS = 5000  # where the master starts to doubt a worker


@click.command("status")
@asks_firewall
def command(firewall: AdminClient, as_json: bool) -> None:
    """Show whether the firewall is well: readiness, workers, table, what is frozen."""
    status = firewall.get("/v1/status")
    workers = firewall.get("/v1/workers")["workers"]
    frozen = firewall.get("/v1/freeze")
    if as_json:
        show.print_json({"status": status, "workers": workers, "frozen": frozen})
    else:
        now = datetime.now(UTC).isoformat()
        render(show.terminal(), firewall.url, status, workers, frozen, now)
    if not status["ready"]:
        raise click.exceptions.Exit(1)


def render(
    console: Console,
    url: str,
    status: dict[str, Any],
    workers: Sequence[dict[str, Any]],
    frozen: dict[str, Any],
    now: str,
) -> None:
    """`now` is RFC 3339."""
    title = Text("S4 Firewall ", "bold").append(f"{status['version']} at {url}: ", "")
    console.print(title.append_text(_readiness(status)))
    console.print()
    console.print(show.facts(_facts(status, frozen, now)))
    if workers:
        console.print()
        _workers(console, workers)


def _readiness(status: dict[str, Any]) -> Text:
    if status["draining"]:
        return Text("draining", "bold yellow")
    return Text("ready", "bold green") if status["ready"] else Text("not ready", "bold red")


def _facts(
    status: dict[str, Any], frozen: dict[str, Any], now: str
) -> list[tuple[str, Text | str]]:
    started, table, workers = status["started_at"], status["table"], status["workers"]
    up = show.duration(show.seconds_between(started, now))
    return [
        ("started", f"{show.moment(started)} UTC, {up} ago"),
        ("workers", f"{workers['ready']} ready, {workers['live']} of {workers['configured']} live"),
        ("configuration", f"generation {status['config_generation']}"),
        ("prices", f"version {status['prices_version']}"),
        ("table", f"{table['cells']:,} of {table['cells_max']:,} cells in use"),
        ("reservations", f"{table['open_leases']:,} open"),
        ("frozen", freeze.said(frozen) or "nothing"),
    ]


def _workers(console: Console, workers: Sequence[dict[str, Any]]) -> None:
    totals = {name: show.count(show.summed(workers, name)) for name in SUMS}
    errors = show.summed(workers, "upstream_errors") + show.summed(workers, "internal_errors")
    made = show.Listing(
        [
            Column("Slot", total="all"),
            Column("Pid"),
            Column("State", is_number=False),
            Column("Beat"),
            Column("Requests", total=totals["requests"]),
            Column("In flight", total=totals["in_flight"]),
            Column("Connected", is_wide=True, total=totals["connections"]),
            Column("Allowed", total=totals["allowed"]),
            Column("Blocked", total=totals["blocked"]),
            Column("Errors", total=show.count(errors)),
        ],
        console,
    )
    for row in workers:
        made.add(
            str(row["slot"]),
            str(row["pid"] or "-"),
            Text(_state(row), STATES.get(row["state"], "dim")),
            _beat(row),
            *(show.count(row[name]) for name in SUMS),
            show.count(row["upstream_errors"] + row["internal_errors"]),
        )
    made.print()


def _state(row: dict[str, Any]) -> str:
    """In a word; what is no worker and is well needs only its kind said."""
    is_worker = row["kind"] == "worker"
    return str(row["state"] if is_worker or row["state"] != "ready" else row["kind"])


def _beat(row: dict[str, Any]) -> Text:
    if row["state"] in ("dead", "gone"):
        return Text("-", "dim")
    age_ms = row["heartbeat_age_ms"]
    text = f"{age_ms} ms" if age_ms < 1000 else f"{age_ms // 1000:,} s"
    return Text(text, "bold red" if age_ms >= BEAT_LATE_MS else "")
