"""`s4fw prices show`: the rates that quotes and costs are computed with."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from s4fw.cli.configuration import read_configuration
from s4fw.config.forms import usd_per_mtok
from s4fw.pricing.ratecard import RateCard
from s4fw.pricing.row import DEFAULT, PriceRow, Rates

PLAIN_WIDTH = 200  # off a terminal nothing is cut: the lines go to grep
FIRST = {"input": "input", "cache_read": "cache read", "cache_write_5m": "cache write",
         "output": "output"}  # fmt: skip
FURTHER = {"cache_write_1h": "write 1h", "cache_write_12h": "write 12h",
           "audio_input": "audio in", "audio_output": "audio out"}  # fmt: skip


@click.group(name="prices")
def command() -> None:
    """Show the built-in rates."""


@command.command(name="show")
@click.argument("model", required=False)
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="Put this file's overrides before them."
)
def show(model: str | None, config: Path | None) -> None:
    """Show rates in US dollars per million tokens.

    Without MODEL: all models at their default rates.  With an exact MODEL: every tier and input
    size of it.  With a part of a name: the models that contain it; exits with 1 if there is none.
    """
    overrides = read_configuration(config).pricing.overrides if config is not None else None
    card = RateCard.load(overrides)
    rows = sorted(card.rows(), key=lambda row: (row.provider, row.model))
    exact = [row for row in rows if row.model == model]
    found = exact or [row for row in rows if model is None or model in row.model]
    if not found:
        _not_found(str(model), rows)
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else PLAIN_WIDTH, highlight=False)
    for row in exact:
        console.print(_one(row))
    if not exact:
        console.print(_many(found))
    summary = f"US dollars per million tokens; {len(found)} of {len(rows)} models, {card.version}"
    console.print(summary, style="dim")


def _not_found(model: str, rows: list[PriceRow]) -> None:
    near = difflib.get_close_matches(model, [row.model for row in rows], n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise click.ClickException(f"no model's name contains {model}{hint}")


def _many(rows: list[PriceRow]) -> Table:
    """A line for each model: its default tier, at the smallest input size."""
    table = _table("model", "provider", *FIRST.values(), "tokens in", "tokens out")
    for row in rows:
        rates = row.rates()[DEFAULT][-1][1]
        amounts = [_usd(getattr(rates, kind)) for kind in FIRST]
        table.add_row(row.model, row.provider, *amounts, _tokens(row.max_in), _tokens(row.max_out))
    return table


def _one(row: PriceRow) -> Table:
    """A line for each tier and input size of one model."""
    further = {kind: name for kind, name in FURTHER.items() if _is_special(row, kind)}
    table = _table("tier", "input size", *FIRST.values(), *further.values())
    table.title = (
        f"{row.model} ({row.provider}): up to {_tokens(row.max_in)} tokens in,"
        f" {_tokens(row.max_out)} out"
    )
    for tier, steps in row.rates().items():
        for size, rates in reversed(steps):
            above = f"above {size:,}" if size > 0 else "any"
            amounts = [_usd(getattr(rates, kind)) for kind in (*FIRST, *further)]
            table.add_row(tier or "default", above, *amounts)
    return table


def _is_special(row: PriceRow, kind: str) -> bool:
    """Whether a kind has a rate of its own somewhere, so that it is worth a column."""
    usual = {"audio_input": "input", "audio_output": "output"}.get(kind, "cache_write_5m")
    every: list[Rates] = [rates for steps in row.rates().values() for _, rates in steps]
    return any(getattr(rates, kind) != getattr(rates, usual) for rates in every)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for column in columns:
        is_text = column in ("model", "provider", "tier")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    return table


def _usd(rate_pusd: int) -> str:
    return str(usd_per_mtok().show(rate_pusd))


def _tokens(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
