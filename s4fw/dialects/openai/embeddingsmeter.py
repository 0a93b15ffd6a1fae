"""Reads the usage out of an embeddings answer while it passes.

An answer may have a hundred megabytes of numbers, and no text of anybody's: beyond a size it is
not kept and not parsed, and its usage is found by its name at the end, where it stands.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from s4fw.dialects.account import Account
from s4fw.dialects.openai.usage import usage_of_embeddings

WHOLE_BYTES_MAX: Final = 1024 * 1024  # an answer up to this size is parsed
_TAIL_BYTES: Final = 4096

_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_MODEL: Final = re.compile(rb'"model"\s*:\s*"([A-Za-z0-9._:/@-]{1,256})"')


class EmbeddingsMeter(Account):
    """The meter of embeddings."""

    __slots__ = ("_body", "_is_whole")

    def __init__(self) -> None:
        super().__init__(usage_of_embeddings)
        self._body = bytearray()  # all of it, or the end of it
        self._is_whole = True

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        self._body += chunk
        if len(self._body) > WHOLE_BYTES_MAX:
            self._is_whole = False
            del self._body[:-_TAIL_BYTES]
        return chunk

    def end(self) -> bytes:
        """The body is whole: read its usage."""
        answer = self._parsed() if self._is_whole else self._found()
        if answer is not None:
            self.is_complete = True
            self.take(answer)
        self._body.clear()
        return b""

    def _parsed(self) -> dict[str, Any] | None:
        try:
            answer = orjson.loads(self._body)
        except orjson.JSONDecodeError:
            return None
        return answer if isinstance(answer, dict) else None

    def _found(self) -> dict[str, Any] | None:
        """What the end of a long answer says."""
        body = bytes(self._body)
        told = list(_USAGE.finditer(body))
        if not told or not body[told[-1].end() :].rstrip().endswith(b"}"):
            return None
        try:
            usage = orjson.loads(told[-1][1])
        except orjson.JSONDecodeError:
            return None
        models = _MODEL.findall(body)
        return {"usage": usage, "model": models[-1].decode() if models else None}
