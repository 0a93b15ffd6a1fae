"""What may stand in a path before the route: who pays, and which upstream.

    /t/acme/f/support/azure/v1/chat/completions

A base URL is the one thing every client lets people set, so it can carry labels (tenant, feature,
customer, agent, session, in any order, each once) and the prefix of an upstream.  The raw path is
cut, never decoded as a whole: what another server would decode into further segments stays a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Final
from urllib.parse import unquote_to_bytes

from s4fw.core.request import NO_LABELS
from s4fw.core.verdict import Block
from s4fw.errors import INVALID_REQUEST

_DIMENSIONS: Final = {
    b"t": "tenant",
    b"f": "feature",
    b"c": "customer",
    b"a": "agent",
    b"s": "session",
}
_ESCAPED: Final = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})+")
_VALUE: Final = re.compile(rb"[A-Za-z0-9._:@/-]{1,128}")


class Begun:
    """A path in its parts: the labels, the prefix of an upstream, and what is below."""

    __slots__ = ("below", "labels", "prefix")

    def __init__(self, below: bytes, labels: Mapping[str, str], prefix: bytes) -> None:
        self.below = below
        self.labels = labels
        self.prefix = prefix


def begun(path: bytes, prefixes: Set[bytes]) -> Begun | Block:
    """Take apart a raw path, or refuse a label that is none."""
    labels: dict[str, str] = {}
    prefix = b""
    while True:
        end = path.find(b"/", 1)
        if end < 0:
            break
        first = path[1:end]
        dimension = _DIMENSIONS.get(first)
        if dimension is not None:
            after = path.find(b"/", end + 1)
            value = _value(path[end + 1 : after] if after >= 0 else path[end + 1 :])
            if value is None or dimension in labels:
                return Block(
                    INVALID_REQUEST,
                    f"the path names no {dimension} or two: after /{first.decode()}/ stand 1 to "
                    "128 letters, digits or ._:@/-, percent-encoded where need be",
                )
            labels[dimension] = value
            path = path[after:] if after >= 0 else b"/"
        elif not prefix and path[:end] in prefixes:
            prefix = path[:end]
            path = path[end:]
        else:
            break
    return Begun(path, labels or NO_LABELS, prefix)


def _value(raw: bytes) -> str | None:
    if _ESCAPED.fullmatch(raw) is None:
        return None
    value = unquote_to_bytes(raw)
    return value.decode() if _VALUE.fullmatch(value) else None
