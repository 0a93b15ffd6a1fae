"""OpenAI's error envelope and its streams of server-sent events."""

from __future__ import annotations

import orjson

from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, Headers, ProviderError, server_error, sse

# status -> (type, code), as OpenAI's API reference lists them (2026-11).
_KINDS: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "overloaded"),
}


class OpenAIForm:
    """Of chat, completions and the endpoints that do not stream."""

    stream_type = "text/event-stream"

    def id_headers(self, call_id: str) -> Headers:
        return [("x-request-id", call_id)]

    def refusal(self, error: ProviderError, call_id: str) -> tuple[Headers, bytes]:
        return [*self.id_headers(call_id), *error.headers], _error_body(error)

    def framed(self, event: Event, faults: Faults) -> bytes:
        return sse(event, faults)

    def failure(self, sent: int) -> Event:
        return Event(_error_body(server_error()))


class ResponsesForm(OpenAIForm):
    """Of responses, whose streams have an error event of their own."""

    def failure(self, sent: int) -> Event:
        document = {
            "type": "error",
            "code": "server_error",
            "message": server_error().message,
            "param": None,
            "sequence_number": sent,
        }
        return Event(orjson.dumps(document), name="error")


def _error_body(error: ProviderError) -> bytes:
    kind, code = _KINDS.get(
        error.status, ("server_error" if error.status >= 500 else "invalid_request_error", None)
    )
    document = {
        "message": error.message,
        "type": error.kind or kind,
        "param": error.param,
        "code": error.code or code,
    }
    return orjson.dumps({"error": document})
