"""One answer that was generated, whatever API it goes out through."""

from __future__ import annotations

from dataclasses import dataclass, field

STOP, LENGTH, TOOL = "stop", "length", "tool_calls"  # why a choice ends, in OpenAI's words


@dataclass(slots=True)
class ToolCall:
    """One call of a function, in the model's words."""

    id: str
    name: str
    arguments: str

    def fragments(self, count: int = 4) -> list[str]:
        """The arguments in about so many pieces, as a stream brings them."""
        size = max(1, -(-len(self.arguments) // count))
        return [self.arguments[at : at + size] for at in range(0, len(self.arguments), size)]


@dataclass(slots=True)
class Choice:
    """One answer: words or a tool call; `tokens` counts what is billed for it, reasoning too."""

    index: int
    tokens: int
    finish_reason: str
    words: list[str] = field(default_factory=list)
    tool_call: ToolCall | None = None

    @property
    def reasoning(self) -> int:
        """Tokens that no word shows."""
        return 0 if self.tool_call is not None else self.tokens - len(self.words)
