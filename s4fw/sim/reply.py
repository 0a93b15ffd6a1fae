"""What the simulator answers: a reply, the events of a stream, and a provider's refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from s4fw.sim.faults import Faults
from s4fw.sim.ledger import Charge

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Call:
    """One request as it was received; `head` is every byte up to and with the empty line."""

    number: int
    head: bytes
    method: str
    target: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def id(self) -> str:
        """The id the simulator gives this request; deterministic, so that runs can be compared."""
        return f"req_{self.number:032x}"


@dataclass(slots=True)
class Event:
    """One server-sent event: its data, and how many billed output tokens it brings."""

    data: bytes
    tokens: int = 0


@dataclass(slots=True)
class Reply:
    """One answer: a whole body, or events where it is streamed; unbilled without a charge."""

    status: int
    headers: Headers
    body: bytes = b""
    events: Iterable[Event] | None = None
    charge: Charge | None = None
    faults: Faults = field(default_factory=Faults)


class ProviderError(Exception):
    """A refusal of the provider itself, in OpenAI's error envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, kind, code, param)
        self.headers = headers or []


def error_body(message: str, kind: str, code: str | None, param: str | None = None) -> bytes:
    """Write OpenAI's error envelope."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return orjson.dumps({"error": error})


# status -> (type, code), as OpenAI's API reference lists them (2026-11).
ERROR_KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "overloaded"),
}


def error_of_status(status: int, retry_after_s: str) -> ProviderError:
    """The refusal a provider sends with `status`; 429 and 503 tell when to come back."""
    kind, code = ERROR_KINDS.get(status, ("server_error" if status >= 500 else "api_error", None))
    headers = [("retry-after", retry_after_s)] if status in (429, 503) else []
    message = f"The simulated provider answers {status}."
    return ProviderError(status, message, kind=kind, code=code, headers=headers)
