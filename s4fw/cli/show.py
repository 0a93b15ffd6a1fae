"""Figures for people: dollars, shares, durations and tables that read well at 80 columns.

On a terminal: rules, colours, bars where there is room; what may be long (ids, scopes) folds and
amounts never do.  In a pipe: the same rows, one line each, no colour, no bar, nothing folded, so
that grep, sort and less see whole lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from s4fw.units import usd

PIPE_COLUMNS = 4000  # wider than any row: two values of 128 characters for each of 8 dimensions
BAR_FROM_COLUMNS = 110  # below it the percentage alone must do
BAR_CELLS = 10
NEAR_PERMILLE = 800


def terminal() -> Console:
    """Where commands print; decides once whether a person or a program reads."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(
        file=sys.stdout, width=PIPE_COLUMNS, highlight=False, no_color=True, force_terminal=False
    )


def print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.  Numbers are right-aligned and never folded; text folds at `text_min`."""

    title: str
    is_number: bool = True
    text_min: int = 8
    total: str = ""


def table(columns: Sequence[Column], console: Console) -> Table:
    """An empty table in the house's form, with a totals row where a column has a total."""
    is_pipe = not console.is_terminal
    made = Table(
        box=None if is_pipe else box.SIMPLE,
        show_footer=any(c.total for c in columns),
        pad_edge=False,
        padding=(0, 2 if is_pipe else 1, 0, 0),
        collapse_padding=True,
        header_style="bold",
        footer_style="bold",
        border_style="dim",
    )
    for c in columns:
        made.add_column(
            c.title,
            c.total,
            justify="right" if c.is_number else "left",
            no_wrap=c.is_number or is_pipe,
            min_width=None if c.is_number else min(c.text_min, 12),
            overflow="fold",
        )
    return made


def count(number: int) -> str:
    return f"{number:,}"


def amount(nusd: int) -> Text:
    """Dollars; nothing at all is dim, so that the eye finds what is something."""
    return Text(usd(nusd), "dim" if nusd == 0 else "")


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
    if not console.is_terminal or console.width < BAR_FROM_COLUMNS:
        return Text(text, style)
    filled = min(BAR_CELLS, -(-thousandths * BAR_CELLS // 1000))
    bar = Text("━" * filled, style)
    bar.append("━" * (BAR_CELLS - filled), "bright_black")
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
