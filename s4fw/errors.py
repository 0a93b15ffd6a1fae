"""Every refusal of the firewall, declared once: whose fault, which status, when to retry.

The status here is the plain HTTP one; a dialect may have its own (Bedrock answers a budget block
with 400), and gives the envelope.  Foreign exceptions are translated once, at the seam where they
arise; nothing above the seam catches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Source(Enum):
    """Whose fault an error is."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"
    POLICY = "policy"
    INTERNAL = "internal"


class Retry(Enum):
    """Whether the same request can succeed later, as told to the caller's SDK."""

    NEVER = "never"  # sends x-should-retry: false
    LATER = "later"  # sends retry-after
    SDK = "sdk"  # says nothing: the SDK's own rule for the status is right


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of refusal; `name` is what callers program against and never changes."""

    name: str
    source: Source
    status: int
    retry: Retry = Retry.NEVER


def _downstream(name: str, status: int = 400) -> Code:
    return Code(name, Source.DOWNSTREAM, status)


def _policy(name: str, status: int = 403) -> Code:
    return Code(name, Source.POLICY, status)


INVALID_REQUEST: Final = _downstream("invalid_request_error")
DUPLICATE_KEY: Final = _downstream("duplicate_key")
AMBIGUOUS_FIELD: Final = _downstream("ambiguous_field")
INVALID_API_KEY: Final = _downstream("invalid_api_key", 401)
INVALID_SIGNATURE: Final = _downstream("invalid_signature", 401)
MISSING_ATTRIBUTION: Final = _downstream("missing_attribution")
NOT_FOUND: Final = _downstream("not_found", 404)
METHOD_NOT_ALLOWED: Final = _downstream("method_not_allowed", 405)
REQUEST_TIMEOUT: Final = Code("request_timeout", Source.DOWNSTREAM, 408, Retry.SDK)
REQUEST_TOO_LARGE: Final = _downstream("request_too_large", 413)
UNSUPPORTED_ENCODING: Final = _downstream("unsupported_encoding", 415)
EXPECTATION_FAILED: Final = _downstream("expectation_failed", 417)
HEADERS_TOO_LARGE: Final = _downstream("headers_too_large", 431)
NOT_IMPLEMENTED: Final = _downstream("not_implemented", 501)
VERSION_NOT_SUPPORTED: Final = _downstream("version_not_supported", 505)

ENDPOINT_NOT_GOVERNED: Final = _policy("endpoint_not_governed")
ATTRIBUTION_CONFLICT: Final = _policy("attribution_conflict")
UNKNOWN_MODEL: Final = _policy("unknown_model")
MODEL_NOT_ALLOWED: Final = _policy("model_not_allowed")
UNBOUNDED_REQUEST: Final = _policy("unbounded_request")
BUDGET_EXCEEDED: Final = _policy("budget_exceeded", 402)
FROZEN: Final = _policy("frozen")
LOOP_DETECTED: Final = _policy("loop_detected")
RATE_LIMITED: Final = Code("rate_limit_exceeded", Source.POLICY, 429, Retry.LATER)

UPSTREAM_UNREACHABLE: Final = Code("upstream_unreachable", Source.UPSTREAM, 502, Retry.SDK)
UPSTREAM_INVALID: Final = Code("upstream_invalid_answer", Source.UPSTREAM, 502)
UPSTREAM_CUT: Final = Code("upstream_cut", Source.UPSTREAM, 502)
UPSTREAM_TIMEOUT: Final = Code("upstream_timeout", Source.UPSTREAM, 504)

FIREWALL_OVERLOADED: Final = Code("firewall_overloaded", Source.INTERNAL, 503, Retry.LATER)
FIREWALL_DRAINING: Final = Code("firewall_draining", Source.INTERNAL, 503, Retry.LATER)
CREDENTIALS_MISSING: Final = Code("upstream_credentials_missing", Source.INTERNAL, 503, Retry.LATER)
FIREWALL_UNAVAILABLE: Final = Code("firewall_unavailable", Source.INTERNAL, 503)
INTERNAL_ERROR: Final = Code("internal_error", Source.INTERNAL, 500)


class Refusal(Exception):
    """A request that is refused while it is being read; the pipeline turns it into a `Block`.

    `message` is a sentence for people and holds nothing of the request's content.
    """

    def __init__(self, code: Code, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
