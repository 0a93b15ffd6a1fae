"""Large bodies for an upstream that wants signatures are hashed beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import ROUTES, sigv4
from s4fw.stages.caller import OFFLOADED_BYTES_MIN
from s4fw.stages.digest import Digest

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
LARGE = b"x" * OFFLOADED_BYTES_MIN


async def in_a_thread(function: Callable[[], Any]) -> Any:
    """What a worker does with long work."""
    return await asyncio.to_thread(function)


def exchange(body: bytes = LARGE, upstream: str = "bedrock") -> Exchange:
    """One that is read and has its upstream."""
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.request.body, x.upstream = body, upstream
    return x


def test_large_body_gets_its_hash_in_a_thread() -> None:
    """32 MiB take about 30 ms: nobody else waits for them."""
    x = exchange()

    async def play() -> None:
        waiting = Digest(["bedrock"], in_a_thread).admit(x)
        assert isinstance(waiting, Awaitable)
        assert await waiting is None

    asyncio.run(play())
    assert sigv4.sha256_of((LARGE,)) == x.request.body_sha256


def edited() -> Exchange:
    """One whose body is sent otherwise than it came."""
    x = exchange()
    x.request.edit(0, 1, b"y")
    return x


def verified() -> Exchange:
    """One that came signed."""
    x = exchange()
    x.request.body_sha256 = b"known"
    return x


@pytest.mark.parametrize(
    "x", [exchange(LARGE[1:]), exchange(upstream="openai"), edited(), verified()]
)
def test_what_needs_no_thread_goes_on_at_once(x: Exchange) -> None:
    """Small, unsigned, to be hashed in its edited form, or hashed before."""
    before = x.request.body_sha256
    assert Digest(["bedrock"], in_a_thread).admit(x) is None
    assert before == x.request.body_sha256
