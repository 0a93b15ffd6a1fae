"""What crosses requests, in memory of fixed size that all workers share.  Counts and hashes only.

Theory of operation.  The memory is an array of 64-bit words, in sections of records; a record has a
key, which also says where to look for it: a set of a few records, the one not used for the longest
time gives way.  There is no lock.  Each word is written in one store, so a reader never sees half
of one; two workers that change one record at once may lose one of two updates, and a record that
gives way while somebody writes to it may get a word of the other session.  Nothing here decides
about money: what is lost makes a rule of several requests see one request less, and a record of
another session is told by its key at the next request.  What a body alone shows (see
`loops.verdict`) does not depend on any of it.

The first words say how the rest is laid out.  A memory lives as long as the process tree: its keys
are hashes that no other tree can make.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from s4fw.loops.rules import RULES

BYTES_MIN: Final = 1 << 20
BYTES_DEFAULT: Final = 32 << 20

# -- a session: words of its record -------------------------------------------------------------

SESSION_WORDS: Final = 64
KEY: Final = 0  # 0: free
ROOT: Final = 1  # what all sessions with the same beginning share
SEEN_MS: Final = 2  # monotonic
STARTED_MS: Final = 3
ITEMS: Final = 4  # of the last body
JOINT: Final = 5  # identity of its last item
JOINT_BEFORE: Final = 6  # and of the one before
TURNS: Final = 7  # of the last body
REQUESTS: Final = 8
SPENT_NUSD: Final = 9
BODY_BYTES: Final = 10
GROWTH_STREAK: Final = 11  # turns in a row by which the body grew very much
GAPS: Final = 12  # 8 last gaps of 8 bits each, in half seconds
CUSUM: Final = 13  # of how the cost of a turn grows against the tenant's, thousandths of sigma
FAILED_NUSD: Final = 14  # spent since the last turn that did not fail
FAILED_TURNS: Final = 15
EPISODE: Final = 16  # see `loops.episodes`
EPISODE_RULE: Final = 17
EPISODE_TURN: Final = 18  # of the whole transcript, with which the loop began
EPISODE_MS: Final = 19
FOLLOWED: Final = 21  # turns since a would-be block
FOLLOWED_NEW: Final = 22  # of those, with something new
TENANT: Final = 23  # index of the tenant's record
RETRIES_MS: Final = 24  # start of the minute in which retries are counted
RETRIES: Final = 25
FIRST_TURNS: Final = 27  # of the first body that was seen
IS_DEAR: Final = 28  # its cost grows faster than that of the tenant's others, and nobody was told
LAST_NUSD: Final = 29  # what its last request cost
SLOPE_TOLD: Final = 30  # the turn at which it was told of its cost, 0: not yet
FAILED_TOLD: Final = 31  # and of its failures
LENGTH_TOLD: Final = 20  # and of its length
SPENT_AT: Final = 32  # 32 words: SPENT_NUSD when turn n began, at n modulo 32
SPENT_TURNS: Final = 32
SESSION_WAYS: Final = 16

# -- an identical body ----------------------------------------------------------------------------

# A body that was never seen before is one word in a table of its own; only when it comes again it
# gets a record.  So a new body, which nearly all are, costs one word and no search.
FIRST_WORDS: Final = 1
STORM_WORDS: Final = 16
STORM_WAYS: Final = 8

# -- a beginning that sessions share --------------------------------------------------------------

ROOT_WORDS: Final = 8
ROOT_WAYS: Final = 8

# -- a tenant: its name and what the rules found --------------------------------------------------

TENANT_WORDS: Final = 256
TENANT_NAME: Final = 1  # 17 words: length, then 128 bytes
TENANT_SLOPE_MEAN: Final = 18  # nano-USD by which a request is dearer than the one before
TENANT_SLOPE_DEVIATION: Final = 19  # mean absolute, in nano-USD
TENANT_TURNS: Final = 20
TENANT_SESSIONS: Final = 21
TENANT_LENGTHS: Final = 22  # 9 words: sessions that had so many turns (see `signals.LENGTHS`)
TENANT_TALLIES: Final = 32  # of each rule the words of a tally
TALLY_WORDS: Final = 10
WARNED_TURNS, WOULD_BLOCK, BLOCKED, WASTED_NUSD, PROVED, DISPROVED, UNCERTAIN, EPISODES = range(8)
SAVED_NUSD, FOUND_TURNS = range(8, 10)
assert TENANT_TALLIES + TALLY_WORDS * len(RULES) <= TENANT_WORDS

_HEAD_WORDS: Final = 64
_MAGIC: Final = 0x53344C4F4F503031


class Section:
    """Records of one size; `ways` of them form a set."""

    __slots__ = ("at", "end", "sets", "ways", "words_each")

    def __init__(self, at: int, words: int, words_each: int, ways: int) -> None:
        self.at = at
        self.words_each = words_each
        self.ways = ways
        self.sets = max(words // (words_each * ways), 1)
        self.end = at + self.sets * ways * words_each


class Memory:
    """The sections over one mapped file.  `words` is shared by all processes that inherit it."""

    def __init__(self, size: int, path: Path | None = None) -> None:
        """Make it, with a file at `path` in place of what was there, or without a name."""
        size = max(size, BYTES_MIN) // mmap.PAGESIZE * mmap.PAGESIZE
        self._map = _mapped(size, path)
        self.words = memoryview(self._map).cast("q")
        count = size // 8 - _HEAD_WORDS
        self.sessions = Section(_HEAD_WORDS, count * 3 // 4, SESSION_WORDS, SESSION_WAYS)
        self.storms = Section(self.sessions.end, count // 16, STORM_WORDS, STORM_WAYS)
        self.firsts = Section(self.storms.end, count // 16, FIRST_WORDS, 1)
        self.roots = Section(self.firsts.end, count // 32, ROOT_WORDS, ROOT_WAYS)
        self.tenants = Section(self.roots.end, count // 32, TENANT_WORDS, 1)
        assert self.tenants.end <= size // 8
        self.words[0] = _MAGIC

    def __repr__(self) -> str:
        return f"<Memory of {len(self.words) * 8} bytes>"

    def close(self) -> None:
        """Give it back; nobody may use it any more."""
        self.words.release()
        self._map.close()

    def find(self, section: Section, key: int, word: int, choice: int) -> int:
        """The place of the record of a set (chosen by `choice`) whose `word` is `key`, never 0;
        -1: none."""
        each = section.words_each
        base = section.at + choice % section.sets * section.ways * each
        there = self.words[base + word : base + section.ways * each : each].tolist()
        return base + there.index(key) * each if key in there else -1

    def claim(self, section: Section, key: int, choice: int, seen: int) -> int:
        """Take a record of a set: a free one, or the one not used for the longest time, which the
        word `seen` tells.  All its words but the key are 0."""
        words, each = self.words, section.words_each
        base = section.at + choice % section.sets * section.ways * each
        there = words[base : base + section.ways * each : each].tolist()
        if 0 in there:
            oldest = base + there.index(0) * each
        else:
            last = words[base + seen : base + section.ways * each : each].tolist()
            oldest = base + last.index(min(last)) * each
        words[oldest : oldest + each] = _ZEROS[each]
        words[oldest] = key
        return oldest

    def records(self, section: Section) -> Iterator[int]:
        """The places of all records in use."""
        for at in range(section.at, section.end, section.words_each):
            if self.words[at]:
                yield at


_ZEROS: Final = {
    count: memoryview(bytes(count * 8)).cast("q")
    for count in (SESSION_WORDS, STORM_WORDS, ROOT_WORDS, TENANT_WORDS)
}


def _mapped(size: int, path: Path | None) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, size)
    # A former tree may still drain with its own file: that one stays theirs.
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
        return mmap.mmap(fd, size)
    finally:
        os.close(fd)
