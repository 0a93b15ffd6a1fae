"""Rows of the ledger as CSV, JSON lines and Parquet: one flat record each, amounts in nano-USD."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any

from s4fw.ledger.lines import FIGURES
from s4fw.ledger.rebuild import Row, Window

FORMATS = ("csv", "json", "parquet")
COLUMNS = (*FIGURES, "budgets", "why", "first", "last", "rows")
TOKENS_IN = (
    "uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_30m",
    "cache_write_12h", "audio_input",
)  # fmt: skip
_TEXT = frozenset({
    "kind", "at", "id", "decision", "code", "reason", "loop", "key", "tenant", "feature",
    "customer", "agent", "session", "model", "provider", "tier", "prices", "tool_names", "budgets",
    "why",
})  # fmt: skip
_FLAGS = frozenset({"accrued", "stream", "client_gone"})
# What a spreadsheet may take for a formula at the start of a cell (owasp.org, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROLS = ("\t", "\r", "\n")
_BLANK = " \t\r\n\v\f\u00a0\u2007\u202f\u200b\u3000\ufeff"  # what may be dropped before it

ROWS_AT_ONCE = 20_000  # of one row group of a Parquet file


def flat(row: Row) -> dict[str, Any]:
    """A row with its budgets as text; what it does not say is left out."""
    record = dict(row.content)
    if row.windows:
        record["budgets"] = ";".join(map(_named, row.windows))
    return record


def _named(window: Window | None) -> str:
    if window is None:
        return "?"
    scope = ",".join(f"{name}={value}" for name, value in window.scope)
    return f"{window.budget}{{{scope}}}" if scope else window.budget


def has_parquet() -> bool:
    return find_spec("pyarrow") is not None


def write(rows: Iterable[Row], form: str, target: IO[str] | Path) -> int:
    """Write them all; returns how many."""
    records = map(flat, rows)
    if form == "parquet":
        assert isinstance(target, Path)
        return _write_parquet(records, target)
    assert not isinstance(target, Path)
    return _write_csv(records, target) if form == "csv" else _write_json(records, target)


def _write_csv(records: Iterable[dict[str, Any]], target: IO[str]) -> int:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for record in records:
        writer.writerow([safe(record.get(name)) for name in COLUMNS])
        count += 1
    return count


def safe(value: Any) -> Any:
    """A value that no spreadsheet runs: text that looks like a formula gets a quote in front."""
    if value is True:
        return "true"
    if isinstance(value, str) and (
        value.startswith(_CONTROLS) or value.lstrip(_BLANK).startswith(_FORMULA)
    ):
        return "'" + value
    return value


def _write_json(records: Iterable[dict[str, Any]], target: IO[str]) -> int:
    count = 0
    for record in records:
        target.write(json.dumps(record, ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_parquet(records: Iterator[dict[str, Any]], target: Path) -> int:
    # Only here: most need no 200 MB more.
    import pyarrow
    import pyarrow.parquet

    def type_of(name: str) -> Any:
        if name in _TEXT:
            return pyarrow.string()
        return pyarrow.bool_() if name in _FLAGS else pyarrow.int64()

    schema = pyarrow.schema([(name, type_of(name)) for name in COLUMNS])
    count = 0
    with pyarrow.parquet.ParquetWriter(target, schema) as writer:
        while batch := list(islice(records, ROWS_AT_ONCE)):
            columns = {name: [record.get(name) for record in batch] for name in COLUMNS}
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(batch)
    return count
