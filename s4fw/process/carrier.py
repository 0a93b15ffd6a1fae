"""Carries items to somewhere outside, in order, from a thread of its own that nobody waits for.

What cannot be taken now is tried again with growing pauses; the queue is bounded, and when it is
full the oldest gives way.  What is carried, and what is said of it, is its heirs' business.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Refused(Exception):
    """An item was not taken; the message is safe to log.  `is_hopeless`: it never will be."""

    def __init__(self, message: str, is_hopeless: bool = False) -> None:
        super().__init__(message)
        self.is_hopeless = is_hopeless


class Carrier(Generic[T]):
    """The queue and the thread.  `_carry`, `_gave_way` and `_begin` are called by the thread or
    by who offers."""

    def __init__(self, thread: str, waiting_max: int, pauses_s: tuple[float, ...]) -> None:
        self._waiting_max = waiting_max
        self._pauses_s = pauses_s
        self._waiting: deque[T] = deque()
        self._lock = threading.Lock()
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0  # of the oldest, one after the other
        self._thread = threading.Thread(target=self._live, name=thread, daemon=True)

    def _carry(self, item: T) -> bool:
        """Try one; False where it has to wait, and `_failures` has grown."""
        raise NotImplementedError

    def _gave_way(self, item: T) -> None:
        """The oldest was dropped to make room."""

    def _begin(self) -> None:
        """The first that the thread does."""

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def offer(self, item: T) -> None:
        """Queue one; never waits."""
        dropped = []
        with self._lock:
            if len(self._waiting) >= self._waiting_max:
                dropped.append(self._waiting.popleft())
            self._waiting.append(item)
        for one in dropped:
            self._gave_way(one)
        self._has_work.set()

    def close(self, timeout_s: float) -> None:
        """Carry what waits, for a while, then stop."""
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
        self._begin()
        while not self._stopping.is_set():
            self._has_work.wait()
            self._has_work.clear()
            while self._waiting and not self._stopping.is_set():
                item = self._waiting[0]
                if self._carry(item):
                    continue
                pause_s = self._pauses_s[min(self._failures, len(self._pauses_s)) - 1]
                # Instances that failed together must not come back together.
                self._stopping.wait(pause_s * random.uniform(0.8, 1.2))

    def _over(self, item: T) -> None:
        """It was taken, or never will be; it may have been dropped meanwhile to make room."""
        with self._lock:
            if self._waiting and self._waiting[0] is item:
                self._waiting.popleft()
