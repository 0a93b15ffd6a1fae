"""The ledger's files: one segment that is appended to, and those before it.

Theory of operation.  There is one writer: the steward that holds the lock of the books.  A batch of
lines is appended with one write; after a death the last line may be torn, so the file is cut behind
the last line that is whole and chained, and everything before it counts.  Nothing else is ever
changed in place.  A segment ends with a seal; the next one begins with a head that repeats the last
digest.  A death between the two leaves a sealed segment without successor: then the next steward
begins the successor.  Packing and sending is another's work (`shipper`), with sealed files only.

Files are synced when they are sealed.  So the death of any process loses nothing, the death of the
machine at most the last segment's unwritten lines; the counter table is in memory then, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s4fw.ledger import chain, segments
from s4fw.ledger.segments import Line
from s4fw.observe.times import rfc3339_ms
from s4fw.process.rundir import write_whole

SEGMENT_BYTES = 8 << 20
SEGMENT_BYTES_MIN = 16 << 10
_CHAIN_FILE = "chain.id"


class SpoolFull(Exception):
    """The bound of the directory is reached, and nothing in it is stored elsewhere."""


class Spool:
    """The directory.  `open` first; `number` is the segment that is written, 0 before `begin`."""

    def __init__(self, directory: Path, signer: chain.Signer) -> None:
        self.directory = directory
        self.number = 0
        self.chain_id = ""
        self.max_bytes = 1 << 40
        self.rotate_s = 300.0
        self._signer = signer
        self._fd = -1
        self._size = 0  # of the open segment
        self._began_s = 0.0
        self._writer = chain.Writer(chain.ORIGIN)
        self._rows = 0  # lines of the open segment beside its head
        self._bytes = 0  # of the whole directory
        self._sent_bytes = 0  # of these, what is stored elsewhere and may go

    def __repr__(self) -> str:
        return f"<Spool {self.directory} segment {self.number} of {self._size} bytes>"

    # -- beginning

    def open(self) -> list[Line]:
        """Look at what is there, cut a torn end off, and return the lines of the newest segment.

        Raises OSError.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / segments.SENT).mkdir(mode=0o700, exist_ok=True)
        self._sweep_leftovers()
        self._know_chain()
        files = segments.files_in(self.directory)
        if not files:
            self._forget_chain()
            return []
        newest = next(file for file in files if file.number == files[-1].number)
        try:
            data = segments.read(newest)
        except ValueError:
            data = b""
        lines = segments.whole_prefix(data)
        if not lines or lines[0].content.get("chain") != self.chain_id:
            self._forget_chain()  # what is there is kept, and speaks for itself
            for file in files:
                self._set_aside(file.path)
            return []
        self._writer = chain.Writer(lines[-1].digest, len(lines))
        self.number = newest.number
        if lines[-1].content["kind"] != "seal" and not newest.is_packed:
            self._reopen(newest.path, data, lines)
        self.measure()
        return lines

    def _reopen(self, path: Path, data: bytes, lines: Sequence[Line]) -> None:
        end = lines[-1].end
        if end < len(data):
            if b"\n" in data[end:-1]:  # more than a torn line: keep it for people to look at
                write_whole(path.with_name(f"{path.name}.torn-{time.time_ns()}"), data[end:])
            os.truncate(path, end)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size, self._rows = end, len(lines) - 1
        self._began_s = time.monotonic()

    def _know_chain(self) -> None:
        path = self.directory / _CHAIN_FILE
        if path.exists():
            self.chain_id = path.read_text()
        if not self.chain_id:
            self._forget_chain()

    def _forget_chain(self) -> None:
        """Begin another chain: of this one nothing is left that could be continued."""
        self.chain_id = secrets.token_hex(8)
        write_whole(self.directory / _CHAIN_FILE, self.chain_id.encode())
        self.number, self._writer = 0, chain.Writer(chain.ORIGIN)

    def _set_aside(self, path: Path) -> None:
        place = self.directory / f"aside-{time.time_ns()}"
        place.mkdir(mode=0o700, exist_ok=True)
        os.replace(path, place / path.name)

    def _sweep_leftovers(self) -> None:
        for path in self.directory.glob("*.new"):
            path.unlink()

    # -- writing

    @property
    def is_open(self) -> bool:
        """Whether a segment is being written."""
        return self._fd >= 0

    @property
    def is_due(self) -> bool:
        """Whether the open segment should be sealed: it is long, or old; never when it is empty."""
        if not self._rows or self._fd < 0:
            return False
        limit = max(SEGMENT_BYTES_MIN, min(SEGMENT_BYTES, self.max_bytes // 8))
        is_old = time.monotonic() - self._began_s >= self.rotate_s
        return is_old or self._size >= limit

    @property
    def has_rows(self) -> bool:
        return self._rows > 0

    @property
    def first_open(self) -> int:
        """The first segment that may still be written: those before it are another's work."""
        return self.number if self._fd >= 0 else self.number + 1

    def begin(self, table: str, after: Mapping[int, int]) -> None:
        """Start the next segment; `after` are the numbers of the last rows before it, by slot.

        Raises OSError, and then there is no new segment.
        """
        assert self._fd < 0
        number = self.number + 1
        content: dict[str, Any] = {
            "schema": chain.SCHEMA,
            "chain": self.chain_id,
            "segment": number,
            "prev": chain.text_of(self._writer.digest),
            "at": rfc3339_ms(time.time_ns()),
            "table": table,
            "after": {str(slot): seq for slot, seq in sorted(after.items()) if seq},
            "key": self._signer.public.hex(),
        }
        writer = chain.Writer(self._writer.digest)
        head = writer.add(chain.signed("head", content, self._signer))
        path = self.directory / segments.open_name(number)
        write_whole(path, head)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self.number, self._writer, self._size, self._rows = number, writer, len(head), 0
        self._began_s = time.monotonic()
        self._bytes += len(head)

    def append(self, bodies: Sequence[bytes]) -> None:
        """Add lines, all or none.  Raises SpoolFull, OSError."""
        writer = self._writer.copy()
        data = b"".join(map(writer.add, bodies))
        if self._bytes + len(data) > self.max_bytes:
            self._make_room(len(data))
        self._write(data)
        self._writer = writer
        self._rows += len(bodies)

    def _write(self, data: bytes) -> None:
        """Append, and where that fails half-way, take the half back."""
        try:
            written = os.write(self._fd, data)
            if written < len(data):
                written += os.write(self._fd, data[written:])  # raises where there is no room
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)
        self._bytes += len(data)

    def seal(self) -> None:
        """End the open segment.  Raises OSError, and then it goes on.  The bound is not asked."""
        content = {
            "at": rfc3339_ms(time.time_ns()),
            "lines": self._writer.lines,
            "digest": chain.text_of(self._writer.digest),
        }
        writer = self._writer.copy()
        self._write(writer.add(chain.signed("seal", content, self._signer)))
        self._writer = writer
        fd, self._fd = self._fd, -1
        os.close(fd)

    # -- room

    def measure(self) -> int:
        """Count anew what the directory holds: another thread packs and moves files."""
        self._sent_bytes = _bytes_in(self.directory / segments.SENT)
        self._bytes = _bytes_in(self.directory) + self._sent_bytes
        return self._bytes

    @property
    def bytes_to_keep(self) -> int:
        """What the directory held when it was last measured, without copies of what is stored
        elsewhere: only these can fill it for good."""
        return self._bytes - self._sent_bytes

    def waiting(self) -> int:
        """How many closed segments are not stored elsewhere.  Raises OSError."""
        numbers = set(segments.numbers_in(self.directory))
        return sum(number < self.first_open for number in numbers)

    def _make_room(self, need: int) -> None:
        """Remove copies of what is stored elsewhere, the oldest first.  Raises SpoolFull."""
        self.measure()
        for file in segments.files_in(self.directory / segments.SENT):
            if self._bytes + need <= self.max_bytes:
                return
            if file.number < self.number:  # the newest says where the chain stands
                with contextlib.suppress(FileNotFoundError):
                    size = file.path.stat().st_size
                    file.path.unlink()
                    self._bytes -= size
                    self._sent_bytes -= size
        if self._bytes + need > self.max_bytes:
            raise SpoolFull

    def close(self) -> None:
        """Leave the open segment for the next steward."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _bytes_in(place: Path) -> int:
    """Of the files of a directory, without those below it."""
    total = 0
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another thread packs and moves them
                total += entry.stat().st_size if entry.is_file() else 0
    return total
