"""Counts the runs of a request exactly, and never counts the same prefix twice.

Agents resend their whole transcript with every turn.  Each prefix of a run is remembered as a keyed
digest and a number, so a turn costs only what is new.  Content is never kept.

`seek` is cheap and belongs to the loop's thread; `count` may run in any thread and releases the
GIL while it tokenizes.  Both only read shared state or write single dictionary entries: two threads
that rotate the memory at once forget more than they had to, nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

import orjson
import tiktoken

from s4fw.core.request import Run
from s4fw.errors import INVALID_REQUEST, Refusal
from s4fw.tokens.encoding import CL100K, O200K, encoding_for, load
from s4fw.tokens.longstring import StandIns
from s4fw.tokens.pieces import PIECE, chunks_of, pieces

# Of a run, the prefixes that are remembered: the last ones, where the next turn will continue, and
# every 64th before, so that one request of 65,536 elements cannot flush the memory or stall `seek`.
TAIL: Final = 64
STRIDE: Final = 64

# The "vocabulary" of models that publish none: the UTF-8 bytes of a text, which bound its tokens
# (never exceeded by any tokenizer that works on bytes, which all current ones do).
BYTES: Final = "bytes"

LONG_MIN: Final = 131_072  # bytes of a value from which its long strings are decoded in steps

# Texts that stand in every request and are no content: the roles and types of the wire format.
_WIRE_WORDS: Final = (
    *("user", "assistant", "system", "developer", "tool"),
    *("function", "custom", "text", "refusal", "json_object", "json_schema"),
)


class TokenCounter:
    """Both vocabularies and the memory of prefixes.  Made once, before processes are forked.

    `remember` is the number of prefixes kept (about 200 bytes each).  `counted_total` is how many
    tokens were really counted, as opposed to remembered, since the start of this process tree.
    """

    def __init__(self, remember: int = 65_536) -> None:
        self._encodings: dict[str, _Counts | _Bytes] = {
            v.name: _Counts(load(v), tag) for tag, v in enumerate((O200K, CL100K))
        }
        self._encodings[BYTES] = _Bytes()
        self._memory = _Memory(remember)
        self._lock = threading.Lock()
        self.counted_total = 0

    @staticmethod
    def encoding_for(model: str) -> str | None:
        """The vocabulary of a model; None for a model that is not known to be OpenAI's."""
        return encoding_for(model)

    def seek(self, encoding: str, run: Run) -> tuple[int, int]:
        """The longest remembered prefix of a run: its tokens, and how many values it has."""
        digests = run.digests
        length = len(digests)
        if length == 0:
            return 0, 0
        get = self._memory.get
        prefix = self._encodings[encoding].tag + run.name
        for at in range(length, max(length - TAIL, 0), -1):
            tokens = get(prefix + digests[at - 1])
            if tokens is not None:
                return tokens, at
        for at in range((length - TAIL) // STRIDE * STRIDE, 0, -STRIDE):
            tokens = get(prefix + digests[at - 1])
            if tokens is not None:
                return tokens, at
        return 0, 0

    @staticmethod
    def pending_bytes(run: Run, at: int) -> int:
        """Bytes of the body that `count` would have to read from value `at` on."""
        return run.spans[-1][1] - run.spans[at][0] if at < len(run.spans) else 0

    def count(self, encoding: str, body: bytes | bytearray, run: Run, tokens: int, at: int) -> int:
        """Count a run from value `at` on, whose prefix has `tokens`; returns the run's tokens.

        Raises Refusal when a number of the body is out of range, or whatever `run.measure` raises.
        """
        counts = self._encodings[encoding]
        prefix = counts.tag + run.name
        spans, digests = run.spans, run.digests
        before, length = tokens, len(spans)
        for index in range(at, length):
            start, end = spans[index]
            if end - start < LONG_MIN or not run.long_strings:
                texts, extra = run.measure(_decoded(memoryview(body)[start:end], start))
                tokens += extra + sum(map(counts.of_text, texts))
            else:
                tokens += _count_long(counts, body, run, start, end)
            if length - index <= TAIL or (index + 1) % STRIDE == 0:
                self._memory.put(prefix + digests[index], tokens)
        with self._lock:
            self.counted_total += tokens - before
        return tokens


class _Bytes:
    """Bounds texts for models without a public vocabulary: no token is shorter than a byte."""

    __slots__ = ()
    tag = b"\xff"

    @staticmethod
    def of_text(text: str) -> int:
        return len(text.encode())

    @staticmethod
    def of_chunks(chunks: Iterable[str]) -> int:
        return sum(len(chunk.encode()) for chunk in chunks)


class _Counts:
    """Counts single texts with one vocabulary."""

    __slots__ = ("_encode", "_wire_words", "tag")

    def __init__(self, encoding: tiktoken.Encoding, tag: int) -> None:
        self.tag = bytes((tag,))
        self._encode = encoding.encode_ordinary
        self._wire_words = {word: len(self._encode(word)) for word in _WIRE_WORDS}

    def of_text(self, text: str) -> int:
        """Tokens of a text as one encode would give them; see `pieces` for the one exception."""
        known = self._wire_words.get(text)
        if known is not None:
            return known
        if len(text) <= PIECE:
            return len(self._encode(text))
        return self.of_chunks(chunks_of(text))

    def of_chunks(self, chunks: Iterable[str]) -> int:
        """Tokens of a text that comes in chunks, cut anywhere."""
        tokens = 0
        for piece, is_tokenized in pieces(chunks):
            tokens += len(self._encode(piece)) if is_tokenized else len(piece.encode())
        return tokens


def _count_long(
    counts: _Counts | _Bytes, body: bytes | bytearray, run: Run, start: int, end: int
) -> int:
    """Tokens of one value with long strings."""
    stand_ins = StandIns(body, [span for span in run.long_strings if start <= span[0] < end])
    texts, tokens = run.measure(_decoded(stand_ins.abridged(start, end), start))
    if stand_ins.are_lost(texts):
        texts, tokens = run.measure(_decoded(memoryview(body)[start:end], start))
    for text in texts:
        chunks = stand_ins.chunks(text)
        tokens += counts.of_text(text) if chunks is None else counts.of_chunks(chunks)
    return tokens


class _Memory:
    """A bounded map that forgets what was not asked for in the last `limit / 2` additions.

    Two generations: what is found in the old one moves to the young one; when the young one is
    half of the limit, it becomes the old one.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> int | None:
        tokens = self._young.get(key)
        if tokens is None:
            tokens = self._old.get(key)
            if tokens is not None:
                self.put(key, tokens)
        return tokens

    def put(self, key: bytes, tokens: int) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = tokens


def _decoded(span: bytes | memoryview, at: int) -> object:
    try:
        return orjson.loads(span)
    except orjson.JSONDecodeError:
        raise Refusal(
            INVALID_REQUEST, f"a number is out of range, in the value at byte {at}"
        ) from None
