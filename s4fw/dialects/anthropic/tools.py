"""What tools add to a request: their definitions, and for those that the provider runs, turns.

A tool that the provider runs makes one request into a loop: after each call the model reads the
whole input again, with what the call brought.  Only a `max_uses` bounds that.  Such a tool is known
by its versioned type; a type that is not known here could be one, so it is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from s4fw.dialects.fields import plain_integer
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

TOOL_TOKENS: Final = 16  # of one definition, beside its JSON

# What a tool that is only named adds to the prompt: the provider's own description of it.  Bounds:
# the documented ones are 245 (bash) to 735 plus 499 (computer) tokens, docs.anthropic.com 2025.
BUILT_IN_TOKENS: Final = 5_000

# What one web search brings as input.  Nothing in the API bounds it; this is far above what ten
# results with their excerpts are known to take.  What passes it is charged and counted as overrun.
SEARCH_RESULT_TOKENS: Final = 32_000

USES_MAX: Final = 1_000  # of one tool
CONTENT_TOKENS_MAX: Final = 10_000_000  # of one fetched page; beyond every context

_VERSIONED: Final = re.compile(r"([a-z0-9_]+?)_(\d{8})")
# Tools whose calls the caller's own program runs.
_CALLERS_OWN: Final = frozenset(
    {
        *("bash", "text_editor", "memory", "computer", "computer_toolset"),
        *("browser", "browser_toolset"),
    }
)
# The first versions of these call nothing but themselves; later ones run code between the calls
# unless they are told that only the model itself may call them.
_SEARCH, _FETCH = "web_search", "web_fetch"
_DIRECT: Final = {_SEARCH: "20250305", _FETCH: "20250910"}

_NOT_BOUNDED: Final = (
    "a tool that the provider runs is not governed: only `web_search` and `web_fetch` with a "
    '`max_uses` and, beyond their first version, with `allowed_callers` ["direct"]'
)


class Hosted:
    """What the tools of a request can bill beside their definitions."""

    __slots__ = ("is_context_bound", "searches", "tokens", "turns")

    def __init__(self) -> None:
        self.turns = 0  # times that the input may be read again
        self.searches = 0  # web searches, billed each
        self.tokens = 0  # input that they bring
        self.is_context_bound = False  # what they bring is bounded by the context only

    def add(self, kind: str, tool: dict[str, Any]) -> None:
        """Count one tool that the provider runs.  Raises Refusal."""
        uses = plain_integer(tool.get("max_uses"), "max_uses", 0, USES_MAX)
        if uses is None:
            raise Refusal(UNBOUNDED_REQUEST, f"`{kind}` needs a `max_uses`: nothing else bounds it")
        self.turns += uses
        if kind == _SEARCH:
            self.searches += uses
            self.tokens += uses * SEARCH_RESULT_TOKENS
            return
        most = plain_integer(
            tool.get("max_content_tokens"), "max_content_tokens", 1, CONTENT_TOKENS_MAX
        )
        if most is None:
            raise Refusal(UNBOUNDED_REQUEST, "`web_fetch` needs a `max_content_tokens`")
        # The bound holds for text only, says the API: a PDF comes whole.
        self.is_context_bound = True


def hosted(tools: list[Any]) -> Hosted:
    """Judge all tools of a request.  Raises Refusal for one that nothing bounds."""
    found = Hosted()
    for tool in tools:
        kind = kind_of(tool)
        if kind in _DIRECT:
            _require_direct(kind, tool)
            found.add(kind, tool)
    return found


def kind_of(tool: Any) -> str | None:
    """What a tool is, without its version; None for one that the caller defines and runs.

    Raises Refusal for one that is not known to be bounded.
    """
    if not isinstance(tool, dict):
        raise Refusal(INVALID_REQUEST, "each tool must be an object")
    declared = tool.get("type")
    if declared is None or declared == "custom":
        return None
    versioned = _VERSIONED.fullmatch(declared) if isinstance(declared, str) else None
    if versioned is None or (versioned[1] not in _CALLERS_OWN and versioned[1] not in _DIRECT):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_BOUNDED)
    return versioned[1]


def _require_direct(kind: str, tool: dict[str, Any]) -> None:
    """Refuse a tool that code of the model may call, as often as it likes."""
    is_first = tool["type"] == f"{kind}_{_DIRECT[kind]}"
    callers = tool.get("allowed_callers")
    if callers != ["direct"] and not (is_first and callers is None):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_BOUNDED)


def of_tool(tool: Any) -> tuple[list[str], int]:
    """The text of one definition, its JSON, and the tokens beside it."""
    built_in = 0 if kind_of(tool) is None else BUILT_IN_TOKENS
    return [orjson.dumps(tool).decode()], TOOL_TOKENS + built_in


def of_inline_tool(definition: Any) -> tuple[list[str], int]:
    """The same for one that is defined within a message; only callers' own may stand there."""
    if kind_of(definition) in _DIRECT:
        raise Refusal(UNBOUNDED_REQUEST, "a tool that the provider runs must stand in `tools`")
    return of_tool(definition)
