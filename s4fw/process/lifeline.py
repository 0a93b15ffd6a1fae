"""What every child does beside its work: beat, hear its master, and notice when it is gone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from s4fw.process.control import Receiver
from s4fw.process.seat import BEAT_S, Seat


class Lifeline:
    """The beat and the control channel on a child's loop.

    `heard` gets each message.  `ended` is called when this child shall finish: with each SIGTERM,
    and with True when the master died.  The beat comes from the loop itself, so a loop that is
    stuck stops beating.
    """

    def __init__(
        self,
        seat: Seat,
        loop: asyncio.AbstractEventLoop,
        heard: Callable[[tuple[Any, ...]], None],
        ended: Callable[[bool], None],
        each_beat: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._table = seat.estate.table
        self._receiver = Receiver(seat.control)
        self._heard = heard
        self._ended = ended
        self._each_beat = each_beat
        loop.add_signal_handler(signal.SIGTERM, ended, False)
        loop.add_reader(seat.control.fileno(), self._read)
        self._beat()

    def _beat(self) -> None:
        self._table.beat()
        self._each_beat()
        self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _read(self) -> None:
        for message in self._receiver.read():
            self._heard(message)
        if self._receiver.is_at_end:
            self._loop.remove_reader(self._receiver.socket.fileno())
            self._ended(True)
