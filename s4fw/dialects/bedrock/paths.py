"""Bedrock's paths: `/model/{modelId}/{operation}`, read from the raw path.

The id holds `:` and `/`; SDKs encode both, one of them, or none.  So the first segment is `model`,
the last one the operation, and whatever stands between is the id: decoded exactly once, read, and
encoded again by us, so that the upstream can only understand what was understood here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from s4fw.core.dialect import Dialect, Route
from s4fw.core.verdict import Block
from s4fw.dialects.bedrock import modelid
from s4fw.errors import ENDPOINT_NOT_GOVERNED, INVALID_REQUEST

PREFIX: Final = b"/model/"

# Operation -> whether it generates, and so is metered.
OPERATIONS: Final[dict[bytes, bool]] = {
    b"converse": True,
    b"converse-stream": True,
    b"invoke": True,
    b"invoke-with-response-stream": True,
    b"count-tokens": False,
}

# Paths of the same host that are not governed, refused in Bedrock's envelope.
_OTHERS: Final = re.compile(rb"/(?:model|async-invoke|guardrail|guardrail-checks)(?:/|$)")

_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_NAMED: Final = re.compile(
    rb"(?:[A-Za-z0-9._:/-]|%(?:2[DdFf]|3[Aa]|5[Ff]|[46][1-9A-Fa-f]|[57][0-9Aa]"
    rb"|3[0-9]))+"
)

_ROUTES_REMEMBERED_MAX: Final = 1024  # paths come from callers


class Paths:
    """Finds routes, and remembers those it made."""

    __slots__ = ("_dialect", "_routes")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._routes: dict[bytes, Route] = {}

    def find(self, raw_path: bytes) -> Route | Block | None:
        """The route of a path that is one of Bedrock's, why it is refused, None for any other."""
        route = self._routes.get(raw_path)
        if route is not None:
            return route
        if not is_one(raw_path):
            return None
        made = self._made(raw_path)
        if isinstance(made, Route):
            if len(self._routes) >= _ROUTES_REMEMBERED_MAX:
                self._routes.clear()
            self._routes[raw_path] = made
        return made

    def _made(self, raw_path: bytes) -> Route | Block:
        named, _, operation = raw_path.removeprefix(PREFIX).rpartition(b"/")
        is_metered = OPERATIONS.get(operation)
        if is_metered is None or not raw_path.startswith(PREFIX) or not named:
            return Block(
                ENDPOINT_NOT_GOVERNED,
                "this path is not one the firewall can meter, so it is not forwarded",
            )
        if _NAMED.fullmatch(named) is None:
            return Block(INVALID_REQUEST, "the model in the path is not an id or an ARN of one")
        name = _decoded(named)
        model = modelid.canonical(name)
        if isinstance(model, Block):
            return model
        upstream_path = PREFIX + quote(name, safe="").encode() + b"/" + operation
        kind = "bedrock." + operation.decode()
        return Route(kind, self._dialect, is_metered, upstream_path, "bedrock", model)


def is_one(raw_path: bytes) -> bool:
    """Whether a path is one of Bedrock's, governed or not."""
    return raw_path.startswith(PREFIX) or _OTHERS.match(raw_path) is not None


def _decoded(named: bytes) -> str:
    """Percent-decoded once.  Only letters, digits and `-_:/` may come encoded; a dot or a percent
    sign would have been refused."""
    return _ENCODED.sub(lambda found: bytes((int(found[1], 16),)), named).decode("ascii")
