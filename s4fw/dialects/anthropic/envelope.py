"""Refusals and broken streams in Anthropic's error envelope.

`{"type": "error", "error": {type, message}, "request_id"}`; the SDKs raise their typed exception by
status, print the message and keep the whole body, so ours stands in the inner object under `s4fw`.
Anthropic's own `details.error_code` values are left alone: callers would take us for its billing.
"""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.core.verdict import Block
from s4fw.errors import Code, Retry, Source

_TYPE_BY_CODE = {"budget_exceeded": "billing_error"}
_TYPE_BY_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_TYPE_BY_SOURCE = {
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
    return {"type": kind, "message": f"S4 Firewall: {message}"}


def refusal(block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of one block."""
    code = block.code
    error = _error(code, f"{block.message} (request {request_id})")
    error["s4fw"] = {
        "decision": "block",
        "code": code.name,
        "request_id": request_id,
        **block.detail,
    }
    headers = [
        ("content-type", "application/json"),
        ("request-id", request_id),
        ("x-s4fw-decision", "block"),
        ("x-s4fw-reason", code.name),
        ("x-s4fw-request-id", request_id),
    ]
    if code.retry is Retry.NEVER:
        headers.append(("x-should-retry", "false"))
    elif code.retry is Retry.LATER:
        headers.append(("retry-after", str(block.retry_after_s or 1)))
        if block.retry_after_ms is not None:
            headers.append(("retry-after-ms", str(block.retry_after_ms)))
    if code.status == 401:
        headers.append(("www-authenticate", 'Bearer realm="s4fw"'))
    if block.allow is not None:
        headers.append(("allow", block.allow))
    body = {"type": "error", "error": error, "request_id": request_id}
    return code.status, headers, orjson.dumps(body)


def error_event(code: Code, message: str) -> bytes:
    """One SSE event that makes the SDKs raise; they pass over events without an `event` line, and
    a stream that is only cut raises nothing in most of them."""
    data = orjson.dumps({"type": "error", "error": _error(code, message)})
    return b"event: error\ndata: " + data + b"\n\n"
