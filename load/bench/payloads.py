"""The bytes that pass: requests as SDKs send them, and what the upstream answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY = "s4-bench-4c1f0a7be2d94f13a9e0"
KEY_SHA256 = hashlib.sha256(KEY.encode()).hexdigest()
MODEL = "gpt-4o"
PATH = "/v1/chat/completions"
NEW = "@new@"  # stands where each request has text that no request had before

HEADERS = {
    "authorization": f"Bearer {KEY}",
    "content-type": "application/json",
    "accept": "application/json",
    "user-agent": "OpenAI/Python 1.99.0",
    "x-s4fw-tenant": "acme",
    "x-s4fw-feature": "support",
    "x-s4fw-session": "session-00000",
}

_PROSE = (
    "The order was shipped on Tuesday and the carrier reported a failed delivery on Thursday, "
    "because nobody was at the address; the parcel waits at the depot for seven days. "
)
ASKED = (
    "Where is my order 40417? I was told it would arrive on Monday, it is Friday now, and the "
    "tracking page still says that the parcel is being prepared. Can you find out what happened, "
    "and either send it again or give me the money back?"
)


def prose(length: int) -> str:
    """English text of that many characters."""
    return (_PROSE * (length // len(_PROSE) + 1))[:length]


def _body(messages: list[dict[str, str]], **fields: Any) -> str:
    return json.dumps(
        {"model": MODEL, "max_completion_tokens": 256, **fields, "messages": messages},
        separators=(",", ":"),
    )


def _system(length: int) -> dict[str, str]:
    return {"role": "system", "content": prose(length)}


def chat(text: str = ASKED) -> str:
    """A request of 0.7 kB."""
    return _body([_system(310), {"role": "user", "content": text}], temperature=0.2)


def chat_new() -> str:
    """The same, whose question nobody asked before."""
    return chat(f"{NEW} {ASKED}")


def transcript(bytes_wanted: int = 100_000) -> str:
    """An agent's transcript: the tools' answers and its own steps before, one new turn at the end.

    Steps of 0.5 kB and answers of 1.5 kB; the last turn is an answer of 0.5 kB.
    """
    messages = [_system(2000)]
    size = 2000
    while size < bytes_wanted - 600:
        length, role = (1500, "user") if len(messages) % 2 else (500, "assistant")
        messages.append({"role": role, "content": f"step {len(messages)}: {prose(length)}"})
        size += length + 50
    messages.append({"role": "user", "content": f"{NEW} {prose(480)}"})
    return _body(messages)


def big(bytes_wanted: int, nonce: str) -> bytes:
    """A huge request of messages of 2 kB that nobody sent before, answered by a short stream."""
    head = {"role": "system", "content": nonce}
    messages = [
        {"role": "user", "content": f"{nonce} {n}: {prose(1950)}"}
        for n in range((bytes_wanted - 500) // 2048)
    ]
    return _body([head, *messages], **_paced(1, 1)).encode()


def _paced(chunks: int, every_ms: int) -> dict[str, Any]:
    return {"stream": True, "metadata": {"chunks": str(chunks), "every_ms": str(every_ms)}}


def http(body: bytes, path: str = PATH) -> bytes:
    """A whole request over HTTP/1.1."""
    fields = {"host": "127.0.0.1", **HEADERS, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


USAGE = {
    "prompt_tokens": 151,
    "completion_tokens": 42,
    "total_tokens": 193,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_HEAD = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "created": 1_741_569_952,
    "model": "gpt-4o-2024-08-06",
}

COMPLETION = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": prose(120), "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "service_tier": "default",
    },
    separators=(",", ":"),
)


def event(delta: dict[str, str] | None) -> bytes:
    """One event of a stream: a delta, or the usage and the end."""
    document: dict[str, Any] = {**_HEAD, "object": "chat.completion.chunk"}
    document["choices"] = [] if delta is None else [{"index": 0, "delta": delta}]
    document["usage"] = USAGE if delta is None else None
    text = f"data: {json.dumps(document, separators=(',', ':'))}\n\n"
    return (text + "data: [DONE]\n\n" if delta is None else text).encode()
