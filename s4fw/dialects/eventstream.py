"""AWS event streams (application/vnd.amazon.eventstream): bytes cut into whole frames, and made.

Theory of operation

A frame is, all integers big-endian:

    0   4  length of the whole frame
    4   4  length of its headers
    8   4  CRC-32 of the first eight bytes
    12  h  headers: length of the name (1), name, type of the value (1), value
    ..  p  payload
    end 4  CRC-32 of everything before

The lengths are believed only after their own checksum, so a damaged stream cannot make us wait for
gigabytes.  After the first fault nothing of the stream can be believed any more: the cutter says
`is_broken` and hands out no further frame; whoever relays the bytes goes on relaying them, and the
caller's SDK finds the same fault.

Source: Smithy specification, "Amazon Event Stream"; tested against botocore's reader.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

# The SDKs' own limits: botocore refuses headers beyond 128 KiB and payloads beyond 24 MiB.
HEADERS_BYTES_MAX: Final = 128 * 1024
PAYLOAD_BYTES_MAX: Final = 24 * 1024 * 1024

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_STRING_LENGTH: Final = struct.Struct(">H")
_OVERHEAD: Final = _PRELUDE.size + _CRC.size

_STRING, _BYTES = 7, 6
# Bytes of the values that have a fixed length, by type: true, false, byte, short, integer, long,
# timestamp, uuid.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class Frame:
    """One whole frame whose checksums were right."""

    __slots__ = ("_headers_end", "raw")

    def __init__(self, raw: bytes, headers_end: int) -> None:
        self.raw = raw
        self._headers_end = headers_end

    def __repr__(self) -> str:
        return f"<Frame {len(self.raw)} bytes>"

    @property
    def payload(self) -> bytes:
        """The bytes between the headers and the checksum."""
        return self.raw[self._headers_end : -_CRC.size]

    def headers(self) -> dict[str, str]:
        """The headers whose value is a string; the others are stepped over.

        Raises ValueError where the headers do not fill their space exactly, or a name comes twice.
        """
        raw, end = self.raw, self._headers_end
        found: dict[str, str] = {}
        at = _PRELUDE.size
        while at < end:
            name_end = at + 1 + raw[at]
            if name_end >= end:
                raise ValueError("a header is cut short")
            name = raw[at + 1 : name_end].decode()
            kind = raw[name_end]
            at = name_end + 1
            if kind in (_STRING, _BYTES):
                if at + _STRING_LENGTH.size > end:
                    raise ValueError("a header is cut short")
                (length,) = _STRING_LENGTH.unpack_from(raw, at)
                at += _STRING_LENGTH.size
            else:
                length = _FIXED.get(kind, -1)
                if length < 0:
                    raise ValueError("a header has an unknown type")
            if at + length > end or name in found:
                raise ValueError("a header is cut short, or comes twice")
            if kind == _STRING:
                found[name] = raw[at : at + length].decode()
            at += length
        return found


class FrameCutter:
    """Cuts a stream of bytes into whole frames; keeps what has not ended yet.

    `held` is the number of bytes kept.  `is_broken` after a checksum or a length that cannot be.
    """

    __slots__ = ("_need", "_tail", "is_broken")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._need = _PRELUDE.size  # bytes without which nothing more can be said
        self.is_broken = False

    @property
    def held(self) -> int:
        """Bytes of a frame that has not ended yet."""
        return len(self._tail)

    @property
    def missing(self) -> int:
        """Bytes without which the frame that has begun does not end, or not even its prelude; 0
        between two frames."""
        return self._need - len(self._tail) if self._tail else 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take a chunk; returns the frames that ended, in order."""
        if self.is_broken:
            return []
        tail = self._tail
        if tail:
            tail += chunk
            if len(tail) < self._need:
                return []
            chunk = bytes(tail)
            tail.clear()
        frames: list[Frame] = []
        at = self._cut(chunk, frames)
        if self.is_broken:
            self._tail = bytearray()
        elif at < len(chunk):
            self._tail += chunk[at:]
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> int:
        """Append the whole frames at the beginning of `data`; returns where the rest begins."""
        at, size = 0, len(data)
        length: int
        while size - at >= _PRELUDE.size:
            length, headers, checksum = _PRELUDE.unpack_from(data, at)
            if not _is_plausible(length, headers) or crc32(data[at : at + 8]) != checksum:
                self.is_broken = True
                return at
            if size - at < length:
                self._need = length
                return at
            raw = data[at : at + length]
            at += length
            if crc32(memoryview(raw)[: -_CRC.size]) != _CRC.unpack_from(raw, length - 4)[0]:
                self.is_broken = True
                return at
            frames.append(Frame(raw, _PRELUDE.size + headers))
        self._need = _PRELUDE.size
        return at


def _is_plausible(length: int, headers: int) -> bool:
    payload = length - headers - _OVERHEAD
    return 0 <= payload <= PAYLOAD_BYTES_MAX and headers <= HEADERS_BYTES_MAX


def encoded(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame with string headers.  Names have at most 255 bytes, values 65,535."""
    parts = []
    for name, value in headers.items():
        raw_name, raw_value = name.encode(), value.encode()
        length = _STRING_LENGTH.pack(len(raw_value))
        parts += [bytes((len(raw_name),)), raw_name, bytes((_STRING,)), length, raw_value]
    block = b"".join(parts)
    start = struct.pack(">II", len(block) + len(payload) + _OVERHEAD, len(block))
    body = b"".join((start, _CRC.pack(crc32(start)), block, payload))
    return body + _CRC.pack(crc32(body))


def event(kind: str, payload: bytes) -> bytes:
    """A frame of one event; `payload` is its JSON."""
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encoded(headers, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """A frame that makes the SDK raise; `payload` is its JSON, with a `message`."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encoded(headers, payload)
