"""`s4fw table`: look after the counter table by hand.  Nothing here lowers what is charged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from s4fw.cli.reach import directories
from s4fw.config.paths import Paths
from s4fw.core.attribution import DIMENSION_INDEX, DIMENSIONS
from s4fw.ledger.checkpoint import SavedCell
from s4fw.ledger.window import KIND_INDEX, KINDS, iso
from s4fw.process import tablework
from s4fw.process.exitcode import Stop
from s4fw.units import NUSD_MAX, usd

T = TypeVar("T")

_CONFIG = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="S4FW_CONFIG",
    help="Configuration file (default s4fw.yaml): its `paths` say where the table is.",
)


@click.group("table")
def command() -> None:
    """Look after the counter table.

    Exit codes: 0 fine, 1 problems found, 65 damaged, 66 nothing there, 75 the firewall runs.
    """


def _done(work: Callable[[], T]) -> T:
    """The work's answer; a refusal ends the command with its sentence and code."""
    try:
        return work()
    except Stop as stop:
        click.echo(f"s4fw: {stop.sentence}", err=True)
        raise click.exceptions.Exit(stop.code) from stop


def _paths(config: Path | None) -> Paths:
    return directories(config, os.environ)


@command.command("check")
@_CONFIG
def check(config: Path | None) -> None:
    """Tell whether table and checkpoints are sound; also while the firewall runs."""
    paths = _paths(config)
    looked = tablework.check(paths.runtime, paths.state)
    for sentence in looked.sentences:
        click.echo(sentence)
    raise click.exceptions.Exit(looked.code)


@command.command("export")
@_CONFIG
def export(config: Path | None) -> None:
    """Print every cell as a line of JSON: names and amounts.  Also while the firewall runs."""
    paths = _paths(config)
    cells, source = _done(lambda: tablework.saved_cells(paths.runtime, paths.state))
    for cell in cells:
        click.echo(json.dumps(line_of(cell), ensure_ascii=False))
    click.echo(f"{len(cells)} cells of {source}", err=True)


@command.command("import")
@_CONFIG
@click.option("--anew", is_flag=True, help="Make a table; what checkpoints say is not looked at.")
@click.argument("lines", type=click.File("r", encoding="utf-8"))
def import_(config: Path | None, anew: bool, lines: TextIO) -> None:
    """Raise cells to what an export says; the firewall is stopped.  Never lowers anything."""
    paths = _paths(config)
    cells = [_read(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    raised = _done(lambda: tablework.import_cells(paths.runtime, paths.state, cells, anew))
    click.echo(f"{raised} of {len(cells)} cells were raised")


@command.command("audit")
@_CONFIG
def audit(config: Path | None) -> None:
    """Recount what is held from the reservations; what does not add up is frozen."""
    paths = _paths(config)
    found = _done(lambda: tablework.audit(paths.runtime))
    for budget, wrong in found:
        click.echo(
            f"cell {wrong.index} of budget {budget}: {usd(wrong.held)} held by {wrong.open_leases}"
            f" reservations, found {usd(wrong.held_by_leases)} by {wrong.open_leases_found}"
        )
    click.echo(f"{len(found)} cells do not add up" if found else "everything adds up")
    raise click.exceptions.Exit(1 if found else 0)


@command.command("repair")
@_CONFIG
def repair(config: Path | None) -> None:
    """Mend a table, upwards only; the firewall is stopped.  Says what was done."""
    paths = _paths(config)
    done = _done(lambda: tablework.repair(paths.runtime, paths.state))
    for sentence in done or ["nothing was to be done"]:
        click.echo(sentence)


def line_of(cell: SavedCell) -> dict[str, Any]:
    """A cell as `export` prints it; a value of null is the dimension's shared `other`."""
    return {
        "budget": cell.budget,
        "window": KINDS[cell.kind],
        "start": iso(cell.start_s),
        "start_s": cell.start_s,
        "scope": {DIMENSIONS[dimension]: text for dimension, text in cell.names},
        "limit_nusd": cell.stated,
        "used_nusd": cell.used,
        "charged_nusd": cell.charged,
        "accrued_nusd": cell.accrued,
        "mark_nusd": cell.mark,
    }


def _read(number: int, line: str) -> SavedCell:
    try:
        told = json.loads(line)
        charged, accrued = _amount(told, "charged_nusd"), _amount(told, "accrued_nusd")
        limit, start_s = _amount(told, "limit_nusd"), int(told["start_s"])
        names = tuple((DIMENSION_INDEX[name], text) for name, text in told["scope"].items())
        kind = KIND_INDEX[told["window"]]
        if not isinstance(told["budget"], str) or accrued > charged:
            raise ValueError
        are_texts = all(text is None or (isinstance(text, str) and text) for _, text in names)
        if not are_texts:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise click.UsageError(f"line {number} is no line of an export") from fault
    return SavedCell(
        told["budget"], kind, start_s, names, limit, limit, charged, charged, accrued, 0
    )


def _amount(told: Mapping[str, Any], name: str) -> int:
    amount = told[name]
    if type(amount) is not int or not 0 <= amount < NUSD_MAX:
        raise ValueError
    return amount
