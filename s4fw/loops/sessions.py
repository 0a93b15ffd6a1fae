"""Which requests belong together, with an id of the caller's or without one.

With an id (a header or field that clients give to a conversation) it is the caller's key and that.
Without, a session is known by its root, what all its requests begin with, and by its joint: the
last two items of one request stand in the next one at the same places.  Both are hashes, and the
caller's key is part of both, so nobody can speak in another caller's session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from s4fw.core.transcript import Transcript
from s4fw.loops import memory
from s4fw.loops.memory import Memory
from s4fw.loops.tail import Tail, identity
from s4fw.loops.turn import hashed

# Where clients put the id of a conversation; the first that is there counts.
HEADERS: Final = (
    b"x-s4fw-session",
    b"x-litellm-trace-id",
    b"x-litellm-session-id",
    b"x-session-id",
    b"helicone-session-id",
    b"session_id",
    b"session-id",
    b"conversation_id",
    b"x-claude-code-session-id",
)
_OF_CLAUDE_CODE: Final = re.compile(r"_session_([0-9a-f-]{36})")
ID_BYTES_MAX: Final = 1_024

SHORT_ITEMS_MAX: Final = 8  # a transcript of at most so many goes on nowhere because it is new

_ROOTS_MAX: Final = 4_096
_PLACES_MAX: Final = 16_384


class Arrival:
    """Where a request belongs: its session's place in memory, -1 where it has none."""

    __slots__ = ("at", "is_new", "is_repeated", "key", "root")

    def __init__(self, key: int, root: int, at: int, is_new: bool, is_repeated: bool) -> None:
        self.key = key
        self.root = root
        self.at = at
        self.is_new = is_new
        self.is_repeated = is_repeated  # no item more than the request before


class Sessions:
    """Finds sessions for one worker and one configuration."""

    def __init__(self, shared: Memory, headers: Sequence[str] = ()) -> None:
        """`headers` of the operator's own come before the known ones."""
        self._memory = shared
        self._headers = (*(name.encode() for name in headers), *HEADERS)
        self._roots: dict[bytes, int] = {}
        self._places: dict[int, int] = {}  # where named sessions were found the last time

    def explicit(
        self, caller: str, headers: Mapping[bytes, bytes], labels: Mapping[str, str]
    ) -> int:
        """The key of a session whose caller names it, 0 where none does."""
        for name in self._headers:
            value = headers.get(name)
            if value and len(value) <= ID_BYTES_MAX:
                return _key(caller, name, value)
        if labels:
            for field in ("metadata.session_id", "conversation"):
                label = labels.get(field)
                if label:
                    return _key(caller, field.encode(), label.encode("utf-8", "replace"))
            user = labels.get("metadata.user_id")
            found = _OF_CLAUDE_CODE.search(user) if user else None
            if found is not None:
                return _key(caller, b"claude-code", found[1].encode())
        return 0

    def root(self, caller: str, model: str, cache_key: str, t: Transcript) -> int:
        """What all requests of a session begin with: whose they are, the model, what it is told,
        the first that a user said."""
        digests = t.digests
        known = self._roots.get(digests[min(1, len(digests) - 1)])
        if known is None:
            first = t.item(0)
            known = identity(first)
            if first.is_system and len(digests) > 1:
                known = hash((known, identity(t.item(1))))
            if len(self._roots) >= _ROOTS_MAX:
                self._roots.clear()
            self._roots[digests[min(1, len(digests) - 1)]] = known
        return hash((hashed(caller.encode()), model, cache_key, t.before, known)) or 1

    def arrive(self, key: int, root: int, t: Transcript, tail: Tail, now_ms: int) -> Arrival:
        """Find the session of a request, or begin one.  `key` is that of an explicit session, or
        0."""
        if key:
            at = self._place(key)
            if at < 0:
                return self._begun(key, key, now_ms)
            repeated = self._memory.words[at + memory.JOINT] == tail.last
            return Arrival(key, key, at, False, repeated)
        return self._joined(root, t, tail, now_ms)

    def _place(self, key: int) -> int:
        """The place of a named session, -1 where it has none; its key says whether it moved."""
        at = self._places.get(key, -1)
        if at < 0 or self._memory.words[at] != key:
            at = self._memory.find(self._memory.sessions, key, memory.KEY, key)
            if len(self._places) >= _PLACES_MAX:
                self._places.clear()
            self._places[key] = at
        return at

    def _joined(self, root: int, t: Transcript, tail: Tail, now_ms: int) -> Arrival:
        """The session with this root that ended where this body goes on; the longest of them."""
        words, section = self._memory.words, self._memory.sessions
        count = len(t.spans)
        base = section.at + root % section.sets * section.ways * memory.SESSION_WORDS
        best, items_of_best, of_root, latest = -1, 0, 0, -1
        end = base + section.ways * memory.SESSION_WORDS
        roots = words[base + memory.ROOT : end : memory.SESSION_WORDS].tolist()
        for way, its_root in enumerate(roots):
            if its_root != root:
                continue
            at = base + way * memory.SESSION_WORDS
            of_root += 1
            latest = at
            items = words[at + memory.ITEMS]
            if items_of_best < items <= count and tail.has_joint(
                items, words[at + memory.JOINT], words[at + memory.JOINT_BEFORE]
            ):
                best, items_of_best = at, items
        if best < 0 and of_root == 1 and self._is_shortened(latest, count):
            best = latest
        if best < 0:
            key = hash((root, tail.last, tail.last_but_one, now_ms)) or 1
            return self._begun(key, root, now_ms)
        return Arrival(words[best], root, best, False, items_of_best == count)

    def _is_shortened(self, at: int, count: int) -> bool:
        """Whether a transcript that goes on nowhere may be an old one that was compacted."""
        return SHORT_ITEMS_MAX < count < self._memory.words[at + memory.ITEMS]

    def _begun(self, key: int, root: int, now_ms: int) -> Arrival:
        shared = self._memory
        at = shared.claim(shared.sessions, key, root, memory.SEEN_MS)
        words = shared.words
        words[at + memory.ROOT] = root
        words[at + memory.STARTED_MS] = now_ms
        words[at + memory.SEEN_MS] = now_ms
        return Arrival(key, root, at, True, False)


def _key(caller: str, name: bytes, value: bytes) -> int:
    return hashed(b"%b\0%b\0%b" % (caller.encode(), name, value)) or 1
