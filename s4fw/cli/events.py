"""`s4fw events`: what happened lately that is worth a look, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column
from s4fw.units import usd

LEVELS = {"info": "", "warning": "yellow", "alarm": "bold red"}
COLUMNS = (
    Column("Time (UTC)", is_number=False),
    Column("Kind", is_number=False),
    Column("What", is_number=False),
)


@click.command("events")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--kind", help="Only events of this kind (alert, block, recovery, reload, ...).")
@asks_firewall
def command(firewall: AdminClient, as_json: bool, limit: int, kind: str | None) -> None:
    """Show alerts, blocks, overruns, recoveries, reloads and freezes, newest first.

    \b
    s4fw events --kind alert     what was told to the webhook, with its numbers
    s4fw events --kind block     who was refused, and why
    """
    asked: dict[str, str | int] = (
        {"limit": limit} if kind is None else {"limit": limit, "kind": kind}
    )
    events = firewall.get("/v1/events", **asked)["events"]
    if as_json:
        show.print_json({"events": events})
    else:
        render(show.terminal(), events)


def render(console: Console, events: Sequence[dict[str, Any]]) -> None:
    if not events:
        console.print(show.note("nothing happened that is worth a look"))
        return
    made = show.Listing(COLUMNS, console)
    for event in events:
        where = _where(event["fields"])
        what = Text(event["message"])
        if where:  # below the sentence for a person, on the same line for grep
            what.append("\n" if console.is_terminal else "  ").append(where, "dim")
        style = LEVELS.get(event["level"], "")
        made.add(show.moment(event["at"]), Text(event["kind"], style), what)
    made.print()


def _where(fields: dict[str, Any]) -> str:
    """The fields as `name=value`, amounts in dollars."""
    return " ".join(
        f"{name.removesuffix('_nusd')}={usd(value)}"
        if name.endswith("_nusd") and isinstance(value, int)
        else f"{name}={value}"
        for name, value in fields.items()
    )
