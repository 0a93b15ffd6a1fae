"""Reads what a message of Converse says."""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.transcript import Item
from s4fw.dialects.said import SEPARATOR, mark_of_part, written

_NOTHING: Final = ("reasoningContent", "cachePoint")  # drawn anew each time, or a mark that moves


def of_message(message: Any) -> Item:
    """One message: what the assistant says and calls, or what came back to it."""
    if type(message) is not dict:
        return Item(False, "")
    is_assistant = message.get("role") == "assistant"
    content = message.get("content")
    if type(content) is not list:
        return Item(is_assistant, "")
    texts: list[str] = []
    calls: list[tuple[str, str]] = []
    ids = ""
    for block in content:
        if type(block) is not dict:
            continue
        use, result, text = block.get("toolUse"), block.get("toolResult"), block.get("text")
        if type(use) is dict:
            calls.append((str(use.get("name")), written(use.get("input"))))
            ids += str(use.get("toolUseId"))
        elif type(result) is dict:
            texts.append(_of_result(result))
            ids += str(result.get("toolUseId"))
        elif type(text) is str:
            texts.append(text)
        elif not any(name in block for name in _NOTHING):
            texts.append(mark_of_part(block))
    return Item(is_assistant, SEPARATOR.join(texts), calls, ids)


def _of_result(result: dict[str, Any]) -> str:
    parts: list[str] = []
    content = result.get("content")
    for part in content if type(content) is list else ():
        text = part.get("text") if type(part) is dict else None
        if type(text) is str:
            parts.append(text)
        elif type(part) is dict and "json" in part:
            parts.append(written(part["json"]))
        elif type(part) is dict:
            parts.append(mark_of_part(part))
    text = SEPARATOR.join(parts)
    return f"error: {text}" if result.get("status") == "error" else text
