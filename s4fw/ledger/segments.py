"""Files of the ledger: their names, and their lines as they are read back.

    000000000012.jsonl                   being written, or sealed and not packed yet
    000000000012-DIGEST.jsonl.gz         sealed and packed; DIGEST is that of its last line
    sent/000000000012-DIGEST.jsonl.gz    stored elsewhere too; the first to make room

A name with a digest stands for one content and no other, whatever packed it.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from s4fw.ledger import chain

SENT = "sent"
_NAME = re.compile(r"([0-9]{12})(?:-([A-Za-z0-9_-]{32}))?\.jsonl(\.gz)?")
# One segment unpacked: far above what is written, far below what would hurt.
SEGMENT_BYTES_MAX = 256 << 20


class SegmentFile(NamedTuple):
    """One file that has the name of a segment."""

    number: int
    path: Path
    is_packed: bool


def open_name(number: int) -> str:
    return f"{number:012d}.jsonl"


def packed_name(number: int, digest: bytes) -> str:
    return f"{number:012d}-{chain.text_of(digest)}.jsonl.gz"


def files_in(directory: Path, *, is_deep: bool = False) -> list[SegmentFile]:
    """Segments in a directory and its `sent`, or anywhere below it, by number; of two files of one
    segment the plain one first."""
    places = [directory, directory / SENT]
    found = (
        directory.rglob("*") if is_deep else (p for d in places if d.is_dir() for p in d.iterdir())
    )
    files = []
    for path in found:
        match = _NAME.fullmatch(path.name)
        if match is not None:
            files.append(SegmentFile(int(match[1]), path, match[3] is not None))
    return sorted(files, key=lambda file: (file.number, file.is_packed, str(file.path)))


def numbers_in(directory: Path) -> Iterator[int]:
    """Of the segments that lie in a directory itself; one that is being packed comes twice."""
    for name in os.listdir(directory):
        match = _NAME.fullmatch(name)
        if match is not None:
            yield int(match[1])


def read(file: SegmentFile) -> bytes:
    """Its lines.  Raises OSError; ValueError with the rest of a sentence about the file."""
    if not file.is_packed:
        return file.path.read_bytes()
    try:
        with gzip.open(file.path) as packed:
            data = packed.read(SEGMENT_BYTES_MAX + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise ValueError("is cut off or damaged: it cannot be unpacked") from fault
    if len(data) > SEGMENT_BYTES_MAX:
        raise ValueError("is larger than any segment")
    return data


def pack(data: bytes) -> bytes:
    """As gzip.  Lines are alike, so the lowest level is within a tenth of the highest in size, at
    a third of its time."""
    return gzip.compress(data, 1, mtime=0)


class Line(NamedTuple):
    """One line; `content` has no `h`.  `end` is its place in the file, behind the newline."""

    body: bytes
    digest: bytes
    content: dict[str, Any]
    end: int


def lines_of(data: bytes) -> Iterator[Line]:
    """The lines of a segment, as they stand; raises ValueError at the first that is none."""
    start = 0
    while start < len(data):
        newline = data.find(b"\n", start)
        if newline < 0:
            raise ValueError("is cut off in the middle of a line")
        body, digest = chain.split(data[start:newline])
        content = orjson.loads(body)
        if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
            raise ValueError("is no line of a ledger")
        start = newline + 1
        yield Line(body, digest, content, start)


def previous_of(head: Line) -> bytes:
    """The digest that a head says it follows.  Raises ValueError when it says none."""
    return chain.digest_of(str(head.content.get("prev")))


def seal_of(data: bytes) -> Line:
    """The last line of a segment: a seal that fits what stands before it, by number of lines and
    digest.  The lines themselves are not read.  Raises ValueError when there is no such seal."""
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    before = data.rfind(b"\n", 0, max(0, start - 1)) + 1
    try:
        [previous, seal] = lines_of(data[before:])
    except ValueError as fault:
        raise ValueError("does not end with a seal") from fault
    said = seal.content
    is_whole = said["kind"] == "seal" and said.get("lines") == data.count(b"\n") - 1
    if not is_whole or chain.link(previous.digest, seal.body) != seal.digest:
        raise ValueError("does not end with a seal that fits it")
    return seal


def whole_prefix(data: bytes) -> list[Line]:
    """The lines from the start that are whole and chained: what of a segment being written counts.

    The head is taken as it is; whoever wants to know whether it is genuine verifies it.
    """
    lines: list[Line] = []
    try:
        for line in lines_of(data):
            before = lines[-1].digest if lines else previous_of(line)
            if chain.link(before, line.body) != line.digest:
                break
            lines.append(line)
    except ValueError:
        pass
    return lines
