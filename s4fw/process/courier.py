"""Brings alerts to one place outside.

What cannot be brought now is tried again; what will never be taken, or is too old to matter, is
dropped and said so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from s4fw.process.carrier import Carrier, Refused
from s4fw.process.tell import Tell

WAITING_MAX = 200
AGE_S_MAX = 24 * 3600
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)

Settled = Callable[[str], None]  # the id of what was brought or dropped


@dataclass(frozen=True, slots=True)
class Letter:
    """One alert as it is sent.  `at_s` is when it was found, wall clock; `body` is JSON."""

    id: str
    at_s: int
    kind: str
    level: str
    title: str
    body: bytes


class NotBrought(Refused):
    """A letter was not taken; the message is ours."""


class Place(Protocol):
    """Where letters go."""

    name: str

    def bring(self, letter: Letter) -> None:
        """Bring one; bounded in time.  Raises NotBrought."""


class Courier(Carrier[Letter]):
    """The way to one place.  `tell` and `settled` are called in the thread; what is left when it
    closes is not settled."""

    def __init__(
        self, place: Place, tell: Tell, settled: Settled, pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        super().__init__(f"s4fw-{place.name}", WAITING_MAX, pauses_s)
        self._place = place
        self._tell = tell
        self._settled = settled

    def _gave_way(self, item: Letter) -> None:
        self._settled(item.id)

    def _carry(self, item: Letter) -> bool:
        name = self._place.name
        try:
            self._place.bring(item)
        except NotBrought as fault:
            is_old = time.time() - item.at_s > AGE_S_MAX
            if not fault.is_hopeless and not is_old:
                self._failed(fault)
                return False
            self._tell("alert_dropped", "alarm", f"an alert was not taken by the {name}: {fault}")
        else:
            if self._failures:
                self._tell("alert_sent", "info", f"alerts reach the {name} again")
        self._failures = 0
        self._over(item)
        self._settled(item.id)
        return True

    def _failed(self, fault: NotBrought) -> None:
        self._failures += 1
        if self._failures == 1:
            name = self._place.name
            self._tell("alert_waits", "warning", f"alerts for the {name} wait: {fault}")
