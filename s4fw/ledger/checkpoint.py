"""What a checkpoint file says: names and amounts of all cells, and the marks raised since.

Theory of operation.  A table dies with the machine; its cells are therefore written down, by names,
because ids of values mean nothing in another table.  A file is one checkpoint and what was appended
to it:

    {"s4fw": "checkpoint", "version": 1, "sequence": 7, ...}     the header
    ["org", 4, 1793491200, [[0, "acme"]], limit, ...]            a line for each cell
    {"crc": ..., "sequence": 7}                                  over all above
    8c1f00aa {"sequence": 7, "marks": [[...], ...]}              appended: marks raised since, each
                                                                 line with a crc of its own

A line counts only if its crc is right, so a file that was torn while it was written, at whatever
byte, is no checkpoint, and a torn mark is no mark: it was not in force yet.  There are two such
files, written in turn (see `s4fw.process.checkpoints`).  What is believed: the newer whole
checkpoint, and the marks that were appended to it or to a later one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

VERSION = 1

Names = tuple[tuple[int, str | None], ...]
Key = tuple[str, int, int, Names]


class SavedCell(NamedTuple):
    """One cell by names: (dimension, text) of each value, None for the dimension's `other`."""

    budget: str
    kind: int
    start_s: int
    names: Names
    limit: int
    stated: int
    used: int
    charged: int
    accrued: int
    mark: int

    @property
    def key(self) -> Key:
        return (self.budget, self.kind, self.start_s, self.names)


class Head(NamedTuple):
    """What a checkpoint says apart from its cells."""

    sequence: int
    boot: str  # of the boot in which `offset_ns` was the accepted clock's
    offset_ns: int
    starts_s: tuple[int, ...]  # of the current windows: they never go back
    at_s: int
    is_clean: bool  # written by a stop in order: exact, nothing was in flight
    frozen: tuple[str | None, ...]  # budgets, None for everything


class Checkpoint(NamedTuple):
    """One whole checkpoint."""

    head: Head
    cells: tuple[SavedCell, ...]


class Marks(NamedTuple):
    """Cells whose marks were raised together, after the checkpoint of this sequence."""

    sequence: int
    cells: tuple[SavedCell, ...]


class Contents(NamedTuple):
    """What one file holds; `checkpoint` is None where it is torn, foreign or newer."""

    checkpoint: Checkpoint | None
    marks: tuple[Marks, ...]


def cell_lines(cells: Iterable[SavedCell]) -> bytes:
    """The lines of the cells; the same cells make the same bytes."""
    return b"".join(orjson.dumps(tuple(cell)) + b"\n" for cell in cells)


def document(head: Head, lines: bytes) -> bytes:
    """A whole checkpoint of cell lines made before."""
    told = {"s4fw": "checkpoint", "version": VERSION, **head._asdict()}
    above = orjson.dumps(told) + b"\n" + lines
    end = {"crc": zlib.crc32(above), "sequence": head.sequence}
    return above + orjson.dumps(end) + b"\n"


def marks_line(sequence: int, cells: Sequence[SavedCell]) -> bytes:
    """One line to append: all these marks, or none."""
    text = orjson.dumps({"sequence": sequence, "marks": [tuple(cell) for cell in cells]})
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read(data: bytes) -> Contents:
    """What a file holds; anything may stand in it."""
    lines = data.splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if line.startswith(b'{"crc"')), None)
    checkpoint = None if end is None else _checkpoint(lines[:end], lines[end])
    marks = (_marks(line) for line in lines if line[8:9] == b" ")
    return Contents(checkpoint, tuple(found for found in marks if found is not None))


def _checkpoint(above: list[bytes], last: bytes) -> Checkpoint | None:
    try:
        end, told = orjson.loads(last), orjson.loads(above[0])
        is_ours = told["s4fw"] == "checkpoint" and told["version"] == VERSION
        if not (is_ours and last.endswith(b"\n") and end["crc"] == zlib.crc32(b"".join(above))):
            return None
        if end["sequence"] != told["sequence"]:
            return None
        head = Head(**{name: told[name] for name in Head._fields})
        head = head._replace(starts_s=tuple(head.starts_s), frozen=tuple(head.frozen))
        return Checkpoint(head, tuple(_cell(orjson.loads(line)) for line in above[1:]))
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _marks(line: bytes) -> Marks | None:
    text = line[9:-1]
    try:
        if not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(text):
            return None
        told = orjson.loads(text)
        return Marks(told["sequence"], tuple(_cell(fields) for fields in told["marks"]))
    except (ValueError, KeyError, TypeError):
        return None


def _cell(fields: list[Any]) -> SavedCell:
    budget, kind, start_s, names, *amounts = fields
    return SavedCell(budget, kind, start_s, tuple((d, text) for d, text in names), *amounts)


def believed(files: Sequence[Contents]) -> Checkpoint | None:
    """The newest whole checkpoint of some files, its marks brought up to date; None: there is none.

    It is clean only when nothing speaks against it: no later mark, and no file that is torn.
    """
    whole = [contents.checkpoint for contents in files if contents.checkpoint is not None]
    if not whole:
        return None
    newest = max(whole, key=lambda one: one.head.sequence)
    later = [
        cell
        for contents in files
        for marks in contents.marks
        if marks.sequence >= newest.head.sequence
        for cell in marks.cells
    ]
    cells = {cell.key: cell for cell in newest.cells}
    for marked in later:
        known = cells.get(marked.key)
        if known is None:
            cells[marked.key] = marked
        elif marked.mark > known.mark:
            cells[marked.key] = known._replace(mark=marked.mark)
    is_clean = newest.head.is_clean and not later and len(whole) == len(files)
    return Checkpoint(newest.head._replace(is_clean=is_clean), tuple(cells.values()))
