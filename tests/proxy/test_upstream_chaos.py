"""Upstreams that fail: what the caller sees, and how the exchange ends for the money."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import cast

import pytest

from s4fw.core.reason import Reason
from s4fw.proxy import Origin
from tests.proxy.rig import (
    CLOSE,
    DONE,
    EVENT,
    HANG,
    PLAIN,
    RESET,
    STREAM_HEAD,
    USAGE,
    USAGE_EVENT,
    Rig,
    chunk,
    on_rig,
    post,
)


def code(body: bytes) -> str:
    """The code in a refusal's envelope."""
    return str(json.loads(body)["error"]["code"])


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@on_rig()
async def test_connect_refused_answers_502_and_charges_nothing(rig: Rig) -> None:
    """UPS-01: nothing was sent, so the whole reservation must come back."""
    rig.proxy.swap_origins({"openai": Origin.of("openai", f"http://127.0.0.1:{free_port()}")})
    client = await rig.client()
    status, head, body = await client.ask(post())
    assert (status, code(body)) == (502, "upstream_unreachable")
    assert b"x-should-retry" not in head
    x = await rig.settled()
    assert (x.is_sent, x.reason) == (False, Reason.NOT_SENT)
    # The request was read whole, so the connection lives.
    assert (await client.ask(post()))[0] == 502


@on_rig()
async def test_host_that_does_not_resolve_answers_502(rig: Rig) -> None:
    """UPS-01: a name may vanish from the DNS while we run."""
    rig.proxy.swap_origins({"openai": Origin.of("openai", "http://nowhere.invalid")})
    status, _, body = await (await rig.client()).ask(post())
    assert (status, code(body)) == (502, "upstream_unreachable")


@on_rig(connect_ns=200_000_000)
async def test_connect_that_hangs_ends_at_its_deadline(rig: Rig) -> None:
    """UPS-01: a full accept queue drops the handshake; TCP itself would wait for minutes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        rig.proxy.swap_origins({"openai": Origin.of("openai", f"http://127.0.0.1:{port}")})
        status, _, body = await (await rig.client()).ask(post())
        assert (status, code(body)) == (502, "upstream_unreachable")
        assert not (await rig.settled()).is_sent
        for filler in fillers:
            filler.close()


@on_rig()
async def test_silence_answers_504_and_says_do_not_retry(rig: Rig) -> None:
    """UPS-02: the call may have been billed, so it is charged and must not be repeated."""
    rig.upstream.scripts = [[HANG]]
    status, head, body = await (await rig.client()).ask(post())
    assert (status, code(body)) == (504, "upstream_timeout")
    x = await rig.settled()
    assert (x.is_sent, x.reason) == (True, Reason.UPSTREAM_TIMEOUT)
    assert b"x-s4fw-reserved-usd: 0.001234000\r\n" in head


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_cut_before_the_answer_is_502_and_charged(end: str) -> None:
    """UPS-03: bytes were sent, so money may be gone."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[end]]
        status, _, body = await (await rig.client()).ask(post())
        assert (status, code(body)) == (502, "upstream_cut")
        x = await rig.settled()
        assert (x.is_sent, x.reason) == (True, Reason.UPSTREAM_CUT)
        assert len(rig.upstream.seen) == 1, "a request that was sent is never sent again"

    play()


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_cut_stream_ends_with_an_error_event_and_no_last_chunk(end: str) -> None:
    """UPS-03, UPS-04: SDKs take a silent end for a complete answer."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), 0.05, end]]
        client = await rig.client()
        await client.send(post())
        await client.head()
        assert await client.chunk() == EVENT
        error = await client.chunk()
        assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "upstream_cut"
        assert await client.rest() == b""
        assert (await rig.settled()).reason is Reason.UPSTREAM_CUT

    play()


@on_rig()
async def test_cut_within_an_event_ends_that_event_first(rig: Rig) -> None:
    """Otherwise our error would be part of a broken line and nobody would see it."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT + b'data: {"cho'), 0.05, RESET]]
    client = await rig.client()
    await client.send(post())
    out = await client.rest()
    assert b'data: {"cho\r\n' in out
    assert b'\n\ndata: {"error"' in out


