"""The prompt of a converse request in pieces: tools, system, then the blocks of each message.

Counted as Anthropic's (no Bedrock model publishes its vocabulary); a `cachePoint` block marks the
prefix before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from s4fw.sim.anthropic.prompt import MEDIA_TOKENS, TOOLS_TOKENS, reading
from s4fw.sim.prompt import Piece, minified


def pieces(body: Mapping[str, Any]) -> list[Piece]:
    """Give the parts of a prompt in the order the model sees them."""
    found: list[Piece] = []
    for piece in _all(body):
        if piece.keep and found:
            found[-1] = replace(found[-1], keep=piece.keep)
        elif not piece.keep:
            found.append(piece)
    return found


def last_text(body: Mapping[str, Any]) -> str:
    """The text of the last message."""
    blocks = body["messages"][-1].get("content") or ()
    return " ".join(str(block["text"]) for block in blocks if "text" in block)


def _all(body: Mapping[str, Any]) -> Iterator[Piece]:
    tools = (body.get("toolConfig") or {}).get("tools") or ()
    if tools:
        yield Piece("extra", TOOLS_TOKENS)
    for tool in tools:
        yield _piece("tool", tool)
    for block in body.get("system") or ():
        yield _piece("block", block)
    for message in body["messages"]:
        yield Piece("role", message.get("role"))
        for block in message.get("content") or ():
            yield _piece("block", block)


def _piece(kind: str, block: Mapping[str, Any]) -> Piece:
    """A piece, or the mark of a `cachePoint`: a piece of its own that only says how long."""
    point = block.get("cachePoint")
    if point is None:
        return Piece(kind, block)
    return Piece("mark", None, "1h" if point.get("ttl") == "1h" else "5m")


def _tool(tool: Any) -> tuple[Mapping[str, Any], Any]:
    spec = tool.get("toolSpec") or {}
    return spec, (spec.get("inputSchema") or {}).get("json", {})


def _texts(block: Mapping[str, Any]) -> tuple[list[str], int]:
    """The texts of a block, and the tokens of what is no text."""
    if "text" in block:
        return [str(block["text"])], 0
    if "toolUse" in block:
        use = block["toolUse"]
        return [str(use.get("name", "")), minified(use.get("input"))], 0
    if "toolResult" in block:
        parts = [_texts(each) for each in block["toolResult"].get("content") or ()]
        return [text for texts, _ in parts for text in texts], sum(extra for _, extra in parts)
    if "json" in block:
        return [minified(block["json"])], 0
    if "reasoningContent" in block:
        return [str((block["reasoningContent"].get("reasoningText") or {}).get("text", ""))], 0
    return [], MEDIA_TOKENS


CONVERSE = reading(b"converse", _texts, _tool)
