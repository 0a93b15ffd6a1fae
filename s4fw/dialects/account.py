"""What the meters of all wire shapes share: how they keep a usage, and what spoils it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from s4fw.core.usage import Usage

# No exchange of any model comes near; beyond it is no count but a fault.
COUNT_MAX: Final = 10**9

# A whole answer is kept for parsing up to this size; a larger one is relayed and charged at worst
# case.  It is what a stream's last event may have, which repeats the answer (WIRE: 32 MB).
DOCUMENT_BYTES_MAX: Final = 32 * 1024 * 1024

# Reads the usage out of one JSON object of an answer: None where there is none.  Raises ValueError
# when a usage is there and is none: negative, not integers, without its main counts.
UsageOf = Callable[[dict[str, Any]], Usage | None]


def count(value: Any) -> int:
    """One count of a usage: absent or null is 0.  Raises ValueError for what is no count."""
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        raise ValueError("not a token count")
    return value


def required_count(value: Any) -> int:
    """A count that a usage must have.  Raises ValueError also where it is absent."""
    if value is None:
        raise ValueError("a usage without its counts")
    return count(value)


def details(value: Any) -> dict[str, Any]:
    """An object within a usage; absent or null is an empty one.  Raises ValueError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("a usage whose details are no objects")
    return value


def text(value: Any) -> str | None:
    """A member that is a text, None where it is anything else."""
    return value if isinstance(value, str) else None


class Account:
    """The attributes of `core.dialect.Meter`, and how one JSON object of an answer changes them."""

    __slots__ = ("_usage_of", "is_complete", "is_implausible", "saw_error", "usage")

    def __init__(self, usage_of: UsageOf) -> None:
        self._usage_of = usage_of
        self.usage: Usage | None = None
        self.is_complete = False
        self.saw_error = False
        self.is_implausible = False

    def take(self, answer: dict[str, Any]) -> None:
        """Note the usage and the error of one object; a later usage replaces an earlier one."""
        if answer.get("error"):
            self.saw_error = True
        try:
            self.usage = self._usage_of(answer) or self.usage
        except ValueError:
            self.is_implausible = True


class DocumentMeter(Account):
    """The meter of an answer that is one JSON object, of any shape."""

    __slots__ = ("_chunks", "_size")

    def __init__(self, usage_of: UsageOf) -> None:
        super().__init__(usage_of)
        self._chunks: list[bytes] | None = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        if self._chunks is not None:
            self._size += len(chunk)
            if self._size > DOCUMENT_BYTES_MAX:
                self._chunks = None
            else:
                self._chunks.append(chunk)
        return chunk

    def end(self) -> bytes:
        """The body is whole: read its usage."""
        if self._chunks:
            try:
                answer = orjson.loads(b"".join(self._chunks))
            except orjson.JSONDecodeError:
                return b""
            if isinstance(answer, dict):
                self.is_complete = True
                self.take(answer)
        return b""