@on_rig()
async def test_cut_after_usage_keeps_the_usage(rig: Rig) -> None:
    """UPS-03: the provider's own account was seen, so the charge is exact."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT + USAGE_EVENT), 0.05, RESET]]
    client = await rig.client()
    await client.send(post())
    await client.rest()
    x = await rig.settled()
    assert x.meter is not None
    assert x.meter.usage is not None


@on_rig()
async def test_cut_http10_plain_stream_resets_the_caller(rig: Rig) -> None:
    """Over HTTP/1.0 a close is a clean end, so only a reset tells the truth."""
    rig.upstream.scripts = [[PLAIN.replace(b"52", b"2000000") + b"x" * 100_000, 0.05, CLOSE]]
    client = await rig.client()
    await client.send(post(version=b"1.0"))
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert (await rig.settled()).reason is Reason.UPSTREAM_CUT


@on_rig()
async def test_cut_large_plain_answer_is_never_ended_cleanly(rig: Rig) -> None:
    """Its head is gone already, so the missing last chunk must tell."""
    rig.upstream.scripts = [[PLAIN.replace(b"52", b"2000000") + b"x" * 100_000, 0.05, CLOSE]]
    client = await rig.client()
    await client.send(post())
    await client.head()
    with pytest.raises(asyncio.IncompleteReadError):
        await client.chunks()
    assert (await rig.settled()).reason is Reason.UPSTREAM_CUT


@on_rig()
async def test_silence_in_a_stream_ends_it_with_an_error_event(rig: Rig) -> None:
    """UPS-05: only silence ends a slow stream."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), HANG]]
    client = await rig.client()
    await client.send(post())
    await client.head()
    assert await client.chunk() == EVENT
    assert b"upstream_timeout" in await client.rest()
    assert (await rig.settled()).reason is Reason.UPSTREAM_TIMEOUT


@on_rig()
async def test_slow_drip_passes(rig: Rig) -> None:
    """UPS-05: a byte now and then is no silence, however long it takes in total."""
    drip: list[bytes | float | str] = [STREAM_HEAD]
    for byte in EVENT[:8]:
        drip += [chunk(bytes([byte])), 0.1]
    rig.upstream.scripts = [[*drip, chunk(EVENT[8:] + DONE), b"0\r\n\r\n"]]
    client = await rig.client()
    await client.send(post())
    await client.head()
    out = b""
    while part := await client.chunk():
        out += part
    assert out == EVENT + DONE
    assert (await rig.settled()).reason is Reason.USAGE


@on_rig(total_ns=500_000_000)
async def test_stream_without_end_is_cut_at_the_total_deadline(rig: Rig) -> None:
    """UPS-06: no exchange may hold money for ever."""
    endless: list[bytes | float | str] = [STREAM_HEAD]
    endless += [chunk(EVENT), 0.05] * 40
    rig.upstream.scripts = [endless]
    client = await rig.client()
    await client.send(post())
    assert b"upstream_timeout" in await client.rest()
    assert (await rig.settled()).reason is Reason.UPSTREAM_TIMEOUT


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + PLAIN,
        b"\r\n\r\n" + PLAIN,
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_unreadable_answer_is_502_and_charged(answer: bytes) -> None:
    """UPS-08: what cannot be read cannot be passed on, and may have been billed."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[answer]]
        client = await rig.client()
        status, _, body = await client.ask(post())
        assert (status, code(body)) == (502, "upstream_invalid_answer")
        x = await rig.settled()
        assert (x.is_sent, x.reason) == (True, Reason.UPSTREAM_INVALID)
        assert (await client.ask(post()))[2] == USAGE
        assert rig.upstream.connections == 2

    play()


@on_rig()
async def test_bad_chunk_in_a_stream_ends_it_as_unreadable(rig: Rig) -> None:
    """UPS-08: what came before the damage was passed on, so only an event can tell."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), 0.05, b"zz\r\n"]]
    client = await rig.client()
    await client.send(post())
    assert b"upstream_invalid_answer" in await client.rest()
    assert (await rig.settled()).reason is Reason.UPSTREAM_INVALID


@on_rig()
async def test_endless_chunk_extension_ends_at_a_bound(rig: Rig) -> None:
    """UPS-08: bytes that are no body do not count as progress and do not go on for ever."""
    rig.upstream.scripts = [[STREAM_HEAD, b"5;", *[b"a" * 60_000, 0.01] * 6]]
    client = await rig.client()
    await client.send(post())
    assert b"upstream_invalid_answer" in await client.rest()


