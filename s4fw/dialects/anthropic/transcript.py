"""Reads what a message of Anthropic's shape says."""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.transcript import Item
from s4fw.dialects.said import SEPARATOR, mark_of_part, text_of, written

# Drawn anew for each answer, and signed.
_THOUGHTS: Final = ("thinking", "redacted_thinking")
_CALLS: Final = ("tool_use", "server_tool_use", "mcp_tool_use")


def of_message(message: Any) -> Item:
    """One message: what the assistant says and calls, or what came back to it."""
    if type(message) is not dict:
        return Item(False, "")
    role = message.get("role")
    content = message.get("content")
    if type(content) is not list:
        return Item(role == "assistant", text_of(content), (), "", role == "system")
    texts: list[str] = []
    calls: list[tuple[str, str]] = []
    ids = ""
    for block in content:
        kind = block.get("type") if type(block) is dict else None
        if kind == "text":
            texts.append(text_of(block.get("text")))
        elif kind in _CALLS:
            calls.append((str(block.get("name")), written(block.get("input"))))
            ids += str(block.get("id"))
        elif kind == "tool_result":
            texts.append(_of_result(block))
            ids += str(block.get("tool_use_id"))
        elif type(block) is dict and kind not in _THOUGHTS:
            texts.append(mark_of_part(block))
    return Item(role == "assistant", SEPARATOR.join(texts), calls, ids, role == "system")


def _of_result(block: dict[str, Any]) -> str:
    text = text_of(block.get("content"))
    return f"error: {text}" if block.get("is_error") is True else text
