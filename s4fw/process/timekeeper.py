"""Publishes the accepted clock in the table, once a second, and tells when it is in doubt."""

from __future__ import annotations

import time

from s4fw.ledger.table import Table
from s4fw.ledger.window import KINDS, start_of
from s4fw.process.clock import SECOND_NS, AcceptedClock, boot_ns
from s4fw.process.witness import Witness

ORDER = "clock.accept"  # a file in the runtime directory: who may write there may say so


class Timekeeper:
    """The master's side of the clock; `s4fw.process.clock` has the theory and the decisions.

    `is_same_boot`: the offset in the table is of this boot, so it stays in force.
    """

    def __init__(self, table: Table, witness: Witness, is_same_boot: bool) -> None:
        self._table = table
        self._witness = witness
        offset_ns, self._starts_s = table.clock()
        # A table that was just made has no offset yet.
        kept_ns = offset_ns if is_same_boot and offset_ns else None
        self._clock = AcceptedClock(time.time_ns(), boot_ns(), kept_ns)
        self._was_doubted = False
        self._order = table.path.with_name(ORDER)
        self._order.unlink(missing_ok=True)  # of an earlier doubt

    def publish(self) -> None:
        """Look at both clocks and publish: the offset as decided, the starts never back."""
        if self._was_doubted and self._is_ordered():
            self._accept()
        reading = self._clock.look(time.time_ns(), boot_ns())
        now_s = (boot_ns() + reading.offset_ns) // SECOND_NS
        fresh = (start_of(kind, now_s) for kind in KINDS)
        self._starts_s = tuple(max(a, b) for a, b in zip(self._starts_s, fresh, strict=True))
        self._table.publish_clock(reading.offset_ns, self._starts_s)
        if reading.is_doubted and not self._was_doubted:
            self._doubt(reading.ahead_ns // SECOND_NS)
        self._was_doubted = reading.is_doubted

    def _is_ordered(self) -> bool:
        """Whether a person said that the wall clock is right: see `s4fw clock accept`."""
        try:
            self._order.unlink()
        except FileNotFoundError:
            return False
        return True

    def _accept(self) -> None:
        ahead_ns = self._clock.look(time.time_ns(), boot_ns()).ahead_ns
        if ahead_ns <= 0:
            return  # budgets do not go back
        self._clock.accept(time.time_ns(), boot_ns())
        ahead_s = ahead_ns // SECOND_NS
        self._witness.say(
            "clock", "warning", f"{ahead_s} s of the wall clock's step were accepted by order",
            ahead_s=ahead_s,
        )  # fmt: skip

    def _doubt(self, ahead_s: int) -> None:
        if ahead_s > 0:
            how = f"jumped {ahead_s} s ahead; budgets follow it once it stood there for"
            how += " 10 minutes, or by `s4fw clock accept`"
        else:
            how = f"is {-ahead_s} s behind; budgets do not go back"
        self._witness.say("clock", "alarm", f"the wall clock {how}", ahead_s=ahead_s)
