"""What the master saw, told to the log and to the steward, which keeps the last events.

While there is no steward the events wait here; the oldest give way.
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

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "alarm": logging.ERROR}
_WAITING_MAX = 100


class Witness:
    """The master's voice."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=_WAITING_MAX)
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
            "recovery",
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
            self._steward.sender.send(self._waiting.popleft())
