"""Reads a chunked request body (RFC 9112 7.1), stricter than the grammar and with bounds.

Written by hand because the parser of heads cannot say where a message ends in what it was fed,
and because it bounds neither extensions nor trailers.  The tests hold it against that parser: what
is accepted here is accepted there, with the same body.

Line ends are CRLF only; an extension must be well-formed and is ignored; trailers are read, checked
and dropped; a size has at most 16 hex digits.  Differences in just these points between two servers
are what request smuggling is made of.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.errors import INVALID_REQUEST, REQUEST_TOO_LARGE, Refusal

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"[\t \x21\x23-\x5b\x5d-\x7e]*"'
_SIZE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)
_TRAILER: Final = re.compile(rb"(" + _TOKEN + rb"):[\t\x20-\x7e\x80-\xff]*")

# Fields that would change how the message is read, had they stood in the head.
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"host", b"content-encoding"})

LINE_BYTES_MAX: Final = 512
OVERHEAD_BYTES_MAX: Final = 16 * 1024  # extensions and trailers of one body together

_SIZE_LINE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkedBody:
    """One body being read.  `rest` is what followed its end; `is_complete` says it was reached."""

    __slots__ = ("_bytes_max", "_left", "_line", "_overhead", "_state", "body", "rest")

    def __init__(self, bytes_max: int) -> None:
        self.body = bytearray()
        self.rest = b""
        self._bytes_max = bytes_max
        self._state = _SIZE_LINE
        self._line = b""
        self._left = 0  # bytes of the present chunk still to come
        self._overhead = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and the trailers were read."""
        return self._state == _DONE

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive.  Raises Refusal; nothing may be fed after that."""
        at = 0
        while at < len(data):
            if self._state == _DATA:
                taken = min(self._left, len(data) - at)
                self.body += memoryview(data)[at : at + taken]
                at += taken
                self._left -= taken
                if not self._left:
                    self._state = _DATA_END
            else:
                at = self._feed_line(data, at)
                if self._state == _DONE:
                    self.rest = data[at:]
                    return

    def _feed_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            self._check_line(self._line.removesuffix(b"\r"))
            return len(data)
        line = self._line + data[at:end]
        self._line = b""
        if not line.endswith(b"\r"):
            raise _invalid("a line of the chunked body does not end with CR LF")
        self._check_line(line[:-1])
        self._take_line(line[:-1])
        return end + 1

    def _check_line(self, line: bytes) -> None:
        if len(line) > LINE_BYTES_MAX:
            raise _invalid("a line of the chunked body is too long")
        if b"\r" in line:
            raise _invalid("the chunked body holds a bare CR")
        if self._state == _DATA_END and line:
            raise _invalid("a chunk is longer than its size says")

    def _take_line(self, line: bytes) -> None:
        if self._state == _DATA_END:
            self._state = _SIZE_LINE
        elif self._state == _SIZE_LINE:
            self._take_size(line)
        elif line:
            self._take_trailer(line)
        else:
            self._state = _DONE

    def _take_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise _invalid("the size of a chunk is malformed")
        self._add_overhead(len(line) - len(match[1]))
        self._left = int(match[1], 16)
        if len(self.body) + self._left > self._bytes_max:
            raise Refusal(REQUEST_TOO_LARGE, "the request's body is larger than allowed")
        self._state = _DATA if self._left else _TRAILERS

    def _take_trailer(self, line: bytes) -> None:
        match = _TRAILER.fullmatch(line)
        if match is None or match[1].lower() in _FRAMING:
            raise _invalid("a trailer is malformed or not allowed there")
        self._add_overhead(len(line) + 2)

    def _add_overhead(self, count: int) -> None:
        self._overhead += count
        if self._overhead > OVERHEAD_BYTES_MAX:
            raise _invalid("the chunked body carries too much beside its data")


def _invalid(sentence: str) -> Refusal:
    return Refusal(INVALID_REQUEST, sentence)
