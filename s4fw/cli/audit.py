"""`s4fw audit`: read the ledger, check that it is genuine, and hold it against the budgets."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from s4fw.admin.client import AdminError
from s4fw.cli import export, show
from s4fw.cli.books import Books, find_books, rows_in
from s4fw.cli.compare import DIFFERENT, Comparison, named_budgets, summed
from s4fw.cli.reach import reach
from s4fw.cli.show import Column
from s4fw.core.attribution import DIMENSIONS
from s4fw.ledger.rebuild import Row

if TYPE_CHECKING:
    from s4fw.ledger.verify import Verifier

SETTLE_S = 4.0  # the ledger is written each second
LOOK_AGAIN_S = 0.3

Command = Callable[..., Any]
KINDS = ("settle", "void", "block", "correct", "recover", "gap", "event")


def reads_ledger(command: Command) -> Command:
    """Give a command the options that say where the ledger lies."""
    for option in (
        click.option(
            "--dir",
            "directory",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            help="A copy of a ledger (of the bucket, say) instead of the firewall's own.",
        ),
        click.option(
            "-c",
            "--config",
            type=click.Path(path_type=Path),
            envvar="S4FW_CONFIG",
            help="Configuration file (default s4fw.yaml).",
        ),
    ):
        command = option(command)
    return command


def filters(command: Command) -> Command:
    """Give a command the options that choose among rows."""
    for option in (
        click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this."),
        click.option(
            "--where",
            "wheres",
            multiple=True,
            metavar="NAME=VALUE",
            help="Only rows that say this, as tenant=acme; may be given again.",
        ),
        click.option("--until", metavar="TIME", help="Only rows before this moment."),
        click.option(
            "--since", metavar="TIME", help="Only rows from this moment on, as 2026-01-31."
        ),
    ):
        command = option(command)
    return command


@click.group(name="audit")
def command() -> None:
    """Read the ledger, check it, and hold it against the budgets.

    The ledger is a line for each exchange, block and correction, chained and signed; the firewall
    writes it where the configuration says `ledger: {enabled: true}`.
    """


# -- list and export ------------------------------------------------------------------------------


@command.command(name="list")
@click.option(
    "--last", default=25, show_default=True, type=click.IntRange(1, 100_000), help="Rows."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with amounts in nano-USD.")
@filters
@reads_ledger
def list_rows(
    last: int, as_json: bool, config: Path | None, directory: Path | None, **chosen: Any
) -> None:
    """Show the last rows of the ledger, the newest at the end."""
    found: list[Row] = []
    for row in _chosen(find_books(config, directory), **chosen):
        found.append(row)
        if len(found) > 4 * last:
            del found[:-last]
    found = found[-last:]
    if as_json:
        show.print_json({"rows": [export.flat(row) for row in found]})
    else:
        _render_rows(show.terminal(), found)


def _render_rows(console: Console, rows: list[Row]) -> None:
    listing = show.Listing(
        (
            Column("At", is_number=False),
            Column("Row", is_number=False),
            Column("Who", is_number=False),
            Column("Model", is_number=False, is_wide=True),
            Column("In"),
            Column("Out"),
            Column("Reserved", is_wide=True),
            Column("Charged"),
            Column("Why", is_number=False, is_wide=True),
        ),
        console,
    )
    for row in rows:
        said = row.content
        tokens_in = sum(said.get(n, 0) for n in export.TOKENS_IN)
        who = "/".join(said[n] for n in ("tenant", "feature", "customer") if n in said)
        listing.add(
            show.moment(said["at"]),
            said["kind"],
            who,
            said.get("model", ""),
            show.compact(tokens_in),
            show.compact(said.get("output", 0)),
            show.amount(said.get("reserved_nusd", 0)),
            show.amount(said.get("charged_nusd", 0)),
            said.get("code") or said.get("reason") or said.get("why") or "",
        )
    listing.print()


@command.command(name="export")
@click.option(
    "--format", "form", type=click.Choice(export.FORMATS), default="csv", show_default=True
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file.")
@filters
@reads_ledger
def export_rows(
    form: str, output: Path | None, config: Path | None, directory: Path | None, **chosen: Any
) -> None:
    """Write rows as CSV, as JSON (an object on each line), or as Parquet (needs pyarrow).

    Text that a spreadsheet would take for a formula gets a single quote in front.
    """
    if form == "parquet" and (output is None or not export.has_parquet()):
        need = "--output" if export.has_parquet() else "pyarrow: pip install 's4fw[parquet]'"
        raise click.UsageError(f"--format parquet needs {need}")
    rows = _chosen(find_books(config, directory), **chosen)
    with ExitStack() as stack:
        target: IO[str] | Path = sys.stdout
        if form == "parquet":
            assert output is not None
            target = output
        elif output is not None:
            target = stack.enter_context(open(output, "w", encoding="utf-8", newline=""))
        count = export.write(rows, form, target)
    if output is not None:
        click.echo(f"{count} rows in {output}", err=True)


def _chosen(
    books: Books,
    kinds: tuple[str, ...],
    wheres: tuple[str, ...],
    since: str | None,
    until: str | None,
) -> Iterator[Row]:
    """The rows that the options choose.  Moments compare as text: all are UTC, of one form."""
    pairs = []
    for where in wheres:
        name, is_given, value = where.partition("=")
        if not is_given or name not in (*DIMENSIONS, "code", "reason", "decision", "id", "loop"):
            raise click.UsageError(f"--where takes NAME=VALUE, as tenant=acme; not {where}")
        pairs.append((name, value))
    for row in _rows(books):
        said = row.content
        if (kinds and said["kind"] not in kinds) or (since and said["at"] < since):
            continue
        if (until and said["at"] >= until) or any(said.get(n) != value for n, value in pairs):
            continue
        yield row


def _rows(books: Books) -> Iterator[Row]:
    for chain in books.chains():
        for piece in books.read(chain):
            yield from rows_in(piece)


# -- verify ---------------------------------------------------------------------------------------


@command.command(name="verify")
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The public key (or the private one), in PEM; else the configured one's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reads_ledger
def verify(key: Path | None, as_json: bool, config: Path | None, directory: Path | None) -> None:
    """Check that no line of the ledger was changed, removed, added or moved since it was written.

    Exits with 1 when something is wrong, and says where.
    """
    from s4fw.ledger.verify import Verifier  # takes time: only where it is needed

    books = find_books(config, directory)
    trusted = books.public_key(key)
    verified: list[Verifier] = []
    for chain in books.chains():
        verifier = Verifier(trusted)
        verified.append(verifier)
        for piece in books.read(chain):
            if piece.problem is not None:
                verifier.unreadable(piece.file, piece.problem)
            else:
                verifier.check(piece.file, piece.data, piece.is_newest)
    if as_json:
        show.print_json({"ok": _is_fine(verified), "chains": list(map(_verified, verified))})
    else:
        for verifier in verified:
            _render_verified(show.terminal(), verifier)
    if not _is_fine(verified):
        sys.exit(1)


def _is_fine(verified: list[Verifier]) -> bool:
    return not any(finding.is_problem for one in verified for finding in one.findings)


def _verified(verifier: Verifier) -> dict[str, Any]:
    totals = verifier.totals
    return {
        "chain": verifier.chain_id,
        "segments": totals.segments,
        "lines": totals.lines,
        "rows": totals.rows,
        "gaps": totals.gaps,
        "rows_missing": totals.rows_missing,
        "findings": [finding._asdict() for finding in verifier.findings],
    }


def _render_verified(console: Console, verifier: Verifier) -> None:
    for finding in verifier.findings:
        style = "bold red" if finding.is_problem else "dim"
        console.print(Text(str(finding), style), soft_wrap=True)
    totals = verifier.totals
    problems = sum(finding.is_problem for finding in verifier.findings)
    looked_at = (("segments", totals.segments), ("lines", totals.lines), ("rows", totals.rows))
    counts = ", ".join(f"{show.count(number)} {what}" for what, number in looked_at)
    console.print(f"chain {verifier.chain_id}: {counts}")
    if totals.gaps:
        missing = show.count(totals.rows_missing)
        console.print(f"{totals.gaps} gaps are written down: {missing} rows are missing")
    if problems:
        console.print(Text(f"{problems} problem{'s' * (problems != 1)}", "bold red"))
    else:
        console.print(Text("genuine and whole", "bold green"))


# -- rebuild --------------------------------------------------------------------------------------


@command.command(name="rebuild")
@click.option("--offline", is_flag=True, help="Only sum the ledger; ask no firewall.")
@click.option("--admin", metavar="URL", help="Admin listener; else S4FW_ADMIN_URL or the file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with amounts in nano-USD.")
@reads_ledger
def rebuild(
    offline: bool, admin: str | None, as_json: bool, config: Path | None, directory: Path | None
) -> None:
    """Sum what the ledger says was charged, and compare it with the running firewall's budgets.

    Exits with 1 where they differ.  A window that began before the ledger did is partial: the
    ledger cannot have all of it.  While requests run the two are a moment apart: it looks again
    for some seconds before it says that they differ.
    """
    books = find_books(config, directory)
    if offline:
        _show_compared(Comparison(summed(books), None), as_json)
        return
    firewall = reach(admin, config, os.environ)
    end_s = time.monotonic() + SETTLE_S
    while True:
        try:
            budgets = firewall.get("/v1/budgets")["budgets"]
        except AdminError as fault:
            raise click.ClickException(f"{fault}; --offline only sums the ledger") from fault
        compared = Comparison(summed(books), named_budgets(books, budgets))
        if not compared.is_different or time.monotonic() > end_s:
            break
        time.sleep(LOOK_AGAIN_S)
    _show_compared(compared, as_json)
    if compared.is_different:
        sys.exit(1)


def _show_compared(compared: Comparison, as_json: bool) -> None:
    if as_json:
        show.print_json(compared.document())
        return
    console = show.terminal()
    listing = show.Listing(
        (
            Column("Budget", is_number=False),
            Column("Scope", is_number=False),
            Column("Window", is_number=False),
            Column("Ledger"),
            Column("Table"),
            Column("", is_number=False),
        ),
        console,
    )
    for line in compared.lines:
        window = line.window
        listing.add(
            window.budget,
            show.scope(dict(window.scope)),
            f"{window.window} {show.moment(window.starts_at)[:16]}".strip(),
            show.amount(line.ledger_nusd),
            "" if line.table_nusd is None else show.amount(line.table_nusd),
            Text(line.state, "bold red" if line.state == DIFFERENT else "dim"),
        )
    listing.print()
    for sentence in compared.remarks():
        console.print(show.note(sentence), soft_wrap=True)
