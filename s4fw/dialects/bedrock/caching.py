"""What a request can write to the provider's cache, found without decoding its body.

A cache point may stand anywhere in a body of megabytes of which only the last part is new, so its
name is looked for in the raw bytes.  Whoever writes letters as escapes hides it from that; such a
body is taken to hold it.  Erring here costs a dearer reservation, never a wrong bill.  The body is
searched in steps, so that no other thread waits for long.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE
from s4fw.dialects.bedrock import families

STEP: Final = 1024 * 1024

_POINT: Final = b'"cache'  # begins `cachePoint` and `cache_control`
_TTL: Final = re.compile(rb'"ttl"\s*+:\s*+(?!"5m"|null|[\s])')
_OVERLAP: Final = 64  # of two steps, longer than any mark


def kind(model: str, body: bytes | bytearray, is_veiled: bool) -> int:
    """The dearest write that a request can be billed for (`core.request`).  `is_veiled` is the
    document's."""
    if is_veiled:
        return CACHE_1H
    steps = range(0, len(body), STEP)
    if any(body.find(_POINT, start, start + STEP + _OVERLAP) >= 0 for start in steps):
        is_long = any(_TTL.search(body, start, start + STEP + _OVERLAP) for start in steps)
        return CACHE_1H if is_long else CACHE_5M
    # Models of other makers may write to their cache without being asked.
    return CACHE_NONE if families.is_claude(model) else CACHE_5M
