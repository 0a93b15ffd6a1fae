"""What a row of the HTTP families is, and the requests they are made of.

A family is a rule with the inputs that it decides: the rule is written once, the rows follow.  A
row says what must be answered, in order, and how many requests may reach the upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

KEY = b"sk-caller-0123456789"
MARK = b"c-00000"  # replaced by the number of the delivery, so that forwarded bytes tell their row
BODY = b'{"model":"mock-small","max_tokens":1,"messages":[],"user":"%b"}' % MARK
POST = b"POST /v1/chat/completions HTTP/1.1"
HOST = b"Host: fw.test"
AUTH = b"Authorization: Bearer " + KEY
CHUNKED = b"Transfer-Encoding: chunked"
HEX = b"%x" % len(BODY)
CHUNKS = HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n"


class Row(NamedTuple):
    """One delivery.  `answers` are the final statuses in order; after one of `ENDS` the connection
    must be closed.  `is_whole` says that the caller has sent all it will: it half-closes."""

    id: str
    raw: bytes
    answers: tuple[int, ...]
    why: str
    forwarded: int = -1  # as many as were answered with 200, unless said
    is_whole: bool = False
    alternatives: tuple[int, ...] = ()  # other statuses the last answer may have

    @property
    def is_refused(self) -> bool:
        """Whether it ends with a refusal that closes the connection."""
        return self.answers[-1] >= 400

    @property
    def reaching(self) -> int:
        """How many requests may reach the upstream."""
        return self.answers.count(200) if self.forwarded < 0 else self.forwarded


def length(body: bytes = BODY) -> bytes:
    """The usual framing."""
    return b"Content-Length: %d" % len(body)


def request(
    *fields: bytes,
    line: bytes = POST,
    host: bytes | None = HOST,
    auth: bytes | None = AUTH,
    framing: bytes | None = None,
    body: bytes = BODY,
) -> bytes:
    """A chat request with one thing changed; without `framing` it has a Content-Length."""
    framing = length(body) if framing is None else framing
    lines = [line, host, auth, b"Content-Type: application/json", *fields, framing]
    return b"\r\n".join(part for part in lines if part) + b"\r\n\r\n" + body


def chunked(body: bytes, *fields: bytes) -> bytes:
    """A chat request with this chunked body."""
    return request(*fields, framing=CHUNKED, body=body)


GOOD = request()


def shown(data: bytes) -> str:
    """Bytes as part of a row's name."""
    text = "".join(chr(b) if 32 < b < 127 and b not in b"[]" else f"\\x{b:02x}" for b in data)
    return text[:40] or "empty"


def family(
    name: str,
    why: str,
    answers: tuple[int, ...],
    inputs: Iterable[tuple[bytes, bytes]],
    *,
    forwarded: int = -1,
    is_whole: bool = False,
    alternatives: tuple[int, ...] = (),
) -> list[Row]:
    """The rows of a rule: inputs are (what is tried, the raw request)."""
    return [
        Row(f"{name}-{n}:{shown(tried)}", raw, answers, why, forwarded, is_whole, alternatives)
        for n, (tried, raw) in enumerate(inputs)
    ]
