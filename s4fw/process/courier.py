"""Brings alerts to one place outside, in order, from a thread of its own that nobody waits for.

What cannot be brought now is tried again with growing pauses; what will never be taken is dropped
and said so.  The queue is bounded: the oldest give way.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

WAITING_MAX = 200
AGE_S_MAX = 24 * 3600
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)

Tell = Callable[[str, str, str], None]  # kind, level, sentence
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


class NotBrought(Exception):
    """It was not taken; the message is ours.  `is_hopeless`: it never will be."""

    def __init__(self, message: str, is_hopeless: bool = False) -> None:
        super().__init__(message)
        self.is_hopeless = is_hopeless


class Place(Protocol):
    """Where letters go."""

    name: str

    def bring(self, letter: Letter) -> None:
        """Bring one; bounded in time.  Raises NotBrought."""


class Courier:
    """The queue and the thread.  `tell` and `settled` are called in the thread."""

    def __init__(
        self, place: Place, tell: Tell, settled: Settled, pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        self._place = place
        self._tell = tell
        self._settled = settled
        self._pauses_s = pauses_s
        self._waiting: deque[Letter] = deque()
        self._lock = threading.Lock()
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._live, name=f"s4fw-{place.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def offer(self, letter: Letter) -> None:
        """Queue one; never waits."""
        dropped = None
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                dropped = self._waiting.popleft()
            self._waiting.append(letter)
        if dropped is not None:
            self._settled(dropped.id)
        self._has_work.set()

    def close(self, timeout_s: float) -> None:
        """Bring what waits, for a while, then stop; what is left is not settled."""
        end_s = time.monotonic() + timeout_s
        while self._waiting and not self._failures and time.monotonic() < end_s:
            time.sleep(0.02)
        self.abandon()
        if self._thread.is_alive():
            self._thread.join(max(0.0, end_s - time.monotonic()))

    def abandon(self) -> None:
        """Stop without waiting."""
        self._stopping.set()
        self._has_work.set()

    def _live(self) -> None:
        while not self._stopping.is_set():
            self._has_work.wait()
            self._has_work.clear()
            while self._waiting and not self._stopping.is_set():
                if not self._bring(self._waiting[0]):
                    pause_s = self._pauses_s[min(self._failures, len(self._pauses_s)) - 1]
                    # Instances that failed together must not come back together.
                    self._stopping.wait(pause_s * random.uniform(0.8, 1.2))

    def _bring(self, letter: Letter) -> bool:
        """Try one; False where it has to wait."""
        name = self._place.name
        try:
            self._place.bring(letter)
        except NotBrought as fault:
            is_old = time.time() - letter.at_s > AGE_S_MAX
            if not fault.is_hopeless and not is_old:
                self._failed(fault)
                return False
            self._tell("alert_dropped", "alarm", f"an alert was not taken by the {name}: {fault}")
        else:
            if self._failures:
                self._tell("alert_sent", "info", f"alerts reach the {name} again")
        self._failures = 0
        with self._lock:  # it may have been dropped meanwhile to make room
            if self._waiting and self._waiting[0] is letter:
                self._waiting.popleft()
        self._settled(letter.id)
        return True

    def _failed(self, fault: NotBrought) -> None:
        self._failures += 1
        if self._failures == 1:
            name = self._place.name
            self._tell("alert_waits", "warning", f"alerts for the {name} wait: {fault}")
