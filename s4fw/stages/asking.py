"""Asking: the provider's own count of an input, before the request is admitted.

The question goes out through the proxy, to the upstream of the request and with the same
credential.  A count is remembered by a hash of the question; no content is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.dialects import counting
from s4fw.dialects.counting import Question

REMEMBERED_MAX: Final = 10_000

# Providers call their counts estimates that may be off "by a small amount": so much is added.
_PART, _FLAT = 64, 16

# Sends a question to the upstream of a request: (exchange, path, body) to the body of its answer;
# None where it is not answered in time, or refused.  Given by the process that has sockets.
Fetch = Callable[[Exchange, bytes, bytes], Awaitable[bytes | None]]

_QUESTIONS: Final = COUNTER_INDEX["input_questions"]
_UNANSWERED: Final = COUNTER_INDEX["input_unanswered"]


class Asking:
    """`stages.inputs.Ask`, for one worker."""

    def __init__(self, fetch: Fetch, counters: memoryview) -> None:
        self._fetch = fetch
        self._counters = counters
        self._remembered: dict[bytes, int] = {}

    def ask(self, x: Exchange) -> int | Awaitable[int | None] | None:
        """The bound of the input by the provider's count, now or later; None where it cannot be
        asked."""
        question = counting.question(x)
        if question is None:
            return None
        digest = hashlib.blake2b(x.upstream.encode(), digest_size=16)
        digest.update(b"\0" + question.path + b"\0")
        digest.update(question.body)
        key = digest.digest()
        known = self._remembered.get(key)
        return known if known is not None else self._asked(x, question, key)

    async def _asked(self, x: Exchange, question: Question, key: bytes) -> int | None:
        self._counters[_QUESTIONS] += 1
        body = await self._fetch(x, question.path, question.body)
        tokens = None if body is None else counting.answer(body)
        if tokens is None:
            self._counters[_UNANSWERED] += 1
            return None
        bound = tokens + tokens // _PART + _FLAT
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[key] = bound
        return bound
