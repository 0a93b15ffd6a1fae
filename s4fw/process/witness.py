"""What the master saw, told to the log and to the steward, which keeps the last events.

While there is no steward the events wait here; the oldest give way.  A steward that dies may not
have read what it was sent, so the next one gets the last events again, and what they add up to.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from s4fw.admin.facts import Event
from s4fw.ledger.table import Recovered

if TYPE_CHECKING:
    from s4fw.process.child import Child

log = logging.getLogger(__name__)

WORKER_EXIT, RECOVERY = "worker_exit", "recovery"
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "alarm": logging.ERROR}
_WAITING_MAX = 100
_TOLD_MAX = 100


class Witness:
    """The master's voice."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=_WAITING_MAX)
        self._told: deque[Event] = deque(maxlen=_TOLD_MAX)
        self._exits = 0  # of workers, as far as they were passed on
        self._recovered = 0  # leases, likewise
        self._steward: Child | None = None

    def say(self, kind: str, level: str, message: str, **fields: str | int) -> None:
        """Tell an event of now."""
        self.tell(Event(time.time_ns(), kind, level, message, fields))

    def tell(self, event: Event) -> None:
        # The sentence is ours, so it is the message itself and not an argument to be masked.
        log.log(LEVELS[event.level], event.message, extra=dict(event.fields))
        self._waiting.append(("event", event))
        self._pass_on()

    def say_draining(self) -> None:
        """The steward answers health checks: it must know before the first of them comes."""
        self._waiting.append(("draining",))
        self._pass_on()

    def seat(self, child: Child) -> None:
        """A child was born; the steward is the one that listens."""
        if child.kind.name == "steward":
            self._steward = child
            if self._told:
                child.sender.send(("past", self._exits, self._recovered, list(self._told)))
            self._pass_on()

    def unseat(self, child: Child) -> None:
        """A child died."""
        if child is self._steward:
            self._steward = None

    def recovered(self, slot: int, recovered: Recovered) -> None:
        """A dead slot was recovered; silent when it held nothing."""
        if not recovered.voided and not recovered.accrued:
            return
        self.say(
            RECOVERY,
            "alarm" if recovered.accrued else "warning",
            f"slot {slot} was recovered: {recovered.accrued} charged at worst case,"
            f" {recovered.voided} given back",
            slot=slot,
            accrued=recovered.accrued,
            voided=recovered.voided,
            amount_nusd=recovered.accrued_nusd,
        )

    def _pass_on(self) -> None:
        if self._steward is None:
            return
        while self._waiting:
            message = self._waiting.popleft()
            if message[0] == "event":
                self._note(message[1])
            self._steward.sender.send(message)

    def _note(self, event: Event) -> None:
        self._told.append(event)
        self._exits += event.kind == WORKER_EXIT
        self._recovered += recovered_in(event)


def recovered_in(event: Event) -> int:
    """How many leases a recovery resolved that an event tells of."""
    if event.kind != RECOVERY:
        return 0
    return sum(n for n in map(event.fields.get, ("accrued", "voided")) if isinstance(n, int))
