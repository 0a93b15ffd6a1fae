"""Transcripts as the dialects read them out of whole bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.transcript import Transcript
from s4fw.dialects import match
from tests.loops import families
from tests.loops.families import Turn

Messages = list[dict[str, Any]]


class Shape:
    """A path, and how a session's turns look there."""

    def __init__(
        self,
        path: bytes,
        first: Messages,
        turned: Callable[[list[Turn]], Iterator[Messages]],
        member: str,
        **more: Any,
    ) -> None:
        self.path = path
        self.first = first
        self.turned = turned
        self.member = member
        self.more = more

    def requests(self, turns: list[Turn]) -> Iterator[Exchange]:
        """The requests of a session, read: one before each turn, and one after the last."""
        items = list(self.first)
        yield self.read(items)
        for added in self.turned(turns):
            items += added
            yield self.read(items)

    def read(self, items: Messages) -> Exchange:
        """One request, read by its dialect."""
        route = match(b"POST", self.path)
        assert isinstance(route, Route)
        x = Exchange(route, Request(b"POST", self.path, b"", {}))
        x.request.body = json.dumps({**self.more, self.member: items}).encode()
        route.dialect.read(x)
        return x


CHAT = Shape(
    b"/v1/chat/completions", families.opening(), families.chat_messages, "messages", model="gpt-4o"
)
_USER: Messages = [{"role": "user", "content": "Do the task."}]
SHAPES = {
    "chat": CHAT,
    "responses": Shape(b"/v1/responses", _USER, families.response_items, "input", model="gpt-4o"),
    "messages": Shape(
        b"/v1/messages",
        _USER,
        families.anthropic_messages,
        "messages",
        model="claude-sonnet-4-5",
        max_tokens=100,
        system="You are an agent.",
    ),
    "converse": Shape(
        b"/model/anthropic.claude-sonnet-4-5-20250929-v1:0/converse",
        [{"role": "user", "content": [{"text": "Do the task."}]}],
        families.converse_messages,
        "messages",
    ),
    "invoke": Shape(
        b"/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke",
        _USER,
        families.anthropic_messages,
        "messages",
        anthropic_version="bedrock-2023-05-31",
        max_tokens=100,
    ),
}


def transcript(x: Exchange) -> Transcript:
    """The transcript of a request that has one."""
    assert x.request.transcript is not None
    return x.request.transcript
