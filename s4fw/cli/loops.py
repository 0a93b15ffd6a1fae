"""`s4fw loops`: what the rules about loops found, whether they were right, and a way out."""

from __future__ import annotations

import re
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.reach import asks_firewall
from s4fw.cli.show import Column
from s4fw.units import usd

_SESSION = re.compile(r"[0-9a-f]{16}")

COLUMNS = (
    Column("Tenant", is_number=False),
    Column("Rule", is_number=False),
    Column("Mode", is_number=False, is_wide=True),
    Column("Warned", is_wide=True),
    Column("Loops"),
    Column("per 1k", is_wide=True),  # sessions
    Column("Would block"),
    Column("Blocked"),
    Column("Turns", is_wide=True),  # of a loop when it was found
    Column("Wasted"),
    Column("Avoidable"),
    Column("Right"),
    Column("Wrong"),
    Column("at most"),
)


@click.group("loops")
def command() -> None:
    """Agents that go round in circles: what was found, and how to let one go on."""


@command.command("report")
@asks_firewall
def report(firewall: AdminClient, as_json: bool) -> None:
    """Show for each tenant and rule what was found since the start, and whether it was right.

    Loops are counted once however long they go on.  Avoidable is what the requests cost that would
    have been refused.  Right and wrong say what came after: an agent that did new things would have
    been stopped wrongly.  At most: the share of wrong ones, with 95 % confidence.
    """
    document = firewall.get("/v1/loops")
    if as_json:
        show.print_json(document)
    else:
        render(show.terminal(), document)


@command.command("release")
@click.argument("session")
@asks_firewall
def release(firewall: AdminClient, as_json: bool, session: str) -> None:
    """Let SESSION go on although it loops, until its loop ends.

    A refusal names the session (16 hex digits, `loop_session`).  Needs the admin token.
    """
    if not _SESSION.fullmatch(session):
        raise click.UsageError("a session is named by the 16 hex digits that its refusal tells")
    document = firewall.post("/v1/loops/release", {"session": session})
    if as_json:
        show.print_json(document)
    else:
        show.terminal().print(f"released: {session}")


def render(console: Console, document: dict[str, Any]) -> None:
    """A row for each tenant and rule."""
    rows = document["rules"]
    if not rows:
        console.print(show.note("no rule found anything since the start"))
        return
    listing = show.Listing(COLUMNS, console)
    for row in rows:
        listing.add(*_cells(row, document["sessions"].get(row["tenant"], 0)))
    listing.print()
    sessions = sum(document["sessions"].values())
    console.print(show.note(f"{sessions:,} sessions since the start; what the words mean: --help"))


def _cells(row: dict[str, Any], sessions: int) -> list[Text | str]:
    bound = row["false_share_max"]
    loops = row["episodes"]
    return [
        row["tenant"],
        row["rule"],
        row["mode"],
        show.count(row["warned"]),
        show.count(loops),
        f"{1000 * loops / sessions:.1f}" if sessions else "",
        show.count(row["would_block"]),
        show.count(row["blocked"]),
        f"{row['turns'] / loops:.1f}" if loops else "",
        usd(row["wasted_nusd"]),
        usd(row["saved_nusd"]),
        show.count(row["proved"]),
        Text(show.count(row["disproved"]), "red" if row["disproved"] else ""),
        "" if bound is None else f"{100 * bound:.2f}%",
    ]
