"""`s4fw freeze`: stop spending at once, on all workers, until it is released; survives restarts."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminClient
from s4fw.cli import show
from s4fw.cli.reach import asks_firewall


@click.command("freeze")
@click.option("--budget", "budget_id", metavar="ID", help="Only this budget, not everything.")
@click.option("--release", is_flag=True, help="Let spending go on again.")
@click.option("--show", "is_question", is_flag=True, help="Only tell what is frozen.")
@asks_firewall
def command(
    firewall: AdminClient, as_json: bool, budget_id: str | None, release: bool, is_question: bool
) -> None:
    """Refuse every request that would spend, or those of one budget, until --release.

    Requests in flight finish and settle.  Needs the admin token.
    """
    if is_question and (release or budget_id):
        raise click.UsageError("--show stands alone")
    if is_question:
        frozen = firewall.get("/v1/freeze")
    else:
        scope = {"budget": budget_id} if budget_id is not None else {"everything": True}
        frozen = firewall.post("/v1/release" if release else "/v1/freeze", scope)
    if as_json:
        show.print_json(frozen)
    else:
        render(show.terminal(), frozen)


def render(console: Console, frozen: dict[str, Any]) -> None:
    scopes = said(frozen)
    console.print(Text("frozen: ").append_text(scopes) if scopes else "nothing is frozen")


def said(frozen: dict[str, Any]) -> Text:
    """What is frozen now, in words; empty when nothing is."""
    budgets = ", ".join(frozen["budgets"])
    if frozen["everything"]:
        beside = f" (and by itself: {budgets})" if budgets else ""
        return Text(f"everything{beside}", "bold cyan")
    return Text(budgets, "bold cyan")
