"""One call in words that every client understands, and what the client saw of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TOOL_NAME = "find_order"
TOOL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "is_urgent": {"type": "boolean"}},
    "required": ["number"],
}
RULES = "Be kind, be short and never promise anything. " * 150  # long enough for prompt caches
OUTPUT_TOKENS_MAX = 200


@dataclass(frozen=True, slots=True)
class Ask:
    """What an application wants.  `retries` is None for what the SDK does by itself."""

    text: str = "Where is my order?"
    model: str | None = None  # None: the usual one of the client
    is_streamed: bool = False
    has_tool: bool = False
    has_rules: bool = False  # RULES go first, marked for the cache where a client can mark
    is_unbounded: bool = False  # with what the client's API offers and nobody can bound
    retries: int | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where a client calls, and as whom; `authority` is a file, for TLS."""

    url: str
    key: str
    access_key_id: str
    secret: str
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer as it came over the wire, refused attempts too; `at_ms` only for differences."""

    status: int
    headers: dict[str, str]
    at_ms: float


@dataclass(frozen=True, slots=True)
class Problem:
    """What an application catches (or, where the SDK raises nothing, is given as an event)."""

    kind: str  # the class, by its own name
    status: int | None
    code: str | None  # in the provider's words, where the SDK shows any
    message: str
    request_id: str | None


@dataclass(slots=True)
class Seen:
    """What one call looked like to the application."""

    text: str = ""
    tool: tuple[str, Any] | None = None  # name and arguments
    usage: dict[str, Any] | None = None
    pieces: int = 0  # of a stream
    problem: Problem | None = None
    answers: list[HttpAnswer] = field(default_factory=list)

    @property
    def content(self) -> tuple[Any, ...]:
        """All that the provider said."""
        return self.text, self.tool, self.usage, self.pieces
