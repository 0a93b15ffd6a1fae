"""Reads the usage out of a responses answer while it passes.

Only the last event of a stream tells it, beside the whole answer, so it may have many megabytes: a
copy is read, and nothing is held back.
"""

from __future__ import annotations

import re
from typing import Any, Final

from s4fw.core.transcript import Transcript
from s4fw.core.usage import Usage
from s4fw.dialects.account import UsageOf
from s4fw.dialects.listener import Listener
from s4fw.dialects.openai.chains import CHAINS
from s4fw.dialects.openai.transcript import of_item
from s4fw.dialects.openai.usage import usage_of_response

ITEMS_MAX: Final = 64  # of an answer that are looked at: calls of one turn

_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
# Every event that matters holds one of these: the three above, and errors in both forms.
_MARKS: Final = (
    b'"response.completed"', b'"response.incomplete"', b'"response.failed"', b'"error"',
)  # fmt: skip

_NUMBER: Final = re.compile(rb'"sequence_number"[ \t]*:[ \t]*(\d{1,12})')


class Teller:
    """Reads the usage of a response to a request for `model`, and remembers the chain that it ends.

    A chain with web searches is not remembered: some of what was read in it is not billed.
    """

    __slots__ = ("_has_12h", "_model", "_transcript")

    def __init__(self, model: str, has_12h: bool, transcript: Transcript | None = None) -> None:
        """`transcript` is told what the response says: the next request may only name it."""
        self._model = model
        self._has_12h = has_12h
        self._transcript = transcript

    def usage_of(self, response: dict[str, Any]) -> Usage | None:
        """See `usage_of_response`."""
        usage = usage_of_response(response, self._has_12h)
        name = response.get("id")
        output = response.get("output")
        if self._transcript is not None and isinstance(name, str) and isinstance(output, list):
            said = [of_item(item) for item in output[:ITEMS_MAX]]
            self._transcript.answer = name[:128], [item for item in said if item.is_assistant]
        if usage is not None and not usage.web_searches and isinstance(name, str):
            CHAINS.remember(name[:128], self._model, usage.input + usage.output)
        return usage


class ResponseMeter(Listener):
    """The meter of a streamed response."""

    __slots__ = ("_before", "_latest")

    def __init__(self, usage_of: UsageOf) -> None:
        super().__init__(usage_of, _MARKS)
        self._before = b""
        self._latest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        self._before, self._latest = self._latest, chunk
        return super().feed(chunk)

    def hear(self, event: dict[str, Any]) -> None:
        """Account for one event."""
        kind = event.get("type")
        if kind in _LAST:
            self.is_complete = True
            response = event.get("response")
            if isinstance(response, dict):
                self.take(response)
            if kind == "response.failed":
                self.saw_error = True
        elif kind == "error" or event.get("error"):
            self.saw_error = True

    def next_number(self) -> int:
        """The number of the event that would come next, as far as the last chunks tell."""
        numbers = _NUMBER.findall(self._before + self._latest)
        return int(numbers[-1]) + 1 if numbers else 0
