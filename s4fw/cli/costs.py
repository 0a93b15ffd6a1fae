"""`s4fw costs`: what was spent, by budget or by who spent it.

Spent is what providers reported, accrued was charged at worst case because the truth is unknown,
held is promised to requests in flight.  They are shown apart, because only the first is certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.budgets import mode
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column
from s4fw.units import usd

DIMENSIONS = ("tenant", "feature", "customer", "model", "key", "agent", "session", "provider")
AMOUNTS = ("spent_nusd", "accrued_nusd", "held_nusd")


@click.command("costs")
@click.option("--by", type=click.Choice(DIMENSIONS), help="Sum by this instead of by budget.")
@click.option("--top", default=25, show_default=True, type=click.IntRange(1, 1000), help="Rows.")
@asks_firewall
def command(firewall: AdminClient, as_json: bool, by: str | None, top: int) -> None:
    """Show what was spent: by budget in its current window, or by who or what spent it."""
    if by is None:
        document = firewall.get("/v1/budgets")
    else:
        document = firewall.get("/v1/costs", by=by, limit=top)
    if as_json:
        show.print_json(document)
    elif by is None:
        render_budgets(show.terminal(), document["budgets"], top)
    else:
        render_sums(show.terminal(), document)


# --- by budget ---------------------------------------------------------------------------------

BUDGET_COLUMNS = (
    Column("Budget", is_number=False),
    Column("Scope", is_number=False, text_min=12),
    Column("Window", is_number=False, text_min=6),
    Column("Spent"),
    Column("Accrued"),
    Column("Held"),
    Column("Limit"),
    Column("Used"),
)


def render_budgets(console: Console, rows: Sequence[dict[str, Any]], top: int) -> None:
    """A row for each scope, dearest first, and a total for each budget that has several.

    Budgets overlap, the same dollar counts in each that applies: they are never added up.
    """
    if not rows:
        console.print(show.note("no budgets are configured; try --by tenant"))
        return
    made = show.table(BUDGET_COLUMNS, console)
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["id"])]
    for cells in groups:
        dearest = sorted(cells, key=lambda row: -row["charged_nusd"])
        for row in dearest[:top]:
            made.add_row(*_budget_cells(row, console))
        if hidden := dearest[top:]:
            made.add_row(cells[0]["id"], f"{len(hidden):,} others", "", *_amounts(hidden))
        if len(cells) > 1:
            sums = [Text.assemble((str(text), "bold")) for text in _amounts(cells)]
            label = Text(f"{len(cells):,} scopes", "bold")
            made.add_row(Text(cells[0]["id"], "bold"), label, Text("total", "bold"), *sums)
        made.add_section()
    console.print(made)
    if len(groups) > 1:
        console.print(show.note("budgets overlap, so there is no sum of all; see --by tenant"))


def _budget_cells(row: dict[str, Any], console: Console) -> list[Text | str]:
    window = Text(row["window"])
    if row["frozen"] or row["mode"] != "enforce":
        window.append(" ").append_text(mode(row))
    return [
        row["id"],
        show.scope(row["scope"]),
        window,
        *(show.amount(row[name]) for name in AMOUNTS),
        show.amount(row["limit_nusd"]),
        show.share(row["used_nusd"], row["limit_nusd"], console),
    ]


def _amounts(rows: Sequence[dict[str, Any]]) -> list[Text]:
    return [show.amount(show.summed(rows, name)) for name in AMOUNTS]


# --- by dimension ------------------------------------------------------------------------------


def render_sums(console: Console, document: dict[str, Any]) -> None:
    """A row for each value, dearest first, and the total of all, shown or not."""
    rows, total = document["costs"], document["total"]
    if not rows:
        console.print(show.note(f"nothing was spent since {show.moment(document['since'])} UTC"))
        return
    made = show.table(_sum_columns(document["by"], total), console)
    for row in rows:
        made.add_row(row["value"], *_sum_cells(row, total, console))
    if document["left_out"]:
        others = {name: total[name] - show.summed(rows, name) for name in total}
        label = Text(f"{document['left_out']:,} others", "italic")
        made.add_row(label, *_sum_cells(others, total, console))
    console.print(made)
    console.print(show.note(f"since {show.moment(document['since'])} UTC"))


def _sum_columns(by: str, total: dict[str, int]) -> list[Column]:
    return [
        Column(by.capitalize(), is_number=False, text_min=10, total="total"),
        Column("Requests", total=show.count(total["requests"])),
        Column("Blocked", total=show.count(total["blocked"])),
        Column("Tokens in", total=show.count(total["tokens_in"])),
        Column("cached", total=show.count(total["tokens_cached"])),
        Column("out", total=show.count(total["tokens_out"])),
        Column("Spent", total=usd(total["spent_nusd"])),
        Column("Accrued", total=usd(total["accrued_nusd"])),
        Column("Share"),
    ]


def _sum_cells(row: dict[str, int], total: dict[str, int], console: Console) -> list[Text | str]:
    names = ("requests", "blocked", "tokens_in", "tokens_cached", "tokens_out")
    part = show.permille(row["charged_nusd"], total["charged_nusd"]) if row["charged_nusd"] else 0
    return [
        *(show.count(row[name]) for name in names),
        show.amount(row["spent_nusd"]),
        show.amount(row["accrued_nusd"]),
        f"{part // 10}.{part % 10}%",
    ]
