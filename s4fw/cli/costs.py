"""`s4fw costs`: what was spent, by budget or by who spent it.

Spent is what providers reported, accrued was charged at worst case because the truth is unknown,
held is promised to requests in flight.  They are shown apart, because only the first is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.budgets import mode, name
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column
from s4fw.units import usd

PERIODS = ("all", "today", "month")
DIMENSIONS = ("tenant", "feature", "customer", "model", "key", "agent", "session", "provider")
AMOUNTS = ("spent_nusd", "accrued_nusd", "held_nusd")


@click.command("costs")
@click.option("--by", type=click.Choice(DIMENSIONS), help="Sum by this instead of by budget.")
@click.option(
    "--period",
    type=click.Choice(PERIODS),
    help="Sum today (UTC), this month, or all there is; by tenant where --by is left out.",
)
@click.option("--top", default=25, show_default=True, type=click.IntRange(1, 1000), help="Rows.")
@asks_firewall
def command(
    firewall: AdminClient, as_json: bool, by: str | None, period: str | None, top: int
) -> None:
    """Show what was spent: by budget in its current window, or by who or what spent it.

    \b
    s4fw costs                                    each budget, in its window
    s4fw costs --period today                     each tenant, since 00:00 UTC
    s4fw costs --period month --by feature        each feature, this month
    s4fw costs --by customer --top 10 --json      the ten dearest, for a program

    Spent is what providers reported; accrued was charged at worst case, because the truth is
    unknown.
    """
    by = by or ("tenant" if period is not None else None)
    if by is None:
        document = firewall.get("/v1/budgets")
    else:
        document = firewall.get("/v1/costs", by=by, limit=top, period=period or "all")
    if as_json:
        show.print_json(document)
    elif by is None:
        render_budgets(show.terminal(), document["budgets"], top)
    else:
        render_sums(show.terminal(), document)


# --- by budget ---------------------------------------------------------------------------------

BUDGET_COLUMNS = (
    Column("Budget", is_number=False),
    Column("Scope", is_number=False, is_wide=True),
    Column("Window", is_number=False),
    Column("Mode", is_number=False, is_wide=True),
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
        console.print(show.note("No budgets are configured; try --by tenant."))
        return
    made = show.Listing(BUDGET_COLUMNS, console)
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["id"])]
    for cells in groups:
        dearest = sorted(cells, key=lambda row: -row["charged_nusd"])
        is_headed = len(cells) > 1 and show.is_narrow(console)
        if is_headed:  # the id once, and its scopes below it
            made.add(name(cells[0] | {"scope": {}}, console), "", cells[0]["window"], *[""] * 6)
        for row in dearest[:top]:
            made.add(*_budget_cells(row, is_headed, console))
        if hidden := dearest[top:]:
            made.add(*_sum_of_cells(hidden, others(len(hidden)), console))
        if len(cells) > 1:
            made.add(*_sum_of_cells(cells, f"all {len(cells):,} scopes", console, "bold"))
        made.end_group()
    made.print()
    if len(groups) > 1:
        console.print(show.note("Budgets overlap, so they have no sum; --by tenant has one."))


def _budget_cells(row: dict[str, Any], is_headed: bool, console: Console) -> list[Text | str]:
    return [
        show.name_and_scope("", row["scope"], console)[1:] if is_headed else name(row, console),
        show.scope(row["scope"]),
        "" if is_headed else row["window"],
        mode(row),
        *(show.amount(row[name]) for name in AMOUNTS),
        show.amount(row["limit_nusd"]),
        show.share(row["used_nusd"], row["limit_nusd"], console),
    ]


def _sum_of_cells(
    rows: Sequence[dict[str, Any]], label: str, console: Console, style: str = ""
) -> list[Text | str]:
    """One line for several scopes; limits and shares of a sum would say nothing."""
    is_headed = show.is_narrow(console)
    title, window = (f"  {label}", "") if is_headed else (rows[0]["id"], rows[0]["window"])
    amounts = [usd(show.summed(rows, name)) for name in AMOUNTS]
    cells = (title, label, window, "", *amounts, "", "")
    return [Text(cell, style) for cell in cells]


def others(number: int) -> str:
    return "1 other" if number == 1 else f"{number:,} others"


# --- by dimension ------------------------------------------------------------------------------


def render_sums(console: Console, document: dict[str, Any]) -> None:
    """A row for each value, dearest first, and the total of all, shown or not."""
    rows, total = document["costs"], document["total"]
    if not rows:
        console.print(show.note(f"nothing was spent since {show.moment(document['since'])} UTC"))
        return
    made = show.Listing(_sum_columns(document["by"], total, console), console)
    for row in rows:
        made.add(row["value"], *_sum_cells(row, total, console))
    if document["left_out"]:
        hidden = {name: total[name] - show.summed(rows, name) for name in total}
        label = Text(others(document["left_out"]), "italic")
        made.add(label, *_sum_cells(hidden, total, console))
    made.print()
    console.print(show.note(f"since {show.moment(document['since'])} UTC"))


def _sum_columns(by: str, total: dict[str, int], console: Console) -> list[Column]:
    tokens = _token_text(console)
    return [
        Column(by.capitalize(), is_number=False, total="total"),
        Column("Requests", total=show.count(total["requests"])),
        Column("Blocked", total=show.count(total["blocked"])),
        Column("Tokens in", total=tokens(total["tokens_in"])),
        Column("cached", total=tokens(total["tokens_cached"]), is_wide=True),
        Column("out", total=tokens(total["tokens_out"])),
        Column("Spent", total=usd(total["spent_nusd"])),
        Column("Accrued", total=usd(total["accrued_nusd"])),
        Column("Share"),
    ]


def _sum_cells(row: dict[str, int], total: dict[str, int], console: Console) -> list[Text | str]:
    tokens = _token_text(console)
    part = show.permille(row["charged_nusd"], total["charged_nusd"]) if row["charged_nusd"] else 0
    return [
        show.count(row["requests"]),
        show.count(row["blocked"]),
        tokens(row["tokens_in"]),
        tokens(row["tokens_cached"]),
        tokens(row["tokens_out"]),
        show.amount(row["spent_nusd"]),
        show.amount(row["accrued_nusd"]),
        _share(part, console),
    ]


def _share(part: int, console: Console) -> Text | str:
    """A part of all, in thousandths; with a bar where there is room."""
    text = f"{part // 10}.{part % 10}%"
    if not console.is_terminal or show.is_narrow(console):
        return text
    filled = -(-part * show.BAR_CELLS // 1000)
    bar = Text("█" * filled, "cyan").append("░" * (show.BAR_CELLS - filled), "bright_black")
    return bar.append(f" {text:>6}")


def _token_text(console: Console) -> Callable[[int], str]:
    return show.compact if show.is_narrow(console) else show.count
