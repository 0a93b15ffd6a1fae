"""Callers over TLS, on a whole data plane: the answer arrives, however the connection ends."""

from __future__ import annotations

import asyncio
import functools
import ssl
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
import trustme
import uvloop

from s4fw.config.tls import PemFile, Tls
from s4fw.proxy import ListenerTls
from s4fw.proxy.tls import HANDSHAKE_S, SHUTDOWN_S
from tests.proxy.rig import (
    BODY,
    DONE,
    EVENT,
    HANG,
    PLAIN,
    QUICK,
    STREAM_HEAD,
    USAGE,
    USAGE_EVENT,
    Rig,
    chunk,
    ns,
    post,
)

AUTHORITY = trustme.CA()


@functools.cache
def pair(name: str, kind: str = "ECDSA") -> Tls:
    """A certificate for 127.0.0.1, marked by a further name."""
    leaf = AUTHORITY.issue_cert("127.0.0.1", name, key_type=trustme.KeyType[kind])
    cert = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return Tls.model_construct(
        cert=PemFile("cert.pem", cert, False),
        key=PemFile("key.pem", leaf.private_key_pem.bytes(), False),
    )


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def over_tls(
    **changes: Any,
) -> Callable[[Callable[[Rig, ListenerTls], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Run a play on a rig whose listener speaks TLS; afterwards nothing may be held."""

    def decorate(
        play: Callable[[Rig, ListenerTls], Coroutine[Any, Any, None]],
    ) -> Callable[[], None]:
        async def run() -> None:
            rig = Rig(replace(QUICK, **changes))
            tls = ListenerTls(pair("one.test"))
            options = {
                "ssl": tls.context,
                "ssl_handshake_timeout": HANDSHAKE_S,
                "ssl_shutdown_timeout": SHUTDOWN_S,
            }
            await rig.start(listener=options)
            problems: list[str] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _, told: problems.append(told["message"])
            )
            try:
                async with asyncio.timeout(10):
                    await play(rig, tls)
            finally:
                await rig.stop()
            # The scripted upstream's own end is not ours to judge.
            assert not [p for p in problems if "client_connected_cb" not in p]
            assert rig.proxy.in_flight == 0, "an exchange was never finished"
            assert rig.figure("open_connections") == 0

        @functools.wraps(play)
        def test() -> None:
            uvloop.run(run())

        del test.__wrapped__
        return test

    return decorate


@over_tls()
async def test_requests_follow_each_other_on_one_connection(rig: Rig, tls: ListenerTls) -> None:
    """The same exchange as in the clear."""
    client = await rig.client(ssl=trusting())
    for _ in range(3):
        status, _, body = await client.ask(post())
        assert (200, USAGE) == (status, body)
    chosen = client.writer.get_extra_info("ssl_object").selected_alpn_protocol()
    assert chosen is None  # nothing was offered
    assert rig.figure("connections") == 1


@over_tls()
async def test_http2_is_not_agreed_on(rig: Rig, tls: ListenerTls) -> None:
    """Clients that could speak HTTP/2 must learn at the handshake that we do not."""
    context = trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = await rig.client(ssl=context)
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@over_tls()
async def test_stream_passes_chunk_by_chunk(rig: Rig, tls: ListenerTls) -> None:
    """The first event is there while the provider still writes."""
    go = asyncio.Event()

    async def held() -> None:
        await go.wait()

    rest = chunk(USAGE_EVENT) + chunk(DONE) + b"0\r\n\r\n"
    rig.upstream.scripts = [[STREAM_HEAD + chunk(EVENT), held, rest]]
    client = await rig.client(ssl=trusting())
    await client.send(post())
    assert b"x-accel-buffering: no\r\ncache-control: no-cache\r\n" in await client.head()
    assert await client.chunk() == EVENT
    go.set()
    assert DONE in await client.chunks()


@over_tls()
async def test_swap_new_connections_get_the_new_certificate(rig: Rig, tls: ListenerTls) -> None:
    """A renewed certificate costs no connection, whatever kind of key the two have."""
    old = await rig.client(ssl=trusting())
    for name, kind in (("two.test", "RSA"), ("three.test", "ECDSA")):
        tls.swap(pair(name, kind))
        for context in (trusting(), without_tls13()):
            new = await rig.client(ssl=context)
            names = new.writer.get_extra_info("peercert")["subjectAltName"]
            assert ("DNS", name) in names
            assert (await new.ask(post()))[0] == 200
    assert (await old.ask(post()))[0] == 200
    names = old.writer.get_extra_info("peercert")["subjectAltName"]
    assert ("DNS", "one.test") in names


def without_tls13() -> ssl.SSLContext:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@over_tls()
async def test_broken_pair_keeps_the_old(rig: Rig, tls: ListenerTls) -> None:
    """Half a renewal must not close the door."""
    mixed = Tls.model_construct(cert=pair("two.test").cert, key=pair("three.test").key)
    with pytest.raises(ValueError, match="does not belong"):
        tls.swap(mixed)
    client = await rig.client(ssl=trusting())
    assert (await client.ask(post()))[0] == 200


@over_tls()
async def test_refusal_before_the_body_arrives_whole_while_the_caller_still_sends(
    rig: Rig, tls: ListenerTls
) -> None:
    """TLS has no half-close; a close with unread bytes would reset the answer on its way."""
    client = await rig.client(ssl=trusting())
    size = 8 << 20
    head = post(b"", path=b"/v1/batches").replace(b"Length: 0", b"Length: %d" % size)
    await client.send(head)
    sending = asyncio.ensure_future(_send_all(client, size))
    answer = await client.answer()
    assert answer[0] == 403
    assert await client.rest() == b""
    sending.cancel()


async def _send_all(client: Any, size: int) -> None:
    try:
        for _ in range(size >> 16):
            await client.send(bytes(1 << 16))
    except (OSError, ConnectionError):
        pass  # we said goodbye; what is sent then is the caller's own loss


@over_tls(linger_ns=ns(5))
async def test_last_answer_is_followed_by_goodbye_at_once(rig: Rig, tls: ListenerTls) -> None:
    """`connection: close` must not cost the caller the time of lingering."""
    client = await rig.client(ssl=trusting())
    started = asyncio.get_running_loop().time()
    await client.send(post(BODY, b"Connection: close"))
    assert (await client.rest()).endswith(USAGE)
    assert asyncio.get_running_loop().time() - started < 2


@over_tls()
async def test_slow_reader_of_a_last_answer_gets_all_of_it(rig: Rig, tls: ListenerTls) -> None:
    """Closing waits for whoever takes any bytes at all, far longer than lingering lasts."""
    rig.narrow()
    body = bytes(range(256)) * 3000
    head = PLAIN.removesuffix(USAGE).replace(b" 52\r\n", b" %d\r\n" % len(body))
    rig.upstream.scripts = [[head + body]]
    client = await rig.client(ssl=trusting(), limit=4096)
    await client.send(post(BODY, b"Connection: close"))
    received = bytearray()
    while piece := await client.reader.read(65536):
        received += piece
        await asyncio.sleep(0.03)
    assert received.endswith(body)


@over_tls(total_ns=ns(1))
async def test_caller_that_stalls_pauses_the_upstream(rig: Rig, tls: ListenerTls) -> None:
    """What a caller does not read must not pile up here: 64 KiB, as in the clear."""
    rig.narrow()
    rig.upstream.scripts = [[STREAM_HEAD, *[chunk(EVENT * 1000)] * 200, HANG]]
    client = await rig.client(ssl=trusting(), limit=4096)
    await client.send(post())
    await client.head()
    connection = next(iter(rig.proxy._connections))
    await rig.until(lambda: connection._is_stalled)
    assert connection._transport is not None
    assert connection._transport.get_write_buffer_size() < 400_000
    client.leave()
    await rig.settled()


@over_tls()
async def test_caller_that_says_goodbye_after_its_request_has_left(
    rig: Rig, tls: ListenerTls
) -> None:
    """Over TLS nobody can read on after closing: the answer is learnt for its usage only."""
    rig.upstream.scripts = [[0.05, PLAIN]]
    client = await rig.client(ssl=trusting())
    await client.send(post())
    await rig.until(lambda: rig.upstream.seen)
    client.writer.close()
    x = await rig.settled()
    assert x.is_client_gone
    assert x.billed_nusd == 42


@pytest.mark.parametrize("data", [post(), b"\x16\x03\x01\x00\x05hello", b""])
def test_what_is_no_handshake_is_closed(data: bytes) -> None:
    """Plain HTTP on a TLS port, garbage, and port scanners cost nothing and leave no log line."""

    @over_tls()
    async def play(rig: Rig, tls: ListenerTls) -> None:
        client = await rig.client()
        await client.send(data)
        client.writer.write_eof()
        with_alert = await client.rest()
        assert not with_alert.startswith(b"HTTP")
        assert rig.figure("connections") == 0

    play()


def test_old_protocol_is_refused() -> None:
    """TLS 1.1 and below are broken."""

    @over_tls()
    async def play(rig: Rig, tls: ListenerTls) -> None:
        context = trusting()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python says so, too
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await rig.client(ssl=context)

    play()
