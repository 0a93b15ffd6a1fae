"""Refusals and broken streams in Anthropic's error envelope.

`{"type": "error", "error": {type, message}, "request_id"}`; the SDKs raise their typed exception by
status, print the message and keep the whole body, so ours stands in the inner object under `s4fw`.
Anthropic's own `details.error_code` values are left alone: callers would take us for its billing.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from s4fw.core.verdict import Block
from s4fw.dialects import blocks
from s4fw.errors import Code, Source

_TYPE_BY_CODE: Final = {"budget_exceeded": "billing_error"}
_TYPE_BY_STATUS: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_TYPE_BY_SOURCE: Final = {
    Source.DOWNSTREAM: "invalid_request_error",
    Source.POLICY: "permission_error",
    Source.UPSTREAM: "api_error",
    Source.INTERNAL: "api_error",
}


def _error(code: Code, message: str) -> dict[str, Any]:
    kind = (
        _TYPE_BY_CODE.get(code.name)
        or _TYPE_BY_STATUS.get(code.status)
        or _TYPE_BY_SOURCE[code.source]
    )
    return {"type": kind, "message": message}


def refusal(block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of one block."""
    code = block.code
    error = _error(code, blocks.sentence(block, request_id))
    error["s4fw"] = blocks.part(block, request_id)
    headers = blocks.head(block, request_id, [("request-id", request_id)], "retry-after-ms")
    if code.status == 401:
        headers.append(("www-authenticate", 'Bearer realm="s4fw"'))
    body = {"type": "error", "error": error, "request_id": request_id}
    return code.status, headers, orjson.dumps(body)


def error_event(code: Code, message: str) -> bytes:
    """One SSE event that makes the SDKs raise; they pass over events without an `event` line, and
    a stream that is only cut raises nothing in most of them."""
    data = orjson.dumps({"type": "error", "error": _error(code, blocks.PREFIX + message)})
    return b"event: error\ndata: " + data + b"\n\n"
