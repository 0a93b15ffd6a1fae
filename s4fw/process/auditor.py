"""Audits the table in chunks: what cells hold must equal what the leases say.  Always."""

from __future__ import annotations

import logging
import time

from s4fw.admin.facts import Event
from s4fw.ledger.table import Table, TableBusy
from s4fw.process.eventlog import EventLog

log = logging.getLogger(__name__)

CELLS_AT_ONCE = 1024  # under the lock: about 1 us for each open lease of the table


class Auditor:
    """Goes round the table; `look` is one chunk.  The table itself freezes what does not add up."""

    def __init__(self, table: Table, cells_max: int, events: EventLog) -> None:
        self._table = table
        self._cells_max = cells_max
        self._events = events
        self._at = 0
        self.passes = 0
        self.mismatches = 0

    def look(self) -> None:
        """Audit the next chunk."""
        try:
            found = self._table.audit(self._at, CELLS_AT_ONCE)
        except TableBusy:
            return
        for mismatch in found:
            self.mismatches += 1
            log.critical("audit: cell %d does not add up; its budget is frozen", mismatch.index)
            message = "a cell does not equal the sum of its leases; its budget is frozen"
            fields: dict[str, str | int] = {"cell": mismatch.index}
            self._events.note(Event(time.time_ns(), "audit", "alarm", message, fields))
        self._at += CELLS_AT_ONCE
        if self._at >= self._cells_max:
            self._at = 0
            self.passes += 1
