"""Refusals and broken streams as AWS's SDKs understand them.

`{"message"}`, and the name of the exception in `x-amzn-errortype`: botocore picks the class by that
name, whatever the status, and shows nothing else of the body than the message.  It repeats 429 and
5xx whatever it is told, so a hard block is neither; `x-amz-retry-after`, in milliseconds, is the
only delay that it obeys.  An upstream that timed out may have billed, and 408 is not repeated.
"""

from __future__ import annotations

from typing import Final

import orjson

from s4fw.core.verdict import Block
from s4fw.dialects import blocks, eventstream
from s4fw.errors import (
    BUDGET_EXCEEDED,
    INVALID_API_KEY,
    INVALID_SIGNATURE,
    UPSTREAM_TIMEOUT,
    UPSTREAM_UNREACHABLE,
    Code,
)

# Where Bedrock has a status and a name of its own for a refusal.
_OWN: Final[dict[str, tuple[int, str]]] = {
    BUDGET_EXCEEDED.name: (400, "ServiceQuotaExceededException"),
    INVALID_API_KEY.name: (403, "UnrecognizedClientException"),
    INVALID_SIGNATURE.name: (403, "InvalidSignatureException"),
    UPSTREAM_UNREACHABLE.name: (503, "ServiceUnavailableException"),
    UPSTREAM_TIMEOUT.name: (408, "ModelTimeoutException"),
}
_NAME_BY_STATUS: Final = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "ModelErrorException",
    503: "ServiceUnavailableException",
}
# A broken answer of the upstream: the request may have been billed, and 502 would be repeated.
_STATUS: Final = {502: 424}


def status_of(code: Code) -> tuple[int, str]:
    """The status of a refusal, and the name of the exception."""
    own = _OWN.get(code.name)
    if own is not None:
        return own
    name = _NAME_BY_STATUS.get(code.status, "ValidationException")
    return _STATUS.get(code.status, code.status), name


def refusal(block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of one block."""
    status, name = status_of(block.code)
    own = [("x-amzn-requestid", request_id), ("x-amzn-errortype", name)]
    headers = blocks.head(block, request_id, own, "x-amz-retry-after")
    body = {
        "message": blocks.sentence(block, request_id),
        "s4fw": blocks.part(block, request_id),
    }
    return status, headers, orjson.dumps(body)


# Members of the streams' exceptions; any other name would be no typed error.
_STREAM_ERROR: Final = "modelStreamErrorException"
_BY_CODE: Final = {UPSTREAM_TIMEOUT.name: "serviceUnavailableException"}

# A frame that broke off is filled up with so many bytes at most.
_FILL_MAX: Final = 1024 * 1024


def error_event(code: Code, message: str, missing: int = 0) -> bytes:
    """What makes the SDK raise; a stream that is only cut ends silently in it.

    A frame that broke off would swallow the one that tells why, unread: its `missing` bytes are
    filled with zeros, so that the SDK finds its checksum wrong, and raises for that.
    """
    kind = _BY_CODE.get(code.name, _STREAM_ERROR)
    payload = orjson.dumps({"message": blocks.PREFIX + message})
    fill = missing if missing <= _FILL_MAX else 0
    return bytes(fill) + eventstream.exception(kind, payload)
