"""What the ledger says was charged to each window of each budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from s4fw.ledger.lines import ROWS
from s4fw.ledger.segments import lines_of, whole_prefix


class Window(NamedTuple):
    """One cell as the ledger names it.  Moments are text, empty for `total`."""

    budget: str
    scope: tuple[tuple[str, str], ...]
    window: str
    starts_at: str
    resets_at: str


def window_of(cell: Mapping[str, Any]) -> Window | None:
    """The window of a cell line; None where its budget was not known any more."""
    if not cell.get("budget"):
        return None
    scope = tuple(sorted(cell["scope"].items()))
    starts_at, resets_at = cell.get("starts_at", ""), cell.get("resets_at", "")
    return Window(cell["budget"], scope, cell["window"], starts_at, resets_at)


class Row(NamedTuple):
    """One row and the windows its money is in."""

    content: dict[str, Any]
    windows: tuple[Window | None, ...]


def rows_of(data: bytes, *, is_open: bool = False) -> Iterator[Row]:
    """The rows of a segment.  Raises ValueError where a line is none."""
    cells: dict[int, Window | None] = {}
    for line in whole_prefix(data) if is_open else lines_of(data):
        content = line.content
        if content["kind"] == "cell":
            cells[content["cell"]] = window_of(content)
        elif content["kind"] in ROWS:
            numbers = content.pop("cells", ())
            yield Row(content, tuple(cells.get(number) for number in numbers))


@dataclass(slots=True)
class Sums:
    """The sums by window, and what could not be summed."""

    charged: dict[Window, int] = field(default_factory=dict)
    rows: int = 0
    rows_missing: int = 0  # of gaps: what they charged may be missing below
    without_budget_nusd: int = 0  # of cells whose budget was not known any more

    def add(self, row: Row) -> None:
        content = row.content
        self.rows += 1
        if content["kind"] == "gap":
            self.rows_missing += content.get("rows", 0)
            return
        nusd = content.get("charged_nusd", 0)
        if not nusd:
            return
        for window in row.windows:
            if window is None:
                self.without_budget_nusd += nusd
            else:
                self.charged[window] = self.charged.get(window, 0) + nusd
