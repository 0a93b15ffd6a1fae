"""How parts of a process say what happened: an event for operators, also from a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

Tell = Callable[[str, str, str], None]  # kind, level, sentence
Ts = TypeVarTuple("Ts")


def from_thread(
    loop: asyncio.AbstractEventLoop, call: Callable[[*Ts], None]
) -> Callable[[*Ts], None]:
    """A function to be called in a thread, which lets the loop call `call`."""

    def later(*arguments: *Ts) -> None:
        try:
            loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: the steward has ended
            return

    return later
