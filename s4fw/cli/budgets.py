"""`s4fw budgets`: what every cap still allows, nearest to its limit first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column

COLUMNS = (
    Column("Budget", is_number=False),
    Column("Scope", is_number=False, is_wide=True),
    Column("Mode", is_number=False, is_wide=True),
    Column("Used"),
    Column("Limit"),
    Column("Left"),
    Column("%"),
    Column("Resets in"),
)


@click.command("budgets")
@click.option("--budget", "budget_id", metavar="ID", help="Only this budget.")
@click.option("--top", default=25, show_default=True, type=click.IntRange(1), help="Rows to show.")
@asks_firewall
def command(firewall: AdminClient, as_json: bool, budget_id: str | None, top: int) -> None:
    """Show what each budget still allows in its current window, tightest first."""
    rows = firewall.get("/v1/budgets")["budgets"]
    if budget_id is not None:
        rows = [row for row in rows if row["id"] == budget_id]
        if not rows:
            raise click.ClickException(f"no budget {budget_id} has a cell in the current window")
    if as_json:
        show.print_json({"budgets": rows})
        return
    render(show.terminal(), rows, top, datetime.now(UTC).isoformat())


def render(console: Console, rows: Sequence[dict[str, Any]], top: int, now: str) -> None:
    """`now` is RFC 3339."""
    if not rows:
        console.print(show.note("no budgets are configured: nothing is capped"))
        return
    tightest = sorted(rows, key=_nearness, reverse=True)
    made = show.Listing(COLUMNS, console)
    for row in tightest[:top]:
        made.add(
            name(row, console),
            show.scope(row["scope"]),
            mode(row),
            show.amount(row["used_nusd"]),
            show.amount(row["limit_nusd"]),
            show.left(row["remaining_nusd"]),
            show.share(row["used_nusd"], row["limit_nusd"], console),
            _resets_in(row, now),
        )
    made.print()
    if len(rows) > top:
        console.print(show.note(f"{len(rows) - top:,} more with more room (--top, --budget)"))


def name(row: dict[str, Any], console: Console) -> Text:
    """The first cell of a budget's row: everything of it that has no column of its own here."""
    is_plain = row["mode"] == "enforce" and not row["frozen"]
    if is_plain or not show.is_narrow(console):
        return show.name_and_scope(row["id"], row["scope"], console)
    marked = Text(f"{row['id']} ").append_text(mode(row))
    return marked.append_text(show.name_and_scope("", row["scope"], console))


def mode(row: dict[str, Any]) -> Text:
    """How the budget acts now: a frozen one lets nothing through, whatever its mode."""
    if row["frozen"]:
        return Text("frozen", "bold cyan")
    return Text(row["mode"], "dim" if row["mode"] == "shadow" else "")


def _nearness(row: dict[str, Any]) -> tuple[bool, int]:
    """Frozen first, then by the share that is used."""
    return row["frozen"], show.permille(row["used_nusd"], row["limit_nusd"])


def _resets_in(row: dict[str, Any], now: str) -> str:
    if row["resets_at"] is None:
        return "never"
    return show.duration(show.seconds_between(now, row["resets_at"]))
