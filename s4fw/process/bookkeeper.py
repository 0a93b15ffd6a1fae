"""Empties the journal rings into the sums and the event log; `spend` has the theory."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol

from s4fw.admin.facts import Event
from s4fw.core.attribution import OTHER
from s4fw.ledger import journal
from s4fw.ledger.journal import JournalRow
from s4fw.ledger.table import Table
from s4fw.process.eventlog import BudgetOf, EventLog, is_told
from s4fw.process.spend import Spend, SpendFile, columns_of

log: Final = logging.getLogger(__name__)

# Of one slot: well below a millisecond, because a worker may want the core.
ROWS_AT_ONCE: Final = 128
WRITE_EACH_S: Final = 1.0
WRITE_SHARE: Final = 20  # at least this many times as long as a write took lies between two
# Rows of one slot: a quarter of its ring, then the file is written earlier.
UNWRITTEN_MAX: Final = 1024


class Ledger(Protocol):
    """Where every row is written down, too (`s4fw.process.scribe`)."""

    @property
    def is_behind(self) -> bool: ...
    def begin(self, table: str, tails: Sequence[int], heads: Sequence[int]) -> None: ...
    def note(self, row: JournalRow, names: Sequence[str | None]) -> None: ...
    def forget_names(self) -> None: ...
    def keep(self) -> bool: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...


class Habits(Protocol):
    """Who looks at every row for what is out of the ordinary (`s4fw.observe.habits`)."""

    def note(self, row: JournalRow, names: Sequence[str | None]) -> None: ...


class Bookkeeper:
    """One steward's books.  `turn` each 100 ms, `close` at the end."""

    def __init__(
        self,
        table: Table,
        file: SpendFile,
        table_id: str,
        events: EventLog,
        budget_of: BudgetOf,
    ) -> None:
        self.scribe: Ledger | None = None  # where a ledger is written, set before the first turn
        self.habits: Habits | None = None  # as the ledger
        self._table = table
        self._file = file
        self._table_id = table_id
        self._events = events
        self._budget_of = budget_of
        self._names: dict[int, str] = {}
        self._slots = len(table.slots())
        self._unwritten = [0] * self._slots
        self._write_at_s = 0.0
        self._can_write = True
        self._can_read = True
        self._is_open = False
        self.spend = Spend(self._slots, time.time_ns() // 10**9)

    def turn(self) -> bool:
        """Take what the workers published; write and free it when it is time.

        Says whether more is waiting, so that the next turn should come soon.
        """
        if not self._is_open and not self._open():
            return False
        taken = max(self._drain(slot) for slot in range(self._slots))
        if taken < ROWS_AT_ONCE:
            self.spend.outcomes.settle()
        if any(self._unwritten):
            is_due = time.monotonic() >= self._write_at_s
            if is_due or max(self._unwritten) >= UNWRITTEN_MAX:
                self._write()
        elif self.scribe is not None:
            self.scribe.rest()
        return taken == ROWS_AT_ONCE

    def forget_names(self) -> None:
        """Ids of values were freed and may mean others from now on."""
        self._names.clear()
        if self.scribe is not None:
            self.scribe.forget_names()

    def close(self) -> None:
        """The last look: write what is there, and let the next steward in."""
        if self._is_open:
            while self.turn():
                pass
            if any(self._unwritten):
                self._write()
            if self.scribe is not None:
                self.scribe.close()
        self._file.release()

    def _open(self) -> bool:
        if not self._file.take():
            return False
        now_s = time.time_ns() // 10**9
        try:
            self.spend, was_readable = self._file.read(self._table_id, self._slots, now_s)
        except OSError as fault:  # rows wait in their rings meanwhile
            if self._can_read:
                log.error("spend.json cannot be read: errno %d", fault.errno or 0)
                self._alarm("spend_unreadable", "spend.json cannot be read; rows wait")
            self._can_read = False
            return False
        for slot in range(self._slots):
            self._agree(slot)
        if self.scribe is not None and not self._begin_ledger(self.scribe):
            return False
        self._is_open = True
        if not was_readable:
            log.error("the sums of spend could not be read; they were set aside and begin anew")
            self._alarm("spend_unreadable", "spend.json could not be read; it was set aside")
        self._write()  # notes since when, and tells at once where it cannot be written
        return True

    def _begin_ledger(self, scribe: Ledger) -> bool:
        """Whether the ledger goes on where it ended; until it does, rows wait in their rings."""
        heads = [info.tail + info.ring_lag for info in self._table.slots()]
        try:
            scribe.begin(self._table_id, self.spend.tails, heads)
        except OSError as fault:
            if self._can_read:
                log.error("the ledger cannot be opened: errno %d", fault.errno or 0)
                self._alarm("ledger_full", "the ledger cannot be opened; rows wait")
            self._can_read = False
            return False
        return True

    def _agree(self, slot: int) -> None:
        """Begin at the ring's own tail where the file's position is not one of this ring."""
        try:
            self._table.drain(slot, self.spend.tails[slot], 1)
        except ValueError:
            self.spend.tails[slot] = self._table.slots()[slot].tail

    def _drain(self, slot: int) -> int:
        """Add up rows of one slot, those of the same values together; returns how many."""
        rows, tail = self._table.drain(slot, self.spend.tails[slot], ROWS_AT_ONCE)
        sums: dict[tuple[int, ...], list[int]] = {}
        named: dict[tuple[int, ...], list[str | None]] = {}
        scribe, spend, habits = self.scribe, self.spend, self.habits
        for row in journal.read(rows):
            columns = columns_of(row)
            if columns is not None:
                sum_of = sums.get(row.values)
                if sum_of is None:
                    sums[row.values] = list(columns)
                else:
                    for at, amount in enumerate(columns):
                        sum_of[at] += amount
            names = named.get(row.values)
            if names is None:
                names = named[row.values] = self._names_of(row.values)
            spend.tally.note(row, names)
            spend.outcomes.note(row, names)
            if habits is not None:
                habits.note(row, names)
            if is_told(row):
                self._events.note_row(row, names, self._budget_of)
            if scribe is not None:
                scribe.note(row, names)
        for values, total in sums.items():
            spend.add_columns(total, named[values])
        taken = tail - self.spend.tails[slot]
        self._unwritten[slot] += taken
        self.spend.tails[slot] = tail
        return taken

    def _names_of(self, values: tuple[int, ...]) -> list[str | None]:
        return [self._name(value_id) for value_id in values]

    @property
    def open_spend(self) -> Spend | None:
        """The sums, once those of earlier lives are among them."""
        return self.spend if self._is_open else None

    @property
    def is_behind(self) -> bool:
        """Whether rows wait for long: what their ids mean must be kept until they are written."""
        return self.scribe is not None and self.scribe.is_behind

    def text_of(self, value_id: int) -> str | None:
        """The text of a value id, None for 0."""
        return self._name(value_id)

    def _name(self, value_id: int) -> str | None:
        if not value_id:
            return None
        name = self._names.get(value_id)
        if name is None:
            try:
                name = self._table.value(value_id)[1].decode()
            except KeyError:  # swept away while its row waited for hours: the money still counts
                name = OTHER
            self._names[value_id] = name
        return name

    def _write(self) -> None:
        """The ledger, the file, then the room: a death in between repeats nothing."""
        started_s = time.monotonic()
        if self.scribe is not None and not self.scribe.keep():
            self._write_at_s = started_s + WRITE_EACH_S
            return
        try:
            self._file.write(self.spend, self._table_id)
        except OSError as fault:
            self._write_at_s = started_s + WRITE_EACH_S
            if self._can_write:
                log.error("spend.json cannot be written: errno %d", fault.errno or 0)
                self._alarm("spend_unwritable", "spend.json cannot be written; rows wait")
            self._can_write = False
            return
        self._can_write = True
        for slot, count in enumerate(self._unwritten):
            if count:
                self._table.advance_tail(slot, self.spend.tails[slot])
                self._unwritten[slot] = 0
        took_s = time.monotonic() - started_s
        self._write_at_s = started_s + max(WRITE_EACH_S, WRITE_SHARE * took_s)

    def _alarm(self, kind: str, message: str) -> None:
        self._events.note(Event(time.time_ns(), kind, "alarm", message))
