"""One master for each runtime directory: an flock on `master.lock`, with the owner's pid inside.

The kernel drops the lock when its owner dies, so a stale file never blocks a start.  A draining
master gives the lock up while its workers still finish; the pid in the file then tells it whether
a successor has come.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from s4fw.process.exitcode import ANOTHER_MASTER, Stop


class MasterLock:
    """The lock, held from construction until `release`.  Raises Stop where another has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _take(path)

    @property
    def is_held(self) -> bool:
        return self._fd >= 0

    def release(self) -> None:
        """Let a successor in.  Also for children: a copy of the descriptor would keep the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def has_successor(self) -> bool:
        """Whether another master took the lock after it was released here."""
        return not self.is_held and _pid_in(self._path) not in (None, os.getpid())

    def take_again(self) -> bool:
        """At the end of a drain: whether nobody came, so that the table is still ours to mark."""
        if self.has_successor():
            return False
        try:
            self._fd = _take(self._path)
        except Stop:
            return False
        return True


def _take(path: Path) -> int:
    # Never truncated at open: a refused second master must not erase the first one's pid.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(fd)
        owner = _pid_in(path) or "unknown"
        sentence = f"another master (pid {owner}) runs in {path.parent}"
        raise Stop(ANOTHER_MASTER, sentence) from fault
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _pid_in(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
