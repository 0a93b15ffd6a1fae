"""The content of a message: blocks, each whole and as the deltas of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from s4fw.sim.choice import Choice, ToolCall
from s4fw.sim.faults import Faults
from s4fw.sim.lies import ballast
from s4fw.sim.words import words

_SIGNATURE = "c2ln"


@dataclass(slots=True)
class Block:
    """One block: as it starts, how it grows, each with the tokens it bills, and as it ends."""

    start: dict[str, Any]
    whole: dict[str, Any]
    start_tokens: int = 0
    deltas: list[tuple[dict[str, Any], int]] = field(default_factory=list)


def blocks(choice: Choice, faults: Faults, searches: int, *, thinks: bool) -> Iterator[Block]:
    """Give the blocks of what was generated."""
    if choice.reasoning and thinks:
        yield _thinking(choice.reasoning)
    for number in range(searches):
        yield from _search(f"srvtoolu_{number:016x}")
    if choice.tool_call is not None:
        yield _tool_use(choice.tool_call, choice.tokens)
    elif choice.words:
        hidden = 0 if thinks else choice.reasoning
        yield _text([*choice.words[:-1], choice.words[-1] + ballast(faults)], hidden)


def _thinking(tokens: int) -> Block:
    thought = words(tokens.to_bytes(4, "big"), tokens)
    deltas: list[tuple[dict[str, Any], int]] = [
        ({"type": "thinking_delta", "thinking": word}, 1) for word in thought
    ]
    deltas.append(({"type": "signature_delta", "signature": _SIGNATURE}, 0))
    whole = {"type": "thinking", "thinking": "".join(thought), "signature": _SIGNATURE}
    return Block(whole | {"thinking": "", "signature": ""}, whole, 0, deltas)


def _text(said: list[str], hidden: int) -> Block:
    deltas: list[tuple[dict[str, Any], int]] = [
        ({"type": "text_delta", "text": word}, 1) for word in said
    ]
    whole = {"type": "text", "text": "".join(said)}
    return Block(whole | {"text": ""}, whole, hidden, deltas)


def _tool_use(call: ToolCall, tokens: int) -> Block:
    fragments = ["", *call.fragments()]
    deltas: list[tuple[dict[str, Any], int]] = [
        ({"type": "input_json_delta", "partial_json": text}, 0) for text in fragments
    ]
    start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
    return Block(start, start | {"input": orjson.loads(call.arguments)}, tokens, deltas)


def _search(use_id: str) -> Iterator[Block]:
    use = {"type": "server_tool_use", "id": use_id, "name": "web_search", "input": {}}
    query = {"query": "order"}
    delta = {"type": "input_json_delta", "partial_json": orjson.dumps(query).decode()}
    yield Block(use, use | {"input": query}, 0, [(delta, 0)])
    found = {
        "type": "web_search_result",
        "url": "https://example.com/",
        "title": "Example",
        "encrypted_content": "ZQ==",
        "page_age": None,
    }
    result = {"type": "web_search_tool_result", "tool_use_id": use_id, "content": [found]}
    yield Block(result, result)
