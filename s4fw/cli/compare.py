"""The ledger's sums beside the budgets of a running firewall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from s4fw.cli.books import Books, rows_in
from s4fw.ledger.lines import Names
from s4fw.ledger.rebuild import Sums, Window
from s4fw.units import usd

EQUAL, DIFFERENT, PARTIAL, PAST = "equal", "different", "partial", ""

Key = tuple[str, tuple[tuple[str, str], ...], str, str]  # budget, scope, window, resets_at


@dataclass(slots=True)
class Summed:
    """The sums, and from when on they are whole."""

    sums: Sums = field(default_factory=Sums)
    begins_at: str = "9999"  # the earliest head
    is_from_birth: bool = True  # the first row of the first table is in it


def summed(books: Books) -> Summed:
    """Sum a ledger.  Raises ClickException where it cannot be read."""
    found = Summed()
    for chain in books.chains():
        is_first = True
        for piece in books.read(chain):
            if is_first:
                head = _head_of(piece.data)
                found.begins_at = min(found.begins_at, str(head.get("at", "")))
                found.is_from_birth &= head.get("segment") == 1 and not head.get("after")
                is_first = False
            for row in rows_in(piece):
                found.sums.add(row)
    return found


def _head_of(data: bytes) -> dict[str, Any]:
    from s4fw.ledger.segments import lines_of

    try:
        return next(lines_of(data)).content
    except (ValueError, StopIteration):
        return {}


def named_budgets(books: Books, budgets: Sequence[Mapping[str, Any]]) -> dict[Key, int]:
    """What the table says was charged, by names as the ledger writes them."""
    key = b""
    if books.state is not None and (books.state / "labels.key").exists():
        key = (books.state / "labels.key").read_bytes()
    names = Names(books.section.fields, key)
    return {
        (
            entry["id"],
            tuple(sorted((n, names.of(n, value) or "") for n, value in entry["scope"].items())),
            entry["window"],
            entry["resets_at"] or "",
        ): entry["charged_nusd"]
        for entry in budgets
    }


class Line(NamedTuple):
    """One window in both."""

    window: Window
    ledger_nusd: int
    table_nusd: int | None  # None: the table has no such cell any more, or was not asked
    state: str


class Comparison:
    """Every window that the ledger or the table knows."""

    def __init__(self, found: Summed, table: Mapping[Key, int] | None) -> None:
        self._found = found
        self._was_asked = table is not None
        rest = dict(table or {})
        self.lines: list[Line] = []
        for window, nusd in sorted(found.sums.charged.items()):
            held = rest.pop((window.budget, window.scope, window.window, window.resets_at), None)
            self.lines.append(Line(window, nusd, held, self._state(window, nusd, held)))
        for (budget, scope, kind, resets_at), held in sorted(rest.items()):
            if held:
                window = Window(budget, scope, kind, "", resets_at)
                self.lines.append(Line(window, 0, held, self._state(window, 0, held)))

    def _state(self, window: Window, ledger_nusd: int, table_nusd: int | None) -> str:
        if table_nusd is None:
            return PAST
        if ledger_nusd == table_nusd:
            return EQUAL
        sums = self._found.sums
        is_before = window.starts_at < self._found.begins_at and not self._found.is_from_birth
        has_holes = sums.rows_missing or sums.without_budget_nusd
        return PARTIAL if (is_before or has_holes) and ledger_nusd < table_nusd else DIFFERENT

    @property
    def is_different(self) -> bool:
        return any(line.state == DIFFERENT for line in self.lines)

    def remarks(self) -> Iterator[str]:
        """What people must know to read the sums."""
        sums = self._found.sums
        yield f"{sums.rows:,} rows since {self._found.begins_at}"
        if sums.rows_missing:
            yield f"{sums.rows_missing:,} rows are missing, as the ledger says itself (gaps)"
        if sums.without_budget_nusd:
            yield f"{usd(sums.without_budget_nusd)} stand in rows whose budget was not known"
        if self._was_asked and not self.is_different:
            yield "the ledger and the table agree"

    def document(self) -> dict[str, Any]:
        sums = self._found.sums
        return {
            "ok": not self.is_different,
            "since": self._found.begins_at,
            "rows": sums.rows,
            "rows_missing": sums.rows_missing,
            "without_budget_nusd": sums.without_budget_nusd,
            "windows": [
                {
                    "budget": line.window.budget,
                    "scope": dict(line.window.scope),
                    "window": line.window.window,
                    "starts_at": line.window.starts_at or None,
                    "resets_at": line.window.resets_at or None,
                    "ledger_nusd": line.ledger_nusd,
                    "table_nusd": line.table_nusd,
                    "state": line.state or "past",
                }
                for line in self.lines
            ],
        }
