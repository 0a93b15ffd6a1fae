"""Files that a request only names: refused, or held at the bound that the operator vouches for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import match
from tests.playbook import Play

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "1000"}]
UPSTREAMS = {"anthropic": {"base_url": "http://127.0.0.1:1"}, "bedrock": {"region": "us-east-1"}}

FILE = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
S3 = {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://b/k"}}}
CONVERSE = "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/converse"
ASKED: dict[str, tuple[dict[str, Any], Any]] = {
    "/v1/messages": ({"model": "claude-sonnet-4-5", "max_tokens": 9}, FILE),
    CONVERSE: ({"inferenceConfig": {"maxTokens": 9}}, {"document": S3}),
}


def ask(
    folder: Path, path: str, count: int, bound: int | None, cited: bool = False, **more: Any
) -> Exchange:
    """A request that names so many files, under a configuration with this bound."""
    folder.mkdir()
    pricing = {} if bound is None else {"pricing": {"opaque_file_token_bound": bound, **more}}
    members, block = ASKED[path]
    if cited:
        inner = block.get("document", block) | {"citations": {"enabled": True}}
        block = {"document": inner} if "document" in block else inner
    body = members | {"messages": [{"role": "user", "content": [block] * count}]}
    route = match(b"POST", path.encode())
    assert isinstance(route, Route)
    x = Exchange(route, Request(b"POST", path.encode(), b"", {}))
    x.request.body = json.dumps(body).encode()
    with Play(folder, ALL, upstreams=UPSTREAMS, **pricing) as play:
        verdict = play.pipeline.open(x) or play.pipeline.admit(x)
        assert verdict is x.block
        if x.block is None:
            play.send(x)
            play.answer(x, b"{}")
            play.end(x)
    return x


@pytest.mark.parametrize("path", ASKED)
def test_file_elsewhere_is_refused_unless_it_has_a_bound(tmp_path: Path, path: str) -> None:
    """Nothing here says how long it is."""
    x = ask(tmp_path / "play", path, 1, None)
    assert x.block is not None
    assert "unbounded_request" == x.block.code.name


@pytest.mark.parametrize("path", ASKED)
def test_file_elsewhere_is_held_at_its_bound_each(tmp_path: Path, path: str) -> None:
    """A change of the configuration counts at once, also for messages that were counted before."""
    asked = [(count, bound) for bound in (50_000, 60_000) for count in (1, 2)]
    held = [
        ask(tmp_path / f"{count}-{bound}", path, count, bound).quote_tokens_in
        for count, bound in asked
    ]
    assert 50_000 < held[0] < 52_000
    assert (10_000, 20_000) == (held[2] - held[0], held[3] - held[1])
    assert 50_000 <= held[1] - held[0] < 50_200


@pytest.mark.parametrize("path", ASKED)
def test_file_elsewhere_that_is_cited_is_held_twice(tmp_path: Path, path: str) -> None:
    """If it is a text, each sentence gets a mark: at most as long again."""
    once = ask(tmp_path / "once", path, 1, 50_000).quote_tokens_in
    assert 100_000 < ask(tmp_path / "cited", path, 1, 50_000, cited=True).quote_tokens_in
    assert once < 52_000


@pytest.mark.parametrize("path", ASKED)
def test_files_elsewhere_are_held_at_the_context_at_most(tmp_path: Path, path: str) -> None:
    """A model reads no more."""
    x = ask(tmp_path / "play", path, 3, 10**8)
    assert x.block is None
    assert x.price.max_in == x.quote_tokens_in
