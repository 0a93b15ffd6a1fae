"""Anthropic's error envelope and its streams, whose events have names."""

from __future__ import annotations

import orjson

from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, Headers, ProviderError, sse

# status -> type, as Anthropic's API reference lists them (2026-11).
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicForm:
    """Of every Anthropic endpoint."""

    stream_type = "text/event-stream; charset=utf-8"

    def id_headers(self, call_id: str) -> Headers:
        return [("request-id", call_id)]

    def refusal(self, error: ProviderError, call_id: str) -> tuple[Headers, bytes]:
        document = _document(error) | {"request_id": call_id or None}
        return [*self.id_headers(call_id), *error.headers], orjson.dumps(document)

    def framed(self, event: Event, faults: Faults) -> bytes:
        return sse(event, faults)

    def failure(self, sent: int) -> Event:
        overloaded = ProviderError(529, "Overloaded")
        return Event(orjson.dumps(_document(overloaded)), name="error")


def _document(error: ProviderError) -> dict[str, object]:
    other = "api_error" if error.status >= 500 else "invalid_request_error"
    kind = error.kind or _KINDS.get(error.status, other)
    details = {"details": {"error_code": error.code}} if error.code else {}
    return {"type": "error", "error": {"type": kind, "message": error.message, **details}}
