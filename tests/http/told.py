"""What a row about an answer is, and the answers they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from tests.http.rows import shown

USAGE = b'{"usage":{"prompt_tokens":10,"completion_tokens":5}}'
STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n'
    b"data: [DONE]\n\n"
)


class End(Enum):
    """How an exchange must end for the caller and in the books."""

    PAID = "its answer arrives, charged by its usage"
    BLIND = "its answer arrives, charged at worst case: no usage to trust"
    BAD = "502, charged at worst case: unreadable"
    CUT = "502, charged at worst case: incomplete"
    BROKEN = "what arrived, then no clean end, charged at worst case"


class AnswerRow(NamedTuple):
    """One answer: `data`, then the upstream closes."""

    id: str
    data: bytes
    end: End
    why: str
    status: int = 200
    is_stream: bool = False


def answer(
    *fields: bytes,
    line: bytes = b"HTTP/1.1 200 OK",
    framing: bytes = b"",
    body: bytes = USAGE,
    kind: bytes = b"application/json",
) -> bytes:
    """A plain answer with one thing changed."""
    framing = framing or b"Content-Length: %d" % len(body)
    return b"\r\n".join([line, b"Content-Type: " + kind, *fields, framing]) + b"\r\n\r\n" + body


def stream(body: bytes, *fields: bytes) -> bytes:
    """A streamed answer that ends by closing the connection."""
    head = [b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def told_family(
    name: str,
    why: str,
    end: End,
    inputs: Iterable[tuple[bytes, bytes]],
    *,
    status: int = 200,
    is_stream: bool = False,
) -> list[AnswerRow]:
    return [
        AnswerRow(f"{name}-{n}:{shown(tried)}", data, end, why, status, is_stream)
        for n, (tried, data) in enumerate(inputs)
    ]
