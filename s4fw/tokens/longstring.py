"""Decodes long JSON strings in steps, so that no other thread waits for one of many megabytes.

Theory of operation

Decoding a value of 32 MiB at once holds the GIL for tens of milliseconds.  So a value with long
strings is decoded with a stand-in in the place of each: a random mark that no caller can know, with
a number.  Whoever measures the value passes its texts on; a text that is a stand-in is then decoded
chunk by chunk, straight from the body.  A stand-in that comes back inside another text (a tool that
is counted as its JSON) cannot be told apart from it any more: the value is decoded whole instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import orjson

CHUNK = 65_536  # bytes of JSON: decoding them takes less than 0.1 ms

Span = tuple[int, int]


class StandIns:
    """The long strings of one value, by the texts that stand for them."""

    __slots__ = ("_body", "_mark", "_spans")

    def __init__(self, body: bytes | bytearray, spans: Sequence[Span]) -> None:
        self._body = body
        self._mark = os.urandom(16).hex()
        self._spans = {f"{self._mark}{index}": span for index, span in enumerate(spans)}

    def abridged(self, start: int, end: int) -> bytes:
        """The JSON of the value between `start` and `end` with a stand-in for each long string."""
        view = memoryview(self._body)
        parts: list[bytes | memoryview] = []
        for name, (string_start, string_end) in self._spans.items():
            parts += (view[start:string_start], b'"%b"' % name.encode())
            start = string_end
        parts.append(view[start:end])
        return b"".join(parts)

    def are_lost(self, texts: Sequence[str]) -> bool:
        """Whether a stand-in came back inside another text."""
        return any(self._mark in text and text not in self._spans for text in texts)

    def chunks(self, text: str) -> Iterator[str] | None:
        """The chunks of the string that a text stands for; None for a text of its own."""
        span = self._spans.get(text)
        return None if span is None else decoded(self._body, span[0] + 1, span[1] - 1)


def decoded(body: bytes | bytearray, at: int, end: int) -> Iterator[str]:
    """Decode the inside of a valid JSON string chunk by chunk."""
    while at < end:
        cut = _cut(body, at, at + CHUNK) if end - at > CHUNK else end
        yield orjson.loads(b'"%b"' % bytes(body[at:cut]))
        at = cut


def _cut(body: bytes | bytearray, at: int, cut: int) -> int:
    """A place at or shortly before `cut` that is inside no escape and no UTF-8 sequence.

    `at` is such a place itself.  An escape has six bytes, a surrogate pair is two of them.
    """
    while 0x80 <= body[cut] < 0xC0:
        cut -= 1
    slash = body.rfind(b"\\", cut - 6, cut)
    if slash < 0:
        return cut
    before = bytes(body[at:slash])
    if (len(before) - len(before.rstrip(b"\\"))) % 2:
        slash -= 1  # the second byte of an escaped backslash
    length = 6 if body[slash + 1] == ord("u") else 2
    cut = slash + length if slash + length < cut else slash
    is_low_half = body[cut : cut + 2] == b"\\u" and body[cut + 2 : cut + 4].upper() in _LOW_HALVES
    return cut - 6 if is_low_half else cut


_LOW_HALVES = (b"DC", b"DD", b"DE", b"DF")
