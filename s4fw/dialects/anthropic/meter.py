"""Reads the usage out of a streamed message while it passes.

`message_start` tells the input, its cache split and only a placeholder for the output; every
`message_delta` then tells totals so far, which replace what was told before, member by member.  So
a stream is believed only from the delta that says why it stopped: one that is cut before was billed
for more than it told.
"""

from __future__ import annotations

from typing import Any, Final

from s4fw.dialects.account import UsageOf, text
from s4fw.dialects.listener import Listener

# Every event that is read holds one of these; deltas of content hold none.
_MARKS: Final = (b'"usage"', b'"error"', b'"message_stop"')


class StreamMeter(Listener):
    """The meter of a streamed message; nothing of it is ever held back."""

    __slots__ = ("_has_totals", "_model", "_told")

    def __init__(self, usage_of: UsageOf) -> None:
        super().__init__(usage_of, _MARKS)
        self._model: str | None = None
        self._told: dict[str, Any] = {}  # the usage so far
        self._has_totals = False  # a delta told more than the placeholders of the start

    def hear(self, event: dict[str, Any]) -> None:
        """Account for one event."""
        kind = event.get("type")
        if kind == "message_start":
            message = event.get("message")
            if isinstance(message, dict):
                self._model = text(message.get("model"))
                self._overlay(message.get("usage"))
        elif kind == "message_delta":
            self._has_totals |= self._overlay(event.get("usage"))
            delta = event.get("delta")
            if isinstance(delta, dict) and delta.get("stop_reason") is not None:
                self._believe()
        elif kind == "message_stop":
            self.is_complete = True
            self._believe()
        elif kind == "error" or event.get("error"):
            self.saw_error = True

    def _overlay(self, usage: Any) -> bool:
        """Note what an event tells; says whether it told anything."""
        if usage is None:
            return False
        if not isinstance(usage, dict):
            self.is_implausible = True
            return False
        for name, value in usage.items():
            if value is not None:
                self._told[name] = value
        return True

    def _believe(self) -> None:
        if self._has_totals:
            self.take({"model": self._model, "usage": self._told})
