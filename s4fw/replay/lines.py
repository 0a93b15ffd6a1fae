"""Lines of files, packed with gzip or not, one at a time: a file may be larger than memory."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# A whole session of an agent that read many files; a longer line is told and left out.
LINE_BYTES_MAX = 64 * 1024 * 1024
_GZIP = b"\x1f\x8b"

# Called with the bytes of the file that were read since the last call.
Progress = Callable[[int], None]


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read: packed, it is the only length that is known."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._progress(len(data))
        return len(data)


def lines_of(path: Path, progress: Progress = lambda count: None) -> Iterator[bytes | None]:
    """The lines of a file; None stands for one that is too long.  Raises OSError, EOFError where a
    packed file is cut."""
    with open(path, "rb") as file:
        is_packed = file.read(2) == _GZIP
        file.seek(0)
        counted = io.BufferedReader(_Counted(file, progress), 1 << 18)
        opened = gzip.GzipFile(fileobj=counted) if is_packed else counted
        with opened:
            yield from _split(opened)


def _split(file: gzip.GzipFile | io.BufferedReader[_Counted]) -> Iterator[bytes | None]:
    while line := file.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield None
        elif not line.isspace():
            yield line
