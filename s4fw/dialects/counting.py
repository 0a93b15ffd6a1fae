"""The providers' free counters: how to ask for the input tokens of a request, and what they say.

A counter takes only the fields that make up the input, and refuses any other, so a question is put
together from the bytes of those.  What a counter does not know is not asked.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

import orjson

from s4fw.core.exchange import Exchange
from s4fw.dialects import strictjson
from s4fw.dialects.strictjson import Document

# POST /v1/messages/count_tokens, /v1/responses/input_tokens, and Bedrock's CountTokens (their
# SDKs' parameters, anthropic 2.12, openai 3.54, botocore 1.44.5).
_OF_MESSAGES: Final = (
    *("model", "messages", "system", "tools", "tool_choice", "thinking", "prefill"),
    *("cache_control", "output_config", "speed", "context_management", "mcp_servers"),
)
_OF_RESPONSES: Final = (
    *("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning"),
    *("parallel_tool_calls", "truncation"),
)
_OF_CONVERSE: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class Question:
    """What to send, by POST, to the upstream of the request."""

    __slots__ = ("body", "path")

    def __init__(self, path: bytes, body: bytes) -> None:
        self.path = path  # below the upstream's base URL
        self.body = body


def question(x: Exchange) -> Question | None:
    """How to ask; None for requests that no counter takes."""
    name, path, body = x.route.name, x.route.upstream_path, x.request.body
    if name == "anthropic.messages":
        return Question(path + b"/count_tokens", _only(_OF_MESSAGES, body))
    if name == "openai.responses":
        return Question(path + b"/input_tokens", _only(_OF_RESPONSES, body))
    base, _, last = path.rpartition(b"/")
    if last in (b"converse", b"converse-stream"):
        inner = b'{"input":{"converse":%b}}' % _only(_OF_CONVERSE, body)
        return Question(base + b"/count-tokens", inner)
    if last in (b"invoke", b"invoke-with-response-stream"):
        inner = b'{"input":{"invokeModel":{"body":"%b"}}}' % b64encode(body)
        return Question(base + b"/count-tokens", inner)
    return None


def _only(names: Iterable[str], body: bytes | bytearray) -> bytes:
    """An object of these members, as they stand in the body."""
    document: Document = strictjson.scan(body)
    members = []
    for name in names:
        member = document.members.get(name)
        if member is not None:
            members.append(b'"%b":%b' % (name.encode(), bytes(body[member[0] : member[1]])))
    return b"{%b}" % b",".join(members)


def answer(body: bytes) -> int | None:
    """The count in an answer; None where there is no plausible one."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):
        return None
    tokens = told.get("input_tokens", told.get("inputTokens"))
    return tokens if type(tokens) is int and 0 < tokens < 2**31 else None
