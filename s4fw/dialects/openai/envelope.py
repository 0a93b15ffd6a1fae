"""Refusals and broken streams in OpenAI's error envelope.

`{"error": {message, type, param, code}}`; the SDKs raise their typed exception by status and keep
further members of the inner object in `e.body`, so ours stand there under `s4fw`.
A hard block is never 429: every client retries that (measured with openai-python, -node, others).
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from s4fw.core.verdict import Block
from s4fw.dialects import blocks
from s4fw.errors import Code, Source

_TYPE_BY_CODE: Final = {
    "budget_exceeded": "insufficient_quota",
    "invalid_api_key": "authentication_error",
    "invalid_signature": "authentication_error",
}
_TYPE_BY_SOURCE: Final = {
    Source.DOWNSTREAM: "invalid_request_error",
    Source.POLICY: "policy_violation",
    Source.UPSTREAM: "server_error",
    Source.INTERNAL: "server_error",
}


def _error(code: Code, message: str) -> dict[str, Any]:
    kind = _TYPE_BY_CODE.get(code.name) or _TYPE_BY_SOURCE[code.source]
    return {"message": message, "type": kind, "param": None, "code": code.name}


def refusal(block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of one block."""
    code = block.code
    error = _error(code, blocks.sentence(block, request_id))
    error["s4fw"] = blocks.part(block, request_id)
    headers = blocks.head(block, request_id, [("x-request-id", request_id)], "retry-after-ms")
    if code.status == 401:
        headers.append(("www-authenticate", 'Bearer realm="s4fw"'))
    return code.status, headers, orjson.dumps({"error": error})


def error_event(code: Code, message: str) -> bytes:
    """One SSE event that makes the SDK raise; a stream that is only cut raises nothing in it."""
    return b"data: " + orjson.dumps({"error": _error(code, blocks.PREFIX + message)}) + b"\n\n"


def numbered_error_event(code: Code, message: str, number: int) -> bytes:
    """The same for a stream of a response, whose events are typed and numbered."""
    event = {
        "type": "error",
        "code": code.name,
        "message": blocks.PREFIX + message,
        "param": None,
        "sequence_number": number,
    }
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
