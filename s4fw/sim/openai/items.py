"""The prompt of a responses request in pieces: tools, schema, instructions, then the items of the
whole chain.  Reasoning of earlier turns is not read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from s4fw.sim.openai.prompt import measure_item, measure_tool
from s4fw.sim.prompt import Piece, Reading, minified

_ITEM_TOKENS = 3
_CALL_TOKENS = 4

Items = list[dict[str, Any]]


def input_items(body: Mapping[str, Any]) -> Items:
    """The input of a request as items: a plain text is one message of the user."""
    given = body.get("input")
    if isinstance(given, str):
        content = [{"type": "input_text", "text": given}]
        return [{"type": "message", "role": "user", "content": content}]
    return [item for item in given or () if isinstance(item, dict)]


def last_text(items: Items) -> str:
    """The text of the last message."""
    content = items[-1].get("content") if items else None
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content or ())


def pieces(body: Mapping[str, Any], items: Iterable[dict[str, Any]]) -> Iterator[Piece]:
    """Give the parts of a prompt in the order the model sees them."""
    for tool in body.get("tools") or ():
        yield Piece("tool", tool)
    form = (body.get("text") or {}).get("format") or {}
    if "schema" in form:
        yield Piece("schema", form["schema"])
    if body.get("instructions"):
        yield Piece("item", {"role": "system", "content": body["instructions"]})
    for item in items:
        yield Piece("item", {name: value for name, value in item.items() if name != "id"})


def _measure(part: Any) -> tuple[list[str], int]:
    if "tool" in part:
        return measure_tool(part["tool"])
    if "schema" in part:
        return [minified(part["schema"])], 0
    item = part["item"]
    kind = item.get("type", "message")
    if kind == "message":
        texts, extra = _texts(item.get("content"))
        return [str(item.get("role", "")), *texts], _ITEM_TOKENS + extra
    if kind == "function_call":
        return [str(item.get("name", "")), str(item.get("arguments", ""))], _CALL_TOKENS
    if kind == "function_call_output":
        texts, extra = _texts(item.get("output"))
        return texts, _ITEM_TOKENS + extra
    return [], 0


def _texts(content: Any) -> tuple[list[str], int]:
    if isinstance(content, str):
        return [content], 0
    parts = [measure_item(part) for part in content or ()]
    return [text for text, _ in parts], sum(tokens for _, tokens in parts)


RESPONSES = Reading(b"responses", 3, _measure)
