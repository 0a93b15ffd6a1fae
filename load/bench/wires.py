"""The streams of each wire shape: what is asked, and the bytes of each of its chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from load.bench import payloads
from s4fw.dialects import eventstream

CLAUDE = "claude-opus-5"
CLAUDE_ON_BEDROCK = "anthropic.claude-opus-5"


@dataclass(frozen=True, slots=True)
class Wire:
    """One shape.  `first` holds one chunk too; `chunk` stands once in each, `end` in the last."""

    path: str
    content_type: bytes
    first: bytes
    next: bytes
    last: bytes
    chunk: bytes
    end: bytes
    fields: dict[str, Any]  # of the request, beside its pace
    pace_in: str  # the field that says how many chunks, how far apart

    def request(self, chunks: int, every_ms: int) -> bytes:
        """A streamed request that the pacer answers with so many chunks."""
        pace = {self.pace_in: {"chunks": str(chunks), "every_ms": str(every_ms)}}
        body = json.dumps({**self.fields, **pace}, separators=(",", ":")).encode()
        return payloads.http(body, self.path)


def _named(kind: str, **fields: Any) -> bytes:
    """An event of Anthropic's."""
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _anthropic_delta(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return _named("content_block_delta", index=0, delta=delta)


_STARTED: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 151, "output_tokens": 1},
}

_USER = [{"role": "user", "content": payloads.ASKED}]

ANTHROPIC = Wire(
    path="/v1/messages",
    content_type=b"text/event-stream; charset=utf-8",
    first=_named("message_start", message=_STARTED)
    + _named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + _anthropic_delta("The"),
    next=_anthropic_delta(" parcel"),
    last=_named("content_block_stop", index=0)
    + _named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 42})
    + _named("message_stop"),
    chunk=b'"text_delta"',
    end=b'"message_stop"',
    fields={
        "model": CLAUDE,
        "max_tokens": 256,
        "stream": True,
        "system": payloads.prose(310),
        "messages": _USER,
    },
    pace_in="metadata",
)


def _frame(kind: str, **fields: Any) -> bytes:
    return eventstream.event(kind, json.dumps(fields, separators=(",", ":")).encode())


def _converse_delta(text: str) -> bytes:
    return _frame("contentBlockDelta", contentBlockIndex=0, delta={"text": text}, p="abcdefgh")


BEDROCK = Wire(
    path=f"/model/{CLAUDE_ON_BEDROCK}/converse-stream",
    content_type=b"application/vnd.amazon.eventstream",
    first=_frame("messageStart", role="assistant") + _converse_delta("The"),
    next=_converse_delta(" parcel"),
    last=_frame("contentBlockStop", contentBlockIndex=0)
    + _frame("messageStop", stopReason="end_turn")
    + _frame(
        "metadata",
        usage={"inputTokens": 151, "outputTokens": 42, "totalTokens": 193},
        metrics={"latencyMs": 812},
    ),
    chunk=b'"delta"',
    end=b"totalTokens",
    fields={
        "inferenceConfig": {"maxTokens": 256},
        "system": [{"text": payloads.prose(310)}],
        "messages": [{"role": "user", "content": [{"text": payloads.ASKED}]}],
    },
    pace_in="requestMetadata",
)

OPENAI = Wire(
    path=payloads.PATH,
    content_type=b"text/event-stream; charset=utf-8",
    first=payloads.event({"role": "assistant", "content": ""}),
    next=payloads.event({"content": " parcel"}),
    last=payloads.event(None),
    chunk=b'"delta"',
    end=b"[DONE]",
    fields={
        "model": payloads.MODEL,
        "max_completion_tokens": 256,
        "stream": True,
        "messages": [{"role": "system", "content": payloads.prose(310)}, *_USER],
    },
    pace_in="metadata",
)

WIRES = {wire.path.encode(): wire for wire in (OPENAI, ANTHROPIC, BEDROCK)}
