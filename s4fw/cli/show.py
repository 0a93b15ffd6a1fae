"""Figures for people: dollars, shares, durations and tables that read well at 80 columns.

On a terminal: a rule, colours, bars where there is room; what may be long (ids, scopes) folds and
amounts never do.  Below WIDE_COLUMNS a listing drops the columns that are marked for it, and names
stand above each other instead of side by side.  In a pipe: every column, one line for each row, no
colour, no bar, nothing folded, so that grep, sort and less see whole lines.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, cast

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from s4fw.units import NUSD_PER_USD, usd

PIPE_COLUMNS = 4000  # wider than any row: a value of 128 characters for each of 8 dimensions
WIDE_COLUMNS = 110
BAR_CELLS = 10
NEAR_PERMILLE = 800

_PADDING = re.compile(r" +(?=\n)")


class _Stripped(io.TextIOBase):
    """Standard output without the blanks that pad a table's last column."""

    def write(self, text: str) -> int:
        sys.stdout.write(_PADDING.sub("", text))
        return len(text)

    def flush(self) -> None:
        sys.stdout.flush()


def terminal() -> Console:
    """Where commands print; decides once whether a person or a program reads."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    pipe = cast("IO[str]", _Stripped())
    return Console(file=pipe, width=PIPE_COLUMNS, highlight=False, force_terminal=False)


def is_narrow(console: Console) -> bool:
    return console.width < WIDE_COLUMNS


def print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.  Numbers are right-aligned and never folded; a wide one needs a wide terminal."""

    title: str
    is_number: bool = True
    is_wide: bool = False
    total: str = ""


class Listing:
    """A table in the house's form, with a totals row where a column has a total."""

    def __init__(self, columns: Sequence[Column], console: Console) -> None:
        self._console = console
        pipe = not console.is_terminal
        self._kept = [c for c in columns if not (c.is_wide and is_narrow(console))]
        self._places = [at for at, c in enumerate(columns) if c in self._kept]
        self._table = Table(
            box=None if pipe else box.SIMPLE,
            show_edge=False,
            show_footer=any(c.total for c in columns),
            pad_edge=False,
            padding=(0, 2 if pipe else 1, 0, 0),  # the box adds one
            header_style="bold",
            footer_style="bold",
            border_style="dim",
        )
        for c in self._kept:
            self._table.add_column(
                c.title,
                c.total,
                justify="right" if c.is_number else "left",
                no_wrap=c.is_number or pipe,
                overflow="fold",
            )

    def add(self, *cells: Text | str) -> None:
        """One row: a cell for every column, also for those that are not shown here."""
        self._table.add_row(*(cells[at] for at in self._places))

    def end_group(self) -> None:
        """Rows that follow belong to something else."""
        if self._console.is_terminal:
            self._table.add_section()

    def print(self) -> None:
        self._console.print(self._table)


def name_and_scope(name: str, scope_names: Mapping[str, str], console: Console) -> Text:
    """A budget's first cell: its id, and where the scope has no column of its own, that below."""
    text = Text(name)
    if is_narrow(console):
        for dimension, value in scope_names.items():
            text.append(f"\n  {dimension}={value}", "dim")
    return text


def count(number: int) -> str:
    return f"{number:,}"


def compact(number: int) -> str:
    """A count in at most six characters: `999`, `12.0k`, `112.0M`; rounded down."""
    for name, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number // size}.{number % size * 10 // size}{name}"
    return str(number)


def amount(nusd: int) -> Text:
    """Dollars; nothing at all is dim, so that the eye finds what is something."""
    return Text(usd(nusd), "dim" if nusd == 0 else "")


def left(nusd: int) -> Text:
    """What is left, rounded down: everywhere else money is rounded up, here that would promise."""
    step = 10_000_000 if nusd >= NUSD_PER_USD else 1_000
    return amount(nusd - nusd % step)


def scope(names: Mapping[str, str]) -> str:
    """Whom a cell is for: `tenant=acme feature=support`."""
    return " ".join(f"{name}={value}" for name, value in names.items()) or "all"


def permille(part: int, whole: int) -> int:
    """Part of whole in thousandths, rounded down; a limit of 0 is used up."""
    return part * 1000 // whole if whole > 0 else 1000


def share(part: int, whole: int, console: Console) -> Text:
    """How much of a limit is used: `45.3%`, with a bar where there is room for it."""
    thousandths = permille(part, whole)
    text = f"{thousandths // 10:,}.{thousandths % 10}%"
    style = "red" if thousandths >= 1000 else "yellow" if thousandths >= NEAR_PERMILLE else "green"
    if not console.is_terminal or is_narrow(console):
        return Text(text, style)
    filled = min(BAR_CELLS, -(-thousandths * BAR_CELLS // 1000))
    bar = Text("█" * filled, style)
    bar.append("░" * (BAR_CELLS - filled), "bright_black")
    return bar.append(f" {text:>6}", style)


def duration(seconds: int) -> str:
    """A length of time in its two largest units: `3 d 4 h`."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        if seconds >= size or (name == "s" and not parts):
            parts.append(f"{seconds // size} {name}")
            seconds %= size
    return " ".join(parts[:2])


def seconds_between(earlier: str, later: str) -> int:
    """From one RFC 3339 moment to another, never below 0."""
    passed = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    return max(0, int(passed.total_seconds()))


def moment(rfc3339: str) -> str:
    """`2026-01-31T00:00:00.125Z` as `2026-01-31 00:00:00`; times are UTC throughout."""
    return rfc3339[:19].replace("T", " ")


def facts(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    """Names and what they are, in two columns."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made


def note(text: str) -> Text:
    return Text(text, "dim")


def summed(rows: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)
