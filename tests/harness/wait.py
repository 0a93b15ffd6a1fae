"""Waiting for something to become true, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, *, timeout_s: float = 5.0) -> T:
    """Ask until the answer is true and return it; fails with `what` when time is over."""
    end = time.monotonic() + timeout_s
    pause_s = 0.005
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what} (last answer: {answer!r})")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
