"""Refusals and broken streams in OpenAI's error envelope.

`{"error": {message, type, param, code}}`; the SDKs raise their typed exception by status and keep
further members of the inner object in `e.body`, so ours stand there under `s4fw`.
A hard block is never 429: every client retries that (measured with openai-python, -node, others).
"""

from __future__ import annotations

from typing import Any

import orjson

from s4fw.core.verdict import Block
from s4fw.errors import Code, Retry, Source

_TYPE_BY_CODE = {
    "budget_exceeded": "insufficient_quota",
    "invalid_api_key": "authentication_error",
}
_TYPE_BY_SOURCE = {
    Source.DOWNSTREAM: "invalid_request_error",
    Source.POLICY: "policy_violation",
    Source.UPSTREAM: "server_error",
    Source.INTERNAL: "server_error",
}


def _error(code: Code, message: str) -> dict[str, Any]:
    kind = _TYPE_BY_CODE.get(code.name) or _TYPE_BY_SOURCE[code.source]
    return {"message": f"S4 Firewall: {message}", "type": kind, "param": None, "code": code.name}


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
        ("x-request-id", request_id),
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
    return code.status, headers, orjson.dumps({"error": error})


def error_event(code: Code, message: str) -> bytes:
    """One SSE event that makes the SDK raise; a stream that is only cut raises nothing in it."""
    return b"data: " + orjson.dumps({"error": _error(code, message)}) + b"\n\n"


def numbered_error_event(code: Code, message: str, number: int) -> bytes:
    """The same for a stream of a response, whose events are typed and numbered."""
    event = {
        "type": "error",
        "code": code.name,
        "message": f"S4 Firewall: {message}",
        "param": None,
        "sequence_number": number,
    }
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
