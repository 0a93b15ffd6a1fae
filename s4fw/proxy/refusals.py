"""Answers of our own: refusals in the dialect's envelope, health, whole answers of stages."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from s4fw import dialects
from s4fw.core.exchange import Exchange
from s4fw.core.verdict import Answer, Block
from s4fw.dialects import NO_HEADERS
from s4fw.proxy import headers
from s4fw.proxy.head import Head

CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def compose(
    status: int,
    fields: Iterable[tuple[str, str]],
    body: bytes,
    *,
    extra: bytes = b"",
    connection: bytes = b"",
    is_head: bool = False,
) -> bytes:
    """One whole answer as it goes on the wire.  `connection` is a header line or nothing."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return b"".join(
        (
            headers.status_line(status),
            lines.encode("latin-1", "replace"),
            extra,
            connection,
            b"content-length: %d\r\n\r\n" % len(body),
            b"" if is_head else body,
        )
    )


def refusal(x: Exchange, block: Block, connection: bytes) -> bytes:
    """A block of an exchange.  Call after `finish`, so that it can say what was charged."""
    status, fields, body = x.route.dialect.refusal(block, x.request_id)
    held = x.quote_nusd if x.is_sent else 0
    told = [field for field in fields if field[0] != "x-s4fw-request-id"]
    extra = headers.governed(x, held)
    if x.budget_id is None:
        extra += headers.refusing(block.detail)
    return compose(status, told, body, extra=extra, connection=connection)


def early_refusal(head: Head | None, block: Block, connection: bytes = CLOSE) -> bytes:
    """A refusal before there is an exchange; the connection closes after it, unless the request's
    body was read.  Without a head it is in the shape that most clients read."""
    request_id = "fw_" + os.urandom(16).hex()
    path, given = (b"/", NO_HEADERS) if head is None else (head.begun.below, head.headers)
    status, fields, body = dialects.refusal_for(path, block, request_id, given)
    is_head = head is not None and head.method == b"HEAD"
    return compose(status, fields, body, connection=connection, is_head=is_head)


def own(x: Exchange, answer: Answer, connection: bytes) -> bytes:
    """A complete answer that a stage gave."""
    extra = headers.decision(x) + headers.governed(x, x.quote_nusd)
    return compose(answer.status, answer.headers, answer.body, extra=extra, connection=connection)


def probed(connection: bytes) -> bytes:
    """The answer to a HEAD that only asks whether anybody is here."""
    return compose(200, (), b"", connection=connection)


HEALTH_PATHS: Final = frozenset({b"/healthz", b"/readyz"})

_TEXT: Final = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]


def health(path: bytes, method: bytes, is_ready: bool, connection: bytes) -> bytes:
    """The answer to a health check: fixed bodies, no figures."""
    if method not in (b"GET", b"HEAD"):
        return compose(405, [*_TEXT, ("allow", "GET, HEAD")], b"", connection=connection)
    if path == b"/healthz":
        status, body = 200, b"ok\n"
    else:
        status, body = (200, b"ready\n") if is_ready else (503, b"not ready\n")
    return compose(status, _TEXT, body, connection=connection, is_head=method == b"HEAD")
