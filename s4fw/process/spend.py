"""Sums of spend by any dimension, exact over kill -9: the journal rings are their write-ahead log.

Theory of operation.  Workers publish journal rows in rings of the shared table; the steward copies
them out and adds them up here.  A row's room is given back (`advance_tail`) only after the sums
that contain it, together with the ring positions they reach to, stand in `spend.json`.  The file is
replaced whole.  So after any death the file says exactly which rows it contains, and the next
steward goes on from there: each row counts once.

The positions mean nothing for another table; each table has an identity, and the sums of a former
table stay while its positions are dropped.  Two stewards never do this at once (a lock file): the
one of a draining master goes on until its successor's takes over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from s4fw.admin.facts import Cost
from s4fw.core.attribution import DIMENSIONS, OTHER
from s4fw.core.reason import Reason
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.observe.outcomes import Outcomes
from s4fw.observe.tally import Tally
from s4fw.process.rundir import write_whole

_VERSION: Final = 1
_MONEY: Final = (Kind.SETTLE, Kind.RECOVER, Kind.CORRECT)
# Columns of one value's sums, in this order in the file.
_SPENT, _ACCRUED, _REQUESTS, _BLOCKED, _IN, _CACHED, _OUT = range(7)
_COLUMNS: Final = 7

# Sessions come and go for ever; the file is written each second and must stay a few megabytes.
VALUES_MAX: Final = 20_000


class Spend:
    """The sums in memory, and the ring positions they reach to.  `since_s` is wall clock."""

    def __init__(self, slots: int, since_s: int) -> None:
        self.since_s = since_s
        self.tails = [0] * slots
        self.tally = Tally()
        self.outcomes = Outcomes()
        self._sums: dict[str, dict[str, list[int]]] = {name: {} for name in DIMENSIONS}

    def add(self, row: JournalRow, names: Iterable[str | None]) -> None:
        """Add one row; `names` are its values by dimension, None where it has none."""
        columns = columns_of(row)
        if columns is not None:
            self.add_columns(columns, names)

    def add_columns(self, columns: Sequence[int], names: Iterable[str | None]) -> None:
        """Add what one row, or many of the same values, came to."""
        for dimension, value in zip(DIMENSIONS, names, strict=True):
            if value is None:
                continue
            of_dimension = self._sums[dimension]
            sums = of_dimension.pop(value, None) or [0] * len(columns)
            of_dimension[value] = sums  # at the end: the order tells which was idle longest
            for at, amount in enumerate(columns):
                sums[at] += amount
            if len(of_dimension) > VALUES_MAX:
                _fold(of_dimension)

    def costs(self, dimension: str) -> list[Cost]:
        """What each value of a dimension cost."""
        return [
            Cost(value, s[_SPENT], s[_ACCRUED], s[_REQUESTS], s[_BLOCKED], s[_IN], s[_CACHED],
                 s[_OUT])
            for value, s in self._sums[dimension].items()
        ]  # fmt: skip

    def document(self, table: str) -> bytes:
        """The sums and positions as they stand in the file; `table` is its identity."""
        return orjson.dumps(
            {
                "version": _VERSION,
                "table": table,
                "since_s": self.since_s,
                "tails": self.tails,
                "sums": self._sums,
                "tally": self.tally.document(),
                "outcomes": self.outcomes.document(),
            }
        )

    @classmethod
    def read(cls, document: bytes, table: str, slots: int) -> Spend:
        """The sums of an earlier life.  Raises ValueError or KeyError when it is no document."""
        loaded = orjson.loads(document)
        if loaded["version"] != _VERSION:
            raise ValueError(f"version {loaded['version']}")
        spend = cls(slots, int(loaded["since_s"]))
        spend.tally = Tally.read(loaded.get("tally"))
        spend.outcomes = Outcomes.read(loaded.get("outcomes"))
        if loaded["table"] == table:
            spend.tails = [int(tail) for tail in loaded["tails"]]
        for name in DIMENSIONS:
            spend._sums[name] = {v: [int(n) for n in s] for v, s in loaded["sums"][name].items()}
        return spend


def _fold(of_dimension: dict[str, list[int]]) -> None:
    """Add the values that were idle longest to `other`, a quarter at a time: no sum is lost."""
    others = of_dimension.pop(OTHER, [0] * _COLUMNS)
    for value in list(islice(of_dimension, VALUES_MAX // 4)):
        for at, amount in enumerate(of_dimension.pop(value)):
            others[at] += amount
    of_dimension[OTHER] = others


def columns_of(row: JournalRow) -> tuple[int, int, int, int, int, int, int] | None:
    """What a row adds to each of its values; None for rows that are no exchange."""
    if row.kind is Kind.BLOCK:
        return (0, 0, 0, 1, 0, 0, 0)
    if row.kind not in _MONEY:
        return None
    is_exchange = row.kind is not Kind.CORRECT and row.reason is not Reason.NOT_SENT
    if row.kind is Kind.RECOVER and not row.charged_nusd:
        return None  # given back: nothing was sent
    uncached, cached, write_5m, write_1h, write_other, output, _, audio = row.tokens
    spent, accrued = row.charged_nusd, 0
    if row.is_accrued:
        spent, accrued = 0, row.charged_nusd
    total_in = uncached + cached + write_5m + write_1h + write_other
    return (spent, accrued, int(is_exchange), 0, total_in, cached, output + audio)


class SpendFile:
    """The file and the right to write it: one steward at a time."""

    def __init__(self, state: Path) -> None:
        self._path = state / "spend.json"
        self._fd = os.open(state / "spend.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.is_ours = False

    def take(self) -> bool:
        """Try to become the one; True when it is ours now."""
        if not self.is_ours:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.is_ours = True
        return True

    def read(self, table: str, slots: int, now_s: int) -> tuple[Spend, bool]:
        """The sums so far, and whether the file made sense (a missing one does).

        One that makes none is set aside.  Raises OSError where it cannot be looked at just now:
        that says nothing against what stands in it.
        """
        try:
            return Spend.read(self._path.read_bytes(), table, slots), True
        except FileNotFoundError:
            return Spend(slots, now_s), True
        except (ValueError, KeyError, TypeError, AttributeError):
            self._set_aside(now_s)
            return Spend(slots, now_s), False

    def write(self, spend: Spend, table: str) -> None:
        """Replace the file.  Raises OSError; the sums in memory stay right all the same."""
        assert self.is_ours
        write_whole(self._path, spend.document(table))

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._fd)
        self.is_ours = False

    def _set_aside(self, now_s: int) -> None:
        """Keep what cannot be read for a person to look at: it is somebody's money."""
        if self._path.exists():
            os.replace(self._path, self._path.with_name(f"spend.json.unreadable-{now_s}"))
