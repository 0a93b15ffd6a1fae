"""The wire shapes of providers: bytes to nouns and back, without I/O.

`match` finds the route of a request by its raw path, exactly: what is not in the table is not
governed and not forwarded.  A further provider is a further file here and its rows in `ROUTES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from s4fw.core.dialect import Dialect, Route
from s4fw.core.verdict import Block
from s4fw.dialects import own
from s4fw.dialects.anthropic import Anthropic
from s4fw.dialects.bedrock import Bedrock
from s4fw.dialects.bedrock import paths as bedrock
from s4fw.dialects.openai import routes as openai
from s4fw.errors import ENDPOINT_NOT_GOVERNED, INVALID_REQUEST, METHOD_NOT_ALLOWED

OPENAI: Final = openai.OPENAI
ANTHROPIC: Final = Anthropic()
BEDROCK: Final = Bedrock()
BEDROCK_PATHS: Final = bedrock.Paths(BEDROCK)

# Raw path -> method -> route.
ROUTES: Final[dict[bytes, dict[bytes, Route]]] = {
    **openai.table(),
    **own.table(),
    b"/v1/messages": {
        b"POST": Route("anthropic.messages", ANTHROPIC, True, b"/v1/messages", "anthropic"),
    },
    b"/v1/messages/count_tokens": {
        b"POST": Route(
            "anthropic.count_tokens", ANTHROPIC, False, b"/v1/messages/count_tokens", "anthropic"
        ),
    },
    # Bedrock has Anthropic's shape too, under a path of its own.
    b"/anthropic/v1/messages": {
        b"POST": Route("bedrock.messages", ANTHROPIC, True, b"/anthropic/v1/messages", "bedrock"),
    },
}

_VERSION: Final = b"anthropic-version"  # every request of its SDKs has it

# What some server on the way might decode into another path or another header line: control bytes
# raw or encoded, encoded dots, backslashes, dot segments.
_UNSAFE: Final = re.compile(
    rb"[\x00-\x20\x7f\\]|%(?:[01][0-9A-Fa-f]|7[Ff]|2[Ee]|5[Cc])|/\.{1,2}(?:/|$)"
)


NO_HEADERS: Final[Mapping[bytes, bytes]] = {}


def match(
    method: bytes, raw_path: bytes, headers: Mapping[bytes, bytes] = NO_HEADERS
) -> Route | Block:
    """The route of a request, or why there is none.  `raw_path` is without the query; `headers`
    by lower-case names tell apart whose models are asked for, which share a path."""
    by_method: Mapping[bytes, Route] | None = ROUTES.get(raw_path)
    if by_method is None:
        if _UNSAFE.search(raw_path):
            return Block(INVALID_REQUEST, "the path holds control bytes or dot segments")
        model_route = BEDROCK_PATHS.find(raw_path)
        if isinstance(model_route, Block):
            return model_route
        if model_route is not None:
            found: Mapping[bytes, Route] | None = {b"POST": model_route}
        else:
            found = openai.of_named(raw_path)
        if found is None:
            return Block(
                ENDPOINT_NOT_GOVERNED,
                "this path is not one the firewall can meter, so it is not forwarded",
            )
        by_method = found
    route = by_method.get(method)
    if (
        route is not None
        and route.name == "openai.models"
        and _VERSION in headers
        and raw_path.startswith(b"/v1/")
    ):
        return Route("anthropic.models", ANTHROPIC, False, raw_path, "anthropic")
    if route is None:
        allowed = ", ".join(sorted(name.decode() for name in by_method))
        return Block(METHOD_NOT_ALLOWED, f"this path takes {allowed}", allow=allowed)
    return route


# Paths of Anthropic's, governed or not: messages and their batches, the legacy completions.
_ANTHROPIC_PATH: Final = re.compile(rb"/anthropic/|/v1/(?:messages|complete)(?:/|$)")


def dialect_of(raw_path: bytes, headers: Mapping[bytes, bytes] = NO_HEADERS) -> Dialect:
    """The dialect in which to refuse a request that has no route: the best guess by its head."""
    if _VERSION in headers or _ANTHROPIC_PATH.match(raw_path):
        return ANTHROPIC
    return BEDROCK if bedrock.is_one(raw_path) else OPENAI


def refusal_for(
    raw_path: bytes,
    block: Block,
    request_id: str,
    headers: Mapping[bytes, bytes] = NO_HEADERS,
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a refusal before a route is known."""
    return dialect_of(raw_path, headers).refusal(block, request_id)
