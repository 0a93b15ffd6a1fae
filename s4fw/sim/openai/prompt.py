"""The prompt of a chat request in pieces, counted by the honest estimate of OpenAI's framing: the
texts, 3 tokens for each message and 3 to prime the reply, tools by name, description and schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from s4fw.sim.prompt import Piece, Reading, minified

# Tokens of an image whose size is not looked at: gpt-4o's for 1024 x 1024, and for detail "low".
_IMAGE_TOKENS = 765
_IMAGE_TOKENS_LOW = 85


def pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Give the parts of a prompt in the order the model sees them."""
    for tool in body.get("tools") or ():
        yield Piece("tool", tool)
    if isinstance(form := body.get("response_format"), dict) and "json_schema" in form:
        yield Piece("schema", form["json_schema"])
    for message in body["messages"]:
        yield Piece("message", message)


def _measure(part: Any) -> tuple[list[str], int]:
    """Give the texts of a part, and the tokens that are no text."""
    if "message" in part:
        return _measure_message(part["message"])
    if "schema" in part:
        return [minified(part["schema"])], 0
    return measure_tool(part["tool"])


def measure_tool(tool: Any) -> tuple[list[str], int]:
    """Measure a tool: with its function inside (chat) or flat (responses)."""
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or "name" not in function:
        return [minified(tool)], 0
    texts = [str(function.get("name", "")), str(function.get("description", ""))]
    return [*texts, minified(function.get("parameters", {}))], 4


def _measure_message(message: dict[str, Any]) -> tuple[list[str], int]:
    texts, extra = [str(message.get("role", ""))], 3
    if "name" in message:
        texts.append(str(message["name"]))
        extra += 1
    content = message.get("content")
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        for item in content:
            text, tokens = measure_item(item)
            texts.append(text)
            extra += tokens
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        texts += [str(function.get("name", "")), str(function.get("arguments", ""))]
        extra += 4
    return texts, extra


def measure_item(item: dict[str, Any]) -> tuple[str, int]:
    """Measure one part of a content: its text, or the tokens of an image."""
    kind = item.get("type")
    if kind in ("image_url", "input_image"):
        image = item.get("image_url")
        detail = image.get("detail") if isinstance(image, dict) else item.get("detail")
        return "", _IMAGE_TOKENS_LOW if detail == "low" else _IMAGE_TOKENS
    text = item.get("text", item.get("refusal", ""))
    return text if isinstance(text, str) else "", 0


CHAT = Reading(b"chat", 3, _measure)
