"""Writes event-stream frames.  An encoder of its own: what the firewall decodes with is then
checked against something that it did not write.

Layout (AWS, "Event stream encoding"), integers big-endian: total length, length of the headers,
CRC-32 of these 8 bytes, headers, payload, CRC-32 of everything before it.
"""

from __future__ import annotations

import struct
from binascii import crc32

_STRING = 7  # the type of a header's value


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """The bytes of one frame."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    start = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return start + struct.pack(">I", crc32(start))


def event(name: str, payload: bytes) -> bytes:
    """The frame of an event, or of an exception where its name says so."""
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return frame(headers, payload)


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes((len(name),)) + name.encode() + struct.pack(">BH", _STRING, len(text)) + text
