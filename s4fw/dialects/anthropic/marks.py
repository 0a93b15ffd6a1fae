"""What a messages body says anywhere in it, found in its raw bytes instead of walking all of it.

Between quotes such a mark is a name or a whole value of JSON: inside a string a quote is escaped.
Nobody has to escape a letter or a digit; where one is, a mark may be hidden so, and `is_veiled`
says that the dearest must be assumed.  A body of many megabytes is searched in steps, so that no
other thread waits for long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE

STEP = 1024 * 1024

_SHORT_TTL = re.compile(rb'"ttl"\s*+:\s*+(?:"5m"|null)')
_ESCAPED = re.compile(rb"\\u00(?:3[0-9]|5[Ff]|6[1-9A-Fa-f]|7[0-9Aa])")
_ESCAPED_BYTES = 6

# Escapes that are looked at: text about escapes has some behind an escaped backslash.
_LOOKED_AT_MAX = 64
_BACKSLASHES_MAX = 64


def cache_of(body: bytes | bytearray) -> int:
    """The dearest cache (`core.request`) that a body asks to write to, of those that are kept for
    five minutes and for an hour.  A time that is not known counts as the longest."""
    if not any(_places(body, b'"cache_control"')):
        return CACHE_NONE
    if all(_SHORT_TTL.match(body, at) for at in _places(body, b'"ttl"')):
        return CACHE_5M
    return CACHE_1H


def tool_references(body: bytes | bytearray) -> int:
    """How often messages may name a tool whose definition the model then reads again."""
    return sum(1 for _ in _places(body, b'"tool_reference"'))


def is_veiled(body: bytes | bytearray) -> bool:
    """Whether a letter, a digit or an underscore is written as an escape, which hides marks."""
    looked_at = 0
    for start in range(0, len(body), STEP):
        end = start + STEP + _ESCAPED_BYTES - 1
        if body.find(b"\\u00", start, end) < 0:
            continue
        for found in _ESCAPED.finditer(body, start, end):
            looked_at += 1
            at = found.start()
            before = bytes(body[max(0, at - _BACKSLASHES_MAX) : at])
            backslashes = len(before) - len(before.rstrip(b"\\"))
            if backslashes % 2 == 0 or looked_at > _LOOKED_AT_MAX:
                return True
    return False


def _places(body: bytes | bytearray, mark: bytes) -> Iterator[int]:
    """Where a mark stands."""
    for start in range(0, len(body), STEP):
        end = start + STEP + len(mark) - 1
        at = body.find(mark, start, end)
        while at >= 0:
            yield at
            at = body.find(mark, at + 1, end)
