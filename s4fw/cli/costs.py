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
CROWDED_COLUMNS = 150  # below that outcomes and bars do not stand side by side
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
    unknown.  By tenant and feature, where applications report outcomes: what of it became useful,
    what was spent while failing, and what a success costs, its failures included.
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
    room = _Room(total, console)
    made = show.Listing(_sum_columns(document["by"], total, room), console)
    for row in rows:
        made.add(row["value"], *_sum_cells(row, total, room))
    if document["left_out"]:
        hidden = {name: total[name] - show.summed(rows, name) for name in total}
        label = Text(others(document["left_out"]), "italic")
        made.add(label, *_sum_cells(hidden, total, room))
    made.print()
    console.print(show.note(f"since {show.moment(document['since'])} UTC"))
    if room.has_outcomes:
        console.print(show.note("useful, failing: as reported; a success bears failures before it"))


class _Room:
    """What fits: outcomes need the place of exact token counts, bars and, if need be, tokens."""

    def __init__(self, total: dict[str, int], console: Console) -> None:
        self.has_outcomes = bool(total.get("successes") or total.get("failures"))
        is_crowded = self.has_outcomes and console.width < CROWDED_COLUMNS
        self.is_tight = self.has_outcomes and show.is_narrow(console)
        self.tokens: Callable[[int], str] = show.count
        if is_crowded or show.is_narrow(console):
            self.tokens = show.compact
        self.has_bar = console.is_terminal and not is_crowded and not show.is_narrow(console)


def _sum_columns(by: str, total: dict[str, int], room: _Room) -> list[Column]:
    columns = [
        Column(by.capitalize(), is_number=False, total="total"),
        Column("Requests", total=show.count(total["requests"])),
        Column("Blocked", total=show.count(total["blocked"]), is_wide=room.is_tight),
        Column("Tokens in", total=room.tokens(total["tokens_in"]), is_wide=room.is_tight),
        Column("cached", total=room.tokens(total["tokens_cached"]), is_wide=True),
        Column("out", total=room.tokens(total["tokens_out"]), is_wide=room.is_tight),
        Column("Spent", total=usd(total["spent_nusd"])),
        Column("Accrued", total=usd(total["accrued_nusd"])),
    ]
    if room.has_outcomes:
        columns += [
            Column("Useful", total=usd(total["useful_nusd"])),
            Column("Failing", total=usd(total["failing_nusd"])),
            Column("Per success", total=_per_success(total)),
        ]
    return [*columns, Column("Share")]


def _sum_cells(row: dict[str, int], total: dict[str, int], room: _Room) -> list[Text | str]:
    cells: list[Text | str] = [
        show.count(row["requests"]),
        show.count(row["blocked"]),
        room.tokens(row["tokens_in"]),
        room.tokens(row["tokens_cached"]),
        room.tokens(row["tokens_out"]),
        show.amount(row["spent_nusd"]),
        show.amount(row["accrued_nusd"]),
    ]
    if room.has_outcomes:
        cells += [show.amount(row["useful_nusd"]), _failing(row), _per_success(row)]
    part = show.permille(row["charged_nusd"], total["charged_nusd"]) if row["charged_nusd"] else 0
    return [*cells, _share(part, room)]


def _per_success(row: dict[str, int]) -> str:
    """What one success costs, with what was spent while failing before it."""
    if not row["successes"]:
        return "-"
    return usd(-(-(row["useful_nusd"] + row["failing_nusd"]) // row["successes"]))


def _failing(row: dict[str, int]) -> Text:
    """Red where a quarter of what is known was for nothing."""
    nusd = row["failing_nusd"]
    if not nusd:
        return show.amount(0)
    part = show.permille(nusd, nusd + row["useful_nusd"])
    return Text(usd(nusd), "red" if part >= 250 else "yellow" if part >= 100 else "")


def _share(part: int, room: _Room) -> Text | str:
    """A part of all, in thousandths; with a bar where there is room."""
    text = f"{part // 10}.{part % 10}%"
    if not room.has_bar:
        return text
    filled = -(-part * show.BAR_CELLS // 1000)
    bar = Text("█" * filled, "cyan").append("░" * (show.BAR_CELLS - filled), "bright_black")
    return bar.append(f" {text:>6}")
