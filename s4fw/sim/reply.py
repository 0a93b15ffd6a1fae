"""What the simulator receives and what it answers, with the charge that goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, Form, Headers, ProviderError
from s4fw.sim.ledger import Charge


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
        """The target without its query, raw."""
        return self.target.partition("?")[0]

    @property
    def id(self) -> str:
        """The id the simulator gives this request; deterministic, so that runs can be compared."""
        return f"req_{self.number:032x}"

    def document(self) -> dict[str, Any]:
        """The body as JSON, as Anthropic and Bedrock read it.  Raises ProviderError."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ProviderError(400, "The request body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise ProviderError(400, "The request body is not a JSON object.")
        return document


@dataclass(slots=True)
class Reply:
    """One answer: a whole body, or events where it is streamed; unbilled without a charge."""

    form: Form
    status: int
    headers: Headers
    body: bytes = b""
    events: Iterable[Event] | None = None
    charge: Charge | None = None
    faults: Faults = field(default_factory=Faults)
