"""Reads the events of a stream that passes untouched, byte for byte and at once.

Only chunks in which one of a few marks stands are cut into events: inside a JSON string a quote is
always escaped, so a mark with its quotes cannot be text that a model wrote.  What has not ended is
kept as a copy; nothing is ever held back from the caller.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import orjson

from s4fw.dialects.account import Account, UsageOf
from s4fw.dialects.sse import EventCutter, data_of


class Listener(Account, ABC):
    """The base of meters of server-sent events.  `marks` are bytes of which every event that
    matters holds one, wherever a chunk is cut."""

    __slots__ = ("_events", "_is_dirty", "_marks")

    def __init__(self, usage_of: UsageOf, marks: tuple[bytes, ...]) -> None:
        super().__init__(usage_of)
        self._marks = marks
        self._events = EventCutter()
        self._is_dirty = False  # the cutter holds the beginning of an event

    @abstractmethod
    def hear(self, event: dict[str, Any]) -> None:
        """Account for the data of one event that holds a mark."""

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        if (
            not self._is_dirty
            and chunk.endswith((b"\n\n", b"\r\n\r\n"))
            and not self._is_marked(chunk)
        ):
            return chunk
        if not self._events.is_overfull:
            for event in self._events.feed(chunk):
                self._hear_bytes(event)
            self._is_dirty = self._events.held > 0
        return chunk

    def end(self) -> bytes:
        """The upstream closed the stream: its last event may lack the blank line."""
        self._hear_bytes(self._events.rest())
        self._is_dirty = False
        return b""

    def _is_marked(self, data: bytes) -> bool:
        return any(mark in data for mark in self._marks)

    def _hear_bytes(self, event: bytes) -> None:
        if not self._is_marked(event):
            return
        try:
            data = orjson.loads(data_of(event))
        except orjson.JSONDecodeError:
            return
        if isinstance(data, dict):
            self.hear(data)
