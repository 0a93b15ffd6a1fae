"""How an API writes what every API has: refusals, errors in the middle, the frames of a stream."""

from __future__ import annotations

from typing import Protocol

from s4fw.sim.faults import Faults

Headers = list[tuple[str, str]]

_LINE_END = {"crlf": b"\r\n", "cr": b"\r"}


class Event:
    """One event of a stream: its name where the API has names, its data, and how many billed
    output tokens it brings."""

    __slots__ = ("data", "name", "tokens")

    def __init__(self, data: bytes, tokens: int = 0, name: str = "") -> None:
        self.data = data
        self.tokens = tokens
        self.name = name


class ProviderError(Exception):
    """A refusal of the provider itself; what is left out follows from the status in each API."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers or []


class Form(Protocol):
    """The envelope and the framing of one API."""

    @property
    def stream_type(self) -> str:
        """The content type of a stream."""

    def id_headers(self, call_id: str) -> Headers:
        """The headers that name the request."""

    def refusal(self, error: ProviderError, call_id: str) -> tuple[Headers, bytes]:
        """Headers and body of a refusal."""

    def framed(self, event: Event, faults: Faults) -> bytes:
        """The bytes of an event on the wire."""

    def failure(self, sent: int) -> Event:
        """What is sent when generation breaks after `sent` events of the stream."""


def sse(event: Event, faults: Faults) -> bytes:
    """Frame a server-sent event: its name, its data, an empty line."""
    end = next((_LINE_END[mode] for mode in _LINE_END if mode in faults), b"\n")
    comment = b": still here" + end + end if "comments" in faults else b""
    name = b"event: " + event.name.encode() + end if event.name else b""
    return comment + name + b"data: " + event.data + end + end


def server_error() -> ProviderError:
    """The provider's own failure."""
    return ProviderError(500, "The server had an error while processing your request.")


def error_of_status(status: int, retry_after_s: str) -> ProviderError:
    """The refusal a provider sends with `status`; 429 and 503 tell when to come back."""
    headers = [("retry-after", retry_after_s)] if status in (429, 503) else []
    return ProviderError(status, f"The simulated provider answers {status}.", headers=headers)
