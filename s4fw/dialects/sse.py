"""Server-sent events as bytes, cut into whole events as they arrive (WHATWG HTML 9.2).

Works on bytes, because a chunk may end inside a UTF-8 character, a line or a CRLF.  Line ends are
LF, CRLF or CR; a blank line ends an event; comments and unknown fields are ignored.
"""

from __future__ import annotations

import re
from typing import Final

# Two line ends in a row.  The groups are atomic: a lone CRLF must not count as CR and LF.
_BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")

# The terminal event of a long answer repeats the whole answer (WIRE: allow 32 MB).
EVENT_BYTES_MAX: Final = 32 * 1024 * 1024


class EventCutter:
    """Cuts a stream of bytes into whole events; keeps what has not ended yet.

    `held` is the number of bytes kept.  An event beyond EVENT_BYTES_MAX makes `is_overfull` true;
    its bytes are handed out uncut from then on, since nobody can meter such a stream.
    """

    __slots__ = ("_from", "_tail", "is_overfull")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._from = 0  # no blank line starts before this offset of the tail
        self.is_overfull = False

    @property
    def held(self) -> int:
        """Bytes of an event that has not ended yet."""
        return len(self._tail)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk; returns the events that ended, each with its line ends, in order."""
        tail = self._tail
        tail += chunk
        events = []
        start = 0
        for blank in _BLANK_LINE.finditer(tail, self._from):
            events.append(bytes(tail[start : blank.end()]))
            start = blank.end()
        del tail[:start]
        self._from = max(0, len(tail) - 3)
        if len(tail) > EVENT_BYTES_MAX:
            self.is_overfull = True
            events.append(self.rest())
        return events

    def rest(self) -> bytes:
        """What is left when the stream ends; nothing is kept afterwards."""
        rest, self._tail, self._from = bytes(self._tail), bytearray(), 0
        return rest


def data_of(event: bytes) -> bytes:
    """The data of one event: its data lines joined with LF, without the space after the colon."""
    lines = []
    for line in event.removeprefix(b"\xef\xbb\xbf").splitlines():  # of bytes: CRLF, LF and CR
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return lines[0] if len(lines) == 1 else b"\n".join(lines)
