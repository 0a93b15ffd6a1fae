"""The two checkpoint files, written in turn: whatever tears one, the other is whole.

Theory of operation.  `checkpoint.a` and `checkpoint.b` lie in the state directory, on a disk that
survives the machine.  A checkpoint replaces the older of the two and counts once it is synced;
until then the newer one does.  Marks are appended to the newer one and synced before anybody may
spend up to them.  What the lines mean stands in `s4fw.ledger.checkpoint`.

A checkpoint that could not be synced may still reach the disk, or not.  So its sequence is used up
by the try: marks appended afterwards count for it and for the one before.

One process writes, the one that holds `checkpoint.lock`: the steward while the firewall runs, the
master before it forks and after its children are gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from s4fw.ledger import checkpoint
from s4fw.ledger.checkpoint import Checkpoint, Contents, Head, SavedCell

NAMES = ("checkpoint.a", "checkpoint.b")


class CheckpointsDamaged(Exception):
    """There are files and none is a checkpoint of ours; the message is a sentence."""


def found(state: Path) -> Checkpoint | None:
    """What the files say; None where there are none.  Raises CheckpointsDamaged, OSError."""
    files = [contents for contents in map(_read, _paths(state)) if contents is not None]
    believed = checkpoint.believed(files)
    if believed is None and files:
        raise CheckpointsDamaged(
            f"neither {NAMES[0]} nor {NAMES[1]} in {state} can be read: they are torn, foreign, or"
            " of a newer version, so what was spent is not known; they were not touched"
        )
    return believed


def _paths(state: Path) -> list[Path]:
    return [state / name for name in NAMES]


def _read(path: Path) -> Contents | None:
    try:
        return checkpoint.read(path.read_bytes())
    except FileNotFoundError:
        return None


class CheckpointFiles:
    """The right to write them, and where.  All writing may happen in a thread, one call at a time.

    A file is only ever appended to by the one that wrote it: the first thing to do is `write`.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._paths = _paths(state)
        self._lock = -1
        self._current = -1  # which of the two is the newer whole one; -1: not looked yet
        self.sequence = 0

    @property
    def is_ours(self) -> bool:
        return self._lock >= 0

    def take(self) -> bool:
        """Try to become the one that writes; True when we are."""
        if self.is_ours:
            return True
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._state / "checkpoint.lock", flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._lock = fd
        self._look()
        return True

    def release(self) -> None:
        """Let the next one write."""
        if self.is_ours:
            os.close(self._lock)
            self._lock = -1

    def _look(self) -> None:
        """Find the newer whole file: the other one is the next to be written."""
        sequences = [-1, -1]
        for at, contents in enumerate(map(_read, self._paths)):
            if contents is not None and contents.checkpoint is not None:
                sequences[at] = contents.checkpoint.head.sequence
        self.sequence = max(0, *sequences)
        self._current = 0 if sequences[0] >= sequences[1] else 1
        if self.sequence:  # its writer may have died before it was synced
            _sync(self._paths[self._current], os.O_WRONLY)

    def write(self, head: Head, lines: bytes) -> None:
        """Replace the older file and sync it.  Raises OSError; then the newer one still counts."""
        assert self.is_ours
        target = 1 - self._current
        self.sequence += 1
        head = head._replace(sequence=self.sequence)
        is_new = not self._paths[target].exists()
        self._put(target, checkpoint.document(head, lines), os.O_CREAT | os.O_TRUNC)
        if is_new:
            _sync(self._state, os.O_RDONLY | os.O_DIRECTORY)  # its name, too
        self._current = target

    def append(self, cells: Sequence[SavedCell]) -> None:
        """Write down raised marks and sync them.  Raises OSError; then none of them may be used."""
        assert self.is_ours
        # A torn line of a try that failed must not swallow this one: both start on a line.
        line = b"\n" + checkpoint.marks_line(self.sequence, cells)
        self._put(self._current, line, os.O_APPEND)

    def _put(self, at: int, data: bytes, flags: int) -> None:
        fd = os.open(self._paths[at], os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
            os.fdatasync(fd)
        finally:
            os.close(fd)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
