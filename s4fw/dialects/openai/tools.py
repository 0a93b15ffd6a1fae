"""Judges the tools of a responses request: who runs them, and what bounds their bill.

A tool that the caller runs costs its definition.  One that the provider runs makes the model read
its whole input again with every call, and may cost a fee: it is governed where the calls are
bounded and the fee is known, which is so for web searches.
"""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.request import Request
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

_DEFINED: Final = frozenset({"function", "custom"})
# Run by the caller, but defined by the provider.
_BUILT_IN: Final = frozenset({"local_shell", "apply_patch", "computer", "computer_use_preview"})
_SEARCHES: Final = frozenset(
    {
        *("web_search", "web_search_2025_08_26"),
        *("web_search_preview", "web_search_preview_2025_03_11"),
    }
)


def judge(request: Request, tools: list[Any], calls_max: int | None, are_idle: bool) -> None:
    """Bound the request by its tools.  `calls_max` is how many calls the provider may run, None
    where that is not bounded; `are_idle` says that the model may call none.  Raises Refusal."""
    searches = False
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            raise Refusal(INVALID_REQUEST, "each tool must be an object with a `type`")
        if kind in _DEFINED or (kind == "namespace" and _is_plain_namespace(tool)):
            continue
        request.is_context_bound = True  # what the model is shown of it is not here
        if kind in _SEARCHES:
            searches = True
        elif kind not in _BUILT_IN and not (kind == "shell" and _is_local(tool)) and not are_idle:
            raise Refusal(
                UNBOUNDED_REQUEST,
                "a tool that the provider runs is governed only where its fee is known: web search",
            )
    if searches and not are_idle:
        if calls_max is None:
            raise Refusal(UNBOUNDED_REQUEST, "a web search needs `max_tool_calls`")
        # With every call the model reads its input again, and the result.
        request.input_turns = calls_max + 1
        request.searches_max = calls_max


def _is_plain_namespace(tool: dict[str, Any]) -> bool:
    """Whether a group of tools holds only tools that the caller defines and runs."""
    inner = tool.get("tools")
    return isinstance(inner, list) and all(
        isinstance(each, dict) and each.get("type") in _DEFINED for each in inner
    )


def _is_local(tool: dict[str, Any]) -> bool:
    environment = tool.get("environment")
    return isinstance(environment, dict) and environment.get("type") == "local"
