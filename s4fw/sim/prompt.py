"""How many tokens a prompt has, and how many of them the provider still had in its cache.

Each API cuts a prompt into pieces in the order in which the model sees them and says how a piece
is measured (`Reading`).  The counter remembers every piece, so a transcript that is sent again
costs only what is new.  There are two kinds of cache:

- implicit (OpenAI): a prefix of whole pieces that was sent before to the same model is found
  again, in steps of 128 tokens.  Source: OpenAI, "Prompt caching", 2026-11.
- by marks (Anthropic, Bedrock): a prefix is kept where a piece is marked, for 5 minutes or an hour;
  what the request marks and was not found is written.  Nothing is forgotten by time.

Both want at least 1,024 tokens, unless the control API says otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import orjson

from s4fw.core.request import Measure, Run
from s4fw.tokens import TokenCounter

PREFIXES_MAX = 65_536
CACHED_TOKENS_MIN = 1_024
CACHED_TOKENS_STEP = 128


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of a prompt: `cached` of them were found in the cache, `written` went into it (for
    as short as the provider keeps things), and `written_1h` for an hour."""

    tokens: int
    cached: int
    written: int
    written_1h: int = 0

    @property
    def uncached(self) -> int:
        """Tokens that are billed as plain input."""
        return self.tokens - self.cached - self.written - self.written_1h

    def with_cached(self, cached: int | None) -> Counted:
        """The same prompt with as many tokens in the cache as an order says."""
        if cached is None:
            return self
        cached = min(cached, self.tokens)
        written_1h = min(self.written_1h, self.tokens - cached)
        written = min(self.written, self.tokens - cached - written_1h)
        return replace(self, cached=cached, written=written, written_1h=written_1h)


@dataclass(frozen=True, slots=True)
class Piece:
    """One JSON value of a prompt; `keep` marks the prefix that ends here: "5m", "1h" or ""."""

    kind: str
    value: Any
    keep: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the prompts of one API are counted: `measure` gets {kind: value} of a piece."""

    name: bytes
    base: int
    measure: Measure
    is_marked: bool = False


class Prompts:
    """Counts prompts and plays the prompt cache of one simulator."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()
        self.is_caching = True
        self.cached_tokens_min = CACHED_TOKENS_MIN

    def count(self, model: str, reading: Reading, pieces: Iterable[Piece]) -> Counted:
        """Count a prompt and remember its prefixes."""
        encoding = self._encoding(model)
        chain = blake2b(reading.name + model.encode(), digest_size=16)
        tokens = reading.base
        ends: list[tuple[int, bytes, str]] = []
        for piece in pieces:
            raw = orjson.dumps({piece.kind: piece.value})
            tokens += self._tokens(encoding, reading.name, raw, reading.measure)
            chain.update(raw)
            ends.append((tokens, chain.digest(), piece.keep))
        if not self.is_caching:
            return Counted(tokens, 0, 0)
        if reading.is_marked:
            return self._marked(tokens, ends)
        return self._implicit(tokens, reading.base, ends)

    def tokens(self, model: str, reading: Reading, pieces: Iterable[Piece]) -> int:
        """Count a prompt and leave the cache alone."""
        encoding = self._encoding(model)
        raws = (orjson.dumps({piece.kind: piece.value}) for piece in pieces)
        counts = (self._tokens(encoding, reading.name, raw, reading.measure) for raw in raws)
        return reading.base + sum(counts)

    def forget(self) -> None:
        """Empty the prompt cache and let it work as it did at first."""
        self._prefixes.clear()
        self.is_caching = True
        self.cached_tokens_min = CACHED_TOKENS_MIN

    def text_tokens(self, model: str, text: str) -> int:
        """Count one text as the model would."""
        raw = orjson.dumps(text)
        return self._tokens(self._encoding(model), b"text", raw, lambda value: ([value], 0))

    def length(self, model: str, text: str | list[int]) -> int:
        """Count a text, or tokens that the caller has counted already."""
        return self.text_tokens(model, text) if isinstance(text, str) else len(text)

    def _encoding(self, model: str) -> str:
        return self._counter.encoding_for(model) or "o200k_base"

    def _tokens(self, encoding: str, name: bytes, raw: bytes, measure: Measure) -> int:
        digest = blake2b(raw, digest_size=16).digest()
        run = Run(b"sim" + name, [(0, len(raw))], [digest], measure)
        tokens, at = self._counter.seek(encoding, run)
        return tokens if at else self._counter.count(encoding, raw, run, 0, 0)

    def _implicit(self, tokens: int, base: int, ends: list[tuple[int, bytes, str]]) -> Counted:
        cached, is_known = 0, True
        for end, digest, _ in ends:
            is_known = is_known and digest in self._prefixes
            if is_known:
                cached = end - base
            self._remember(digest)
        cached = self._cacheable(cached)
        return Counted(tokens, cached, max(0, self._cacheable(tokens) - cached))

    def _marked(self, tokens: int, ends: list[tuple[int, bytes, str]]) -> Counted:
        marks = [end for end in ends if end[2] and end[0] >= self.cached_tokens_min]
        if not marks:
            return Counted(tokens, 0, 0)
        last = marks[-1][0]
        found = [end for end, digest, _ in ends if end <= last and digest in self._prefixes]
        at = cached = max(found, default=0)
        written = {"5m": 0, "1h": 0}
        for end, digest, keep in marks:
            written[keep] += max(0, end - at)
            at = max(at, end)
            self._remember(digest)
        return Counted(tokens, cached, written["5m"], written["1h"])

    def _remember(self, digest: bytes) -> None:
        self._prefixes[digest] = None
        self._prefixes.move_to_end(digest)
        if len(self._prefixes) > PREFIXES_MAX:
            self._prefixes.popitem(last=False)

    def _cacheable(self, tokens: int) -> int:
        return tokens - tokens % CACHED_TOKENS_STEP if tokens >= self.cached_tokens_min else 0


def minified(value: Any) -> str:
    """A value as the shortest JSON: what is counted of a schema."""
    return orjson.dumps(value).decode()
