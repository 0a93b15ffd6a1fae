"""Reads bodies through a shape, as the pipeline does, for the tests of all shapes."""

import json
from typing import Any

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import match


def exchange(path: str, body: bytes | dict[str, Any]) -> Exchange:
    """An exchange whose body was read by the dialect of its path."""
    route = match(b"POST", path.encode())
    assert isinstance(route, Route)
    x = Exchange(route, Request(b"POST", path.encode(), b"", {}))
    x.request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    route.dialect.read(x)
    return x


def measured(request: Request) -> tuple[list[str], int]:
    """All texts and tokens that the runs of a request measure."""
    texts: list[str] = []
    tokens = request.tokens_extra
    for run in request.runs:
        for start, end in run.spans:
            more, extra = run.measure(json.loads(request.body[start:end]))
            texts += more
            tokens += extra
    return texts, tokens


def forwarded(request: Request) -> Any:
    """What the upstream would read; a member that comes twice fails."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names))
        return dict(pairs)

    whole = b"".join(bytes(piece) for piece in request.pieces())
    return json.loads(whole, object_pairs_hook=once)