@pytest.mark.parametrize(
    "surplus", [b"X", PLAIN, b"\x00" * 100, b"HTTP/1.1 200 OK\r\n"], ids=lambda s: repr(s[:20])
)
def test_bytes_after_an_answer_never_become_the_next_one(surplus: bytes) -> None:
    """Response queue poisoning: one caller must not read what was meant for another."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[PLAIN + surplus], [PLAIN.replace(b"10", b"77")]]
        client = await rig.client()
        assert (await client.ask(post()))[2] == USAGE
        assert (await client.ask(post()))[2] == USAGE.replace(b"10", b"77")
        assert rig.upstream.connections == 2

    play()


@on_rig()
async def test_bytes_while_idle_close_the_kept_connection(rig: Rig) -> None:
    """The same, when the surplus comes a little later."""
    rig.upstream.scripts = [[PLAIN, 0.05, PLAIN], [PLAIN.replace(b"10", b"77")]]
    client = await rig.client()
    assert (await client.ask(post()))[2] == USAGE
    await asyncio.sleep(0.1)
    assert (await client.ask(post()))[2] == USAGE.replace(b"10", b"77")
    assert rig.upstream.connections == 2


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_kept_connection_that_closed_is_replaced_without_a_charge(end: str) -> None:
    """UPS-15: an idle close is everyday life and must neither fail nor cost anything."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[PLAIN, 0.02, end]]
        client = await rig.client()
        assert (await client.ask(post()))[0] == 200
        await asyncio.sleep(0.06)
        assert (await client.ask(post()))[0] == 200
        assert [x.reason for x in rig.stage.finished] == [Reason.USAGE, Reason.USAGE]
        assert len(rig.upstream.seen) == 2

    play()


@on_rig()
async def test_close_seen_by_the_kernel_only_is_noticed_before_sending(rig: Rig) -> None:
    """UPS-15: the close has arrived, the event loop has not come to it; nothing may be lost."""
    client = await rig.client()
    assert (await client.ask(post()))[0] == 200
    fd = rig.upstream.writers[0].get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(fd)) as far_end:
        far_end.shutdown(socket.SHUT_RDWR)
    kept = next(iter(rig.proxy.connector("openai")._pool.idle))
    for _ in range(1000):  # wait for the close in the kernel without letting the loop see it
        if not kept.is_usable():
            break
    assert not kept.is_usable()
    assert (await client.ask(post()))[0] == 200
    assert rig.upstream.connections == 2


@on_rig()
async def test_kept_connection_that_takes_nothing_is_tried_once_more(rig: Rig) -> None:
    """UPS-15: the kernel refused the very first byte, so a second try cannot pay twice."""
    client = await rig.client()
    assert (await client.ask(post()))[0] == 200
    kept = next(iter(rig.proxy.connector("openai")._pool.idle))
    # Shut our own sending side: the kernel refuses bytes while the connection looks alive.
    with socket.socket(fileno=os.dup(kept._fd)) as near_end:
        near_end.shutdown(socket.SHUT_WR)
    assert (await client.ask(post()))[0] == 200
    assert rig.figure("upstream_retries") == 1
    assert len(rig.upstream.seen) == 2
    assert rig.stage.finished[1].reason is Reason.USAGE


@on_rig()
async def test_answer_before_the_request_was_read_ends_the_connection(rig: Rig) -> None:
    """The rest of that request would be read as the beginning of the next one."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"
    transports: list[asyncio.Transport] = []

    class Early(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            to_us = cast(asyncio.Transport, transport)
            transports.append(to_us)
            to_us.pause_reading()
            asyncio.get_running_loop().call_later(0.05, to_us.write, refusal)

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel takes it all
    sock.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(Early, sock=sock)
    port = sock.getsockname()[1]
    rig.proxy.swap_origins({"openai": Origin.of("openai", f"http://127.0.0.1:{port}")})
    client = await rig.client()
    try:
        status, _, _ = await client.ask(post(b"x" * 20_000_000))
        assert status == 413
        assert repr(rig.proxy.connector("openai")).count("0 idle, 0 busy") == 1
    finally:
        server.close()
        for transport in transports:
            transport.abort()


@on_rig()
async def test_stage_that_breaks_on_the_way_is_charged_and_ended(rig: Rig) -> None:
    """A fault of ours must not leave money held, nor let the answer look whole."""

    def feed(x: object, data: bytes) -> bytes:
        raise RuntimeError("secret text")

    rig.proxy.pipeline._feed.append(feed)
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), HANG]]
    client = await rig.client()
    status, _, body = await client.ask(post())
    assert (status, code(body)) == (500, "internal_error")
    assert b"secret" not in body
    assert (await rig.settled()).reason is Reason.LEFT_OPEN
    assert rig.figure("internal_errors") == 1
