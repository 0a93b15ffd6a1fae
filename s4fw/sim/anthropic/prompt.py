"""The prompt of a messages request in pieces: tools, system, then the blocks of each message.

Claude's tokens are not published; what is counted is close to what it counts for English: the
texts by o200k_base, 4 tokens for each message, and the hidden prompt that comes with tools.
A piece marked by `cache_control` ends a prefix to be kept; where the marks are does not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from s4fw.sim.prompt import Piece, Reading, minified

_MESSAGE_TOKENS = 4
TOOLS_TOKENS = 346  # Claude 4's tool use system prompt (provider's tool use page, 2026-11)
MEDIA_TOKENS = 1_500  # of an image or a document whose content is not looked at


def pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Give the parts of a prompt in the order the model sees them."""
    found = list(_all(body))
    automatic = _keep(body)
    if automatic and found:
        found[-1] = replace(found[-1], keep=automatic)
    yield from found


def last_text(body: Mapping[str, Any]) -> str:
    """The text of the last message."""
    content = body["messages"][-1].get("content")
    return " ".join(_texts(content)[0]) if isinstance(content, str | list) else ""


def _all(body: Mapping[str, Any]) -> Iterator[Piece]:
    tools = body.get("tools") or ()
    if tools:
        yield Piece("extra", TOOLS_TOKENS)
    for tool in tools:
        yield Piece("tool", _unmarked(tool), _keep(tool))
    system = body.get("system") or ()
    for block in [system] if isinstance(system, str) else system:
        yield Piece("block", _unmarked(block), _keep(block))
    for message in body["messages"]:
        yield Piece("role", message.get("role"))
        content = message.get("content")
        for block in [content] if isinstance(content, str) else content or ():
            yield Piece("block", _unmarked(block), _keep(block))


def _unmarked(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {name: value for name, value in block.items() if name != "cache_control"}


def _keep(block: Any) -> str:
    mark = block.get("cache_control") if isinstance(block, Mapping) else None
    if not isinstance(mark, dict):
        return ""
    return "1h" if mark.get("ttl") == "1h" else "5m"


def reading(
    name: bytes,
    texts_of: Callable[[Any], tuple[list[str], int]],
    tool_of: Callable[[Any], tuple[Mapping[str, Any], Any]],
) -> Reading:
    """How a prompt to Claude is counted, whoever's API brings it: `texts_of` measures a block,
    `tool_of` finds what names a tool and its schema."""

    def measure(part: Any) -> tuple[list[str], int]:
        if "extra" in part:
            return [], int(part["extra"])
        if "role" in part:
            return [], _MESSAGE_TOKENS
        if "block" in part:
            return texts_of(part["block"])
        named, schema = tool_of(part["tool"])
        texts = [str(named.get("name", "")), str(named.get("description", ""))]
        return [*texts, minified(schema)], 0

    return Reading(name, 0, measure, is_marked=True)


def _tool(tool: Any) -> tuple[Mapping[str, Any], Any]:
    return tool, tool.get("input_schema", {})


def _texts(block: Any) -> tuple[list[str], int]:
    """The texts of a block, or of several, and the tokens of what is no text."""
    if isinstance(block, str):
        return [block], 0
    if isinstance(block, list):
        parts = [_texts(each) for each in block]
        return [text for texts, _ in parts for text in texts], sum(extra for _, extra in parts)
    kind = block.get("type")
    if kind in ("image", "document"):
        source = block.get("source") or {}
        is_text = source.get("type") == "text"
        return ([str(source.get("data", ""))], 0) if is_text else ([], MEDIA_TOKENS)
    if kind == "tool_use":
        return [str(block.get("name", "")), minified(block.get("input"))], 0
    if kind == "tool_result":
        return _texts(block.get("content") or "")
    text = block.get("text", block.get("thinking", ""))
    return [text if isinstance(text, str) else ""], 0


MESSAGES = reading(b"messages", _texts, _tool)
