"""Tools: definitions are text, what the provider runs needs a bound on how often."""

from typing import Any

import pytest

from s4fw.dialects.anthropic import tools
from s4fw.errors import Refusal
from tests.dialects.anthropic.bodies import read
from tests.dialects.reading import measured

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
FETCH = {
    "type": "web_fetch_20250910",
    "name": "web_fetch",
    "max_uses": 2,
    "max_content_tokens": 5000,
}
DIRECT = {"allowed_callers": ["direct"]}


def test_tools_that_the_provider_runs_multiply_the_input() -> None:
    """After each call the whole input is read again, and searches have a fee of their own."""
    request = read({"tools": [SEARCH, FETCH, SEARCH | {"max_uses": 4}]})
    assert (1 + 3 + 2 + 4, 7) == (request.input_turns, request.searches_max)
    assert request.tokens_extra == 7 * tools.SEARCH_RESULT_TOKENS
    assert request.is_context_bound  # a fetched PDF comes whole, whatever max_content_tokens says


def test_tools_read_twice_give_the_same_bounds() -> None:
    """What tools add is remembered by their digest."""
    first, second = (read({"tools": [SEARCH]}) for _ in range(2))
    assert (3, 3) == (first.searches_max, second.searches_max)
    assert 4 == first.input_turns == second.input_turns


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "a", "input_schema": {"type": "object"}},
        {"type": "custom", "name": "a", "input_schema": {}},
        {"type": None, "name": "a", "input_schema": {}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        {"type": "computer_20251124", "name": "computer", "display_width_px": 1},
        {"type": "computer_toolset_20260801"},
        {"type": "browser_toolset_20260801"},
        {"type": "memory_20250818", "name": "memory"},
        SEARCH | DIRECT,
        {**SEARCH, "type": "web_search_20260209", **DIRECT},
        {**FETCH, "type": "web_fetch_20260318", **DIRECT},
    ],
)
def test_tool_that_is_bounded_is_counted(tool: dict[str, Any]) -> None:
    """Its definition as text, and what the provider says about one that is only named."""
    texts, tokens = measured(read({"tools": [tool]}))
    assert any((tool.get("name") or tool.get("type") or "") in text for text in texts)
    is_named_only = tool.get("type") not in (None, "custom")
    assert is_named_only is (tokens > tools.BUILT_IN_TOKENS)


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        (SEARCH | {"max_uses": None}, "unbounded_request"),
        (SEARCH | {"max_uses": -1}, "invalid_request_error"),
        (SEARCH | {"max_uses": 1.0}, "invalid_request_error"),
        (SEARCH | {"max_uses": True}, "invalid_request_error"),
        (SEARCH | {"max_uses": 10**6}, "invalid_request_error"),
        (FETCH | {"max_uses": None}, "unbounded_request"),
        (FETCH | {"max_content_tokens": None}, "unbounded_request"),
        (FETCH | {"max_content_tokens": "5"}, "invalid_request_error"),
        (SEARCH | {"allowed_callers": ["direct", "code_execution_20260120"]}, "unbounded_request"),
        (SEARCH | {"type": "web_search_20260209"}, "unbounded_request"),
        ({"type": "code_execution_20250825", "name": "code_execution"}, "unbounded_request"),
        ({"type": "tool_search_tool_regex_20251119", "name": "t"}, "unbounded_request"),
        (
            {"type": "advisor_20260301", "model": "claude-opus-5", "max_uses": 1},
            "unbounded_request",
        ),
        ({"type": "mcp_toolset", "mcp_server_name": "a"}, "unbounded_request"),
        ({"type": "a_tool_of_tomorrow_20270101", "max_uses": 1}, "unbounded_request"),
        ({"type": "bash", "name": "bash"}, "unbounded_request"),
        ({"type": "Custom", "name": "a"}, "unbounded_request"),
        ({"type": 5, "name": "a"}, "unbounded_request"),
        ("web_search", "invalid_request_error"),
    ],
)
def test_tool_that_nothing_bounds_is_refused(tool: Any, code: str) -> None:
    """One request may become a loop of calls that nobody held."""
    for beside in ([], [{"name": "a", "input_schema": {}}]):
        with pytest.raises(Refusal) as refused:
            read({"tools": [*beside, tool]})
        assert code == refused.value.code.name
