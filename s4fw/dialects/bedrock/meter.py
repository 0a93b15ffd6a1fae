"""Reads the usage out of Bedrock's answers while they pass, byte for byte and at once.

A streamed Converse tells its usage in `metadata`, its last event.  A streamed invoke has the
model's own events in base64, of which the last one carries Bedrock's metrics; Claude's own events
say more, how long what was cached is kept, so they are believed before the metrics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import orjson

from s4fw.core.usage import Usage
from s4fw.dialects.account import Account, DocumentMeter, UsageOf
from s4fw.dialects.anthropic.meter import StreamMeter
from s4fw.dialects.bedrock import usage
from s4fw.dialects.eventstream import Frame, FrameCutter

# In a header of a frame: a string of 17 bytes.  No JSON holds these control characters.
_DELTA: Final = b"\x07\x00\x11contentBlockDelta"
_METRICS: Final = b'"' + usage.METRICS.encode() + b'"'
# Marks of the native events that are read; inside a text a quote is always escaped.
_MARKS: Final = (_METRICS, b'"usage"', b'"error"', b'"message_stop"')


class FrameMeter(Account, ABC):
    """The base of meters of event streams."""

    __slots__ = ("_frames",)

    def __init__(self, usage_of: UsageOf) -> None:
        super().__init__(usage_of)
        self._frames = FrameCutter()

    @abstractmethod
    def hear(self, kind: str, payload: dict[str, Any]) -> None:
        """Account for one event of that type."""

    @property
    def missing(self) -> int:
        """Bytes that the caller would need for the frame that has begun; 0 between two frames."""
        return self._frames.missing

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; it is passed on as it is."""
        for frame in self._frames.feed(chunk):
            if _DELTA not in frame.raw:
                self._hear_frame(frame)
        return chunk

    def end(self) -> bytes:
        """The upstream closed the stream.  Nothing is ever held back."""
        return b""

    def _hear_frame(self, frame: Frame) -> None:
        try:
            headers = frame.headers()
            if headers.get(":message-type") != "event":  # an exception, or an error without a model
                self.saw_error = True
                return
            payload = orjson.loads(frame.payload)
        except ValueError:
            return
        if isinstance(payload, dict):
            self.hear(headers.get(":event-type", ""), payload)


class ConverseStreamMeter(FrameMeter):
    """The meter of a streamed Converse."""

    __slots__ = ()

    def __init__(self, cache: int) -> None:
        super().__init__(usage.converse(cache))

    def hear(self, kind: str, payload: dict[str, Any]) -> None:
        """The last event, after `messageStop`, has the usage."""
        if kind == "metadata":
            self.take(payload)
            self.is_complete = True


class InvokeStreamMeter(FrameMeter):
    """The meter of a streamed invoke.  `claude` reads Claude's own events, None for others."""

    __slots__ = ("_cache", "_claude")

    def __init__(self, cache: int, claude: StreamMeter | None) -> None:
        super().__init__(_nothing)
        self._cache = cache
        self._claude = claude

    def hear(self, kind: str, payload: dict[str, Any]) -> None:
        """Every event holds one native event, in base64."""
        encoded = payload.get("bytes")
        if kind != "chunk" or not isinstance(encoded, str):
            return
        try:
            native = b64decode(encoded)
            event = orjson.loads(native) if any(mark in native for mark in _MARKS) else None
        except ValueError:
            return
        if isinstance(event, dict):
            self._hear_native(event)

    def _hear_native(self, event: dict[str, Any]) -> None:
        claude = self._claude
        if claude is not None:
            claude.hear(event)
            self.saw_error |= claude.saw_error
            self.is_implausible |= claude.is_implausible
            self.is_complete |= claude.is_complete
            if claude.usage is not None:
                self.usage = without_model(claude.usage)
        metrics = event.get(usage.METRICS)
        if metrics is None:
            return
        self.is_complete = True
        try:
            told = usage.of_metrics(metrics, self._cache)
        except ValueError:
            self.is_implausible |= self.usage is None
            return
        self.usage = self.usage or told


class InvokeMeter(DocumentMeter):
    """The meter of an invoke that is answered at once.

    What the head tells holds until the body says more: `usage_of` reads the body.
    """

    __slots__ = ()

    def __init__(
        self, cache: int, fields: Mapping[bytes, bytes], usage_of: UsageOf, *, is_claude: bool
    ) -> None:
        told = usage.of_fields(fields, cache)
        super().__init__(_nothing if told is not None and not is_claude else usage_of)
        self.usage = told

    def end(self) -> bytes:
        """The body is whole."""
        rest = super().end()
        if self.usage is not None:
            without_model(self.usage)
        return rest


def _nothing(answer: dict[str, Any]) -> Usage | None:
    return None


def without_model(told: Usage) -> Usage:
    """Forget the name that a body gives the model: it lacks the geography, which has a price."""
    told.model = None
    for other in told.others:
        other.model = None
    return told
