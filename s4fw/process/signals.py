"""Signals as a queue: handlers only enqueue, the loop decides (gunicorn's arbiter taught this)."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Iterable
from typing import Any

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# A terminal that closes must not kill a firewall in mid-stream by an unhandled default.
IGNORED = (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


class SignalQueue:
    """The signals of this process, in the order of arrival, waited for together with sockets."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _enqueued)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def wait(self, timeout_s: float, writers: Iterable[socket.socket] = ()) -> list[int]:
        """Wait for a signal, a writable socket or the timeout; returns the signals, maybe none.

        Reloads that came together are one, the last: each would read the same file, and what came
        with them would wait for all.
        """
        writable = list(writers)
        ready, _, _ = select.select([self._read], writable, [], max(0.0, timeout_s))
        if not ready:
            return []
        try:
            numbers = list(self._read.recv(4096))
        except BlockingIOError:
            return []
        surplus = max(0, numbers.count(signal.SIGHUP) - 1)
        for _ in range(surplus):
            numbers.remove(signal.SIGHUP)
        return numbers

    def close(self) -> None:
        """Give up the queue.  The process is about to end: signals to end it have no effect now."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else signal.SIG_IGN)
        self._read.close()
        self._write.close()


def _enqueued(_number: int, _frame: Any) -> None:
    """The byte is already in the wakeup socket: nothing else happens inside a handler."""
