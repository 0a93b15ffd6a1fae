"""What a request can write to the provider's cache, found without decoding its body.

A cache point may stand anywhere in a body of megabytes of which only the last part is new, so its
name is looked for in the raw bytes.  Whoever writes letters as escapes hides it from that; such a
body is taken to hold it.  Erring here costs a dearer reservation, never a wrong bill.  The body is
searched in steps, so that no other thread waits for long.
"""

from __future__ import annotations

import re

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE
from s4fw.dialects.bedrock import families

STEP = 1024 * 1024

_POINTS = (b'"cachePoint"', b'"cache_control"')
_TTL = re.compile(rb'"ttl"\s*+:\s*+(?!"5m"|null|[\s])')
_ANY_TTL = b'"ttl"'
# A letter, a digit or an underscore as an escape: no encoder has to write one.
_HIDDEN = re.compile(rb"\\u00(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9AaFf])")
_OVERLAP = 64  # of two steps, longer than any mark


def kind(model: str, body: bytes | bytearray) -> int:
    """The dearest write that a request can be billed for (`core.request`)."""
    if _finds(_HIDDEN, body, b"\\u00"):
        return CACHE_1H
    if any(_holds(body, point) for point in _POINTS):
        return CACHE_1H if _finds(_TTL, body, _ANY_TTL) else CACHE_5M
    # Models of other makers may write to their cache without being asked.
    return CACHE_NONE if families.is_claude(model) else CACHE_5M


def _holds(body: bytes | bytearray, mark: bytes) -> bool:
    steps = range(0, len(body), STEP)
    return any(body.find(mark, start, start + STEP + _OVERLAP) >= 0 for start in steps)


def _finds(pattern: re.Pattern[bytes], body: bytes | bytearray, mark: bytes) -> bool:
    """Whether a pattern that holds a mark stands anywhere; a mark is found faster."""
    for start in range(0, len(body), STEP):
        end = start + STEP + _OVERLAP
        if body.find(mark, start, end) >= 0 and pattern.search(body, start, end) is not None:
            return True
    return False
