"""What a messages body says anywhere in it, found in its raw bytes instead of walking all of it.

Between quotes such a mark is a name or a whole value of JSON: inside a string a quote is escaped.
Nobody has to escape a letter or a digit; where one is, a mark may be hidden so: the scan says so
(`Document.is_veiled`), and then the dearest must be assumed.

Agents send their whole transcript with every turn, so what was found in the beginning of an array
is remembered by the array's digests, and only what is new is searched.  A body of many megabytes is
searched in steps, so that no other thread waits for long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE, Run

STEP: Final = 1024 * 1024
SMALL: Final = 4096  # a body up to this size is searched faster than remembered

_SHORT_TTL: Final = re.compile(rb'"ttl"\s*+:\s*+(?:"5m"|null)')

# Beginnings of an array that are remembered of each request, and how far back one is looked for:
# a turn adds a few messages, and moves the mark of the cache from the last ones to the new.
_KEPT: Final = 4
_LOOK_BACK: Final = 16
_REMEMBERED_MAX: Final = 16_384


class Marks:
    """What was found: the dearest cache (`core.request`) that is asked for, of those kept for five
    minutes and for an hour, where a time that is not known counts as the longest; and how often
    messages name a tool."""

    __slots__ = ("cache", "tool_references")

    def __init__(self) -> None:
        self.cache = CACHE_NONE
        self.tool_references = 0

    def add(self, other: Marks) -> None:
        """Add what was found elsewhere."""
        self.cache = max(self.cache, other.cache)
        self.tool_references += other.tool_references

    def search(self, body: bytes | bytearray, start: int, end: int) -> None:
        """Add what stands in a part of the body that cuts no value."""
        if start < end:
            self.cache = max(self.cache, _cache_of(body, start, end))
            self.tool_references += sum(1 for _ in _places(body, b'"tool_reference"', start, end))


_known: Final[
    dict[bytes, Marks]
] = {}  # what stands in an array up to the end of one of its elements


def of(body: bytes | bytearray, runs: Sequence[Run]) -> Marks:
    """Everything that stands in a body; `runs` are the arrays in it that may have grown."""
    found = Marks()
    at = 0
    if len(body) <= SMALL:
        runs = ()
    for run in sorted((run for run in runs if run.spans), key=lambda run: run.spans[0][0]):
        found.search(body, at, run.spans[0][0])
        found.add(_of_run(body, run))
        at = run.spans[-1][1]
    found.search(body, at, len(body))
    return found


def _of_run(body: bytes | bytearray, run: Run) -> Marks:
    spans, digests = run.spans, run.digests
    length = len(spans)
    found = Marks()
    at, done = spans[0][0], 0
    for index in range(length - 1, max(length - 1 - _LOOK_BACK, -1), -1):
        known = _known.get(digests[index])
        if known is not None:
            found.add(known)
            at, done = spans[index][1], index + 1
            break
    for index in range(max(done, length - _KEPT), length):
        end = spans[index][1]
        found.search(body, at, end)
        at = end
        _remember(digests[index], found)
    return found


def _remember(digest: bytes, found: Marks) -> None:
    kept = Marks()
    kept.add(found)
    if len(_known) >= _REMEMBERED_MAX:
        _known.clear()
    _known[digest] = kept


def _cache_of(body: bytes | bytearray, start: int, end: int) -> int:
    if not any(_places(body, b'"cache_control"', start, end)):
        return CACHE_NONE
    if all(_SHORT_TTL.match(body, at) for at in _places(body, b'"ttl"', start, end)):
        return CACHE_5M
    return CACHE_1H


def _places(body: bytes | bytearray, mark: bytes, start: int, end: int) -> Iterator[int]:
    """Where a mark stands."""
    for first in range(start, end, STEP):
        last = min(first + STEP + len(mark) - 1, end)
        at = body.find(mark, first, last)
        while at >= 0:
            yield at
            at = body.find(mark, at + 1, last)
