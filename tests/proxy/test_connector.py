"""What operators read when an upstream cannot be reached, and what a reload changes for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from s4fw.observe.log import JsonLines
from s4fw.proxy import Origin
from tests.proxy.rig import PLAIN, Rig, on_rig, post

DOWN = Origin.of("openai", "http://127.0.0.1:1/gateway", "sk-canary")


def reload(rig: Rig, connections_max: int) -> None:
    """What a worker does on SIGHUP, with one limit changed."""
    rig.proxy.settings = replace(rig.proxy.settings, upstream_connections_max=connections_max)
    rig.proxy.swap_origins({"openai": Origin.of("openai", f"http://127.0.0.1:{rig.upstream.port}")})


def test_failed_connect_is_logged_with_its_cause_and_not_for_every_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At night the log must say where and why; it must not grow with the traffic that fails."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.proxy.swap_origins({"openai": DOWN})
        for _ in range(5):
            assert 502 == (await (await rig.client()).ask(post()))[0]

    with caplog.at_level(logging.WARNING, "s4fw.proxy.connector"):
        play()
    records = [r for r in caplog.records if r.name == "s4fw.proxy.connector"]
    told = [json.loads(JsonLines().format(record))["message"] for record in records]
    assert told == [
        "cannot connect to http://127.0.0.1:1/gateway: Connection refused; "
        "0 more since the last line"
    ]


@on_rig(upstream_connections_max=1)
async def test_raised_limit_applies_to_an_upstream_that_stays(rig: Rig) -> None:
    """Or more requests would be admitted than may ever connect, and fail in the queue."""
    rig.upstream.default = [0.2, PLAIN]
    reload(rig, connections_max=8)
    clients = [await rig.client() for _ in range(8)]
    answers = await asyncio.gather(*(client.ask(post()) for client in clients))
    assert [200] * 8 == [status for status, _, _ in answers]
    assert 8 == rig.upstream.connections


@on_rig(upstream_connections_max=1)
async def test_raised_limit_serves_those_who_already_wait(rig: Rig) -> None:
    """A reload under load is how an operator ends the queue."""
    rig.upstream.default = [0.2, PLAIN]
    clients = [await rig.client() for _ in range(4)]
    tasks = [asyncio.create_task(client.ask(post())) for client in clients]
    await rig.until(lambda: "3 waiting" in repr(rig.proxy.connector("openai")))
    reload(rig, connections_max=8)
    await rig.until(lambda: 4 == len(rig.upstream.seen))
    assert [200] * 4 == [(await task)[0] for task in tasks]
    assert 4 == rig.upstream.connections


@on_rig()
async def test_quiet_upstream_connection_is_probed(rig: Rig) -> None:
    """A model may think for longer than gateways remember a connection without a byte."""
    assert 200 == (await (await rig.client()).ask(post()))[0]
    options = [options for port, *options in own_connections() if port == rig.upstream.port]
    assert options
    for is_on, idle_s in options:
        assert (1, True) == (is_on, idle_s < 350)  # what a NAT gateway of AWS remembers


def own_connections() -> Iterator[tuple[int, int, int]]:
    """Of each connection over IPv4: the peer's port, SO_KEEPALIVE, TCP_KEEPIDLE."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as sock:
            if sock.family == socket.AF_INET:
                is_on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                idle_s = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                yield sock.getpeername()[1], is_on, idle_s
