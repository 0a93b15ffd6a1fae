"""Builds calls of Bedrock's runtime as a proxy would have read them."""

from __future__ import annotations

import json
from typing import Any

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.usage import Usage
from s4fw.dialects.bedrock import Bedrock
from s4fw.dialects.bedrock.paths import Paths
from tests.dialects.reading import measured

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BEDROCK = Bedrock()
PATHS = Paths(BEDROCK)


def exchange(
    body: dict[str, Any] | bytes,
    operation: str = "converse",
    model: str = CLAUDE,
    headers: dict[str, str] | None = None,
    dialect: Bedrock = BEDROCK,
) -> Exchange:
    """An exchange before it is read."""
    path = f"/model/{model}/{operation}".encode()
    route = Paths(dialect).find(path)
    assert isinstance(route, Route), route
    fields = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    x = Exchange(route, Request(b"POST", path, b"", fields))
    x.request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return x


def read(
    body: dict[str, Any] | bytes,
    operation: str = "converse",
    model: str = CLAUDE,
    headers: dict[str, str] | None = None,
) -> Request:
    """A request as the dialect reads it.  Raises Refusal."""
    x = exchange(body, operation, model, headers)
    BEDROCK.read(x)
    return x.request


def bound(request: Request) -> int:
    """The most tokens of input: bytes of the texts, and what is beside them."""
    texts, tokens = measured(request)
    return tokens + sum(len(text.encode()) for text in texts)


def saying(*blocks: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A Converse body with one message of these blocks, or of a short text."""
    content = list(blocks) or [{"text": "hi"}]
    return {"messages": [{"role": "user", "content": content}], **members}


def buckets(usage: Usage | None) -> dict[str, int]:
    """The buckets that the samples state."""
    assert usage is not None
    names = ("uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    return {name: getattr(usage, name) for name in names}
