"""The transcript in a request: what an agent did and got, item by item.

Agents resend their whole history with every call, so whether they go round in circles shows in one
body.  A dialect says where the items stand and how one is read; nothing is decoded before somebody
asks, and only what is new needs to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

# A value from this size on is looked at for long strings, of which only both ends are decoded: the
# scan lists strings from the same size on (S4_JSON_LONG_MIN).
LONG_MIN: Final = 131_072
ENDS: Final = 16_384  # bytes of each end of a long string


class Item:
    """What one item says, without what differs between two equal ones (markers of caches,
    signatures).  `text` is what the assistant says, or what came back to it: results, and what
    users say."""

    __slots__ = ("calls", "ids", "is_assistant", "is_system", "text")

    def __init__(
        self,
        is_assistant: bool,
        text: str,
        calls: Sequence[tuple[str, str]] = (),
        ids: str = "",
        is_system: bool = False,
    ) -> None:
        self.is_assistant = is_assistant
        self.is_system = is_system
        self.text = text
        self.calls = calls  # tool and arguments
        self.ids = ids  # of calls and results: fresh each time, so they tell this item from others


_ROLE: Final = re.compile(rb'\{\s*"role"\s*:\s*"([a-z]+)"')

Reader = Callable[[Any], Item]


class Transcript:
    """Where the items stand in the body, with a digest of each prefix (see `core.request.Run`).

    `kind` separates the shapes.  `is_joined`: a turn of the assistant is several items in a row.
    `before` stands for what the model is told ahead of all items, where that is not an item.
    """

    __slots__ = (
        "_body", "_long_strings", "_read", "answer", "before", "chain", "digests", "is_joined",
        "kind", "spans",
    )  # fmt: skip

    def __init__(
        self,
        kind: bytes,
        body: bytes | bytearray,
        spans: Sequence[tuple[int, int]],
        digests: Sequence[bytes],
        read: Reader,
        long_strings: Sequence[tuple[int, int]] = (),
        is_joined: bool = False,
    ) -> None:
        self.kind = kind
        self.spans = spans
        self.digests = digests
        self.is_joined = is_joined
        self.before = b""
        self.chain: str | None = None  # the response that holds what came before these items
        # The id of the response that was given and what it says, where the next request may name
        # it instead of repeating it.
        self.answer: tuple[str, list[Item]] | None = None
        self._body = body
        self._read = read
        self._long_strings = long_strings

    def __repr__(self) -> str:
        return f"<Transcript {self.kind!r} of {len(self.spans)} items>"

    def item(self, index: int) -> Item:
        """Decode one item.  What cannot be decoded says nothing."""
        start, end = self.spans[index]
        view: bytes | memoryview = memoryview(self._body)[start:end]
        if end - start >= LONG_MIN and self._long_strings:
            view = self._abridged(start, end)
        try:
            return self._read(orjson.loads(view))
        except orjson.JSONDecodeError:  # a number that no reader can hold
            return Item(False, "")

    def is_of_assistant(self, index: int) -> bool:
        """Whether the assistant said an item; its first bytes tell where the role comes first."""
        start, end = self.spans[index]
        found = _ROLE.match(self._body, start, end)
        return self.item(index).is_assistant if found is None else found[1] == b"assistant"

    def _abridged(self, start: int, end: int) -> bytes:
        """The same value with both ends, and the length, in place of each long string: decoding
        many megabytes at once would hold up everything else."""
        body = memoryview(self._body)
        pieces: list[bytes | memoryview] = []
        at = start
        for first, last in self._long_strings:
            if first < at or last > end:
                continue
            head, foot = body[first + 1 : first + 1 + ENDS], body[last - 1 - ENDS : last - 1]
            ends = (bytes(head) + bytes(foot)).decode("latin-1")
            pieces += (body[at:first], orjson.dumps(f"{ends}{last - first}"))
            at = last
        pieces.append(body[at:end])
        return b"".join(pieces)
