"""Health, reload, drain, TLS, deadlines: the life of a worker's data plane."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from time import monotonic_ns

import pytest
import trustme
import uvloop

from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.observe.log import JsonLines
from s4fw.proxy import Origin
from s4fw.proxy.deadlines import Timed, Wheel
from tests.proxy.rig import (
    EVENT,
    HANG,
    KEY,
    PLAIN,
    QUICK,
    STREAM_HEAD,
    Recorder,
    Rig,
    chunk,
    ns,
    on_rig,
    post,
)


@on_rig()
async def test_health_answers_without_a_key(rig: Rig) -> None:
    """A load balancer has no key and asks all the time."""
    client = await rig.client()
    assert await client.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == (
        200,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b"cache-control: no-store\r\ncontent-length: 3\r\n\r\n",
        b"ok\n",
    )
    assert (await client.ask(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"))[2] == b"ready\n"
    await client.send(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"content-length: 3" in await client.head()
    status, head, _ = await client.ask(b"DELETE /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (status, b"allow: GET, HEAD" in head) == (405, True)
    assert rig.figure("requests") == 0


@pytest.mark.parametrize("path", [b"/", b"/v1/models", b"/v1/chat/completions", b"/t/acme/"])
def test_probe_is_answered_here_without_a_key_and_without_a_body(path: bytes) -> None:
    """Agents ask with HEAD whether anybody is here, and give up on any other answer."""

    @on_rig()
    async def play(rig: Rig) -> None:
        client = await rig.client()
        await client.send(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        assert await client.head() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        assert (await client.ask(post()))[0] == 200  # the connection lives on
        assert len(rig.upstream.seen) == len(rig.stage.begun) == rig.figure("requests") == 1

    play()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n", 403),
        (b"GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"HEAD /admin HTTP/1.1\r\nHost: a\r\n\r\n", 403),
        (b"HEAD /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 403),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400),
        (post(b"x", b"Content-Encoding: gzip"), 415),
        (post(b"x", b"Expect: 200-maybe"), 417),
    ],
)
def test_head_is_refused_before_the_body(request_bytes: bytes, status: int) -> None:
    """What is not governed is not forwarded, and its body is not wanted."""

    @on_rig()
    async def play(rig: Rig) -> None:
        client = await rig.client()
        await client.send(request_bytes)
        out = await client.rest()
        assert out.startswith(b"HTTP/1.1 %d " % status)
        assert not rig.upstream.seen

    play()


@on_rig()
async def test_reload_lets_running_exchanges_keep_what_they_began_with(rig: Rig) -> None:
    """Money is settled by the pipeline that took it, whatever came after."""
    rig.upstream.scripts = [[0.1, PLAIN]]
    client = await rig.client()
    await client.send(post())
    await rig.until(lambda: rig.upstream.seen)
    later = Recorder()
    rig.proxy.pipeline = Pipeline([later])
    assert (await client.answer())[0] == 200
    assert len(rig.stage.finished) == 1
    assert (await client.ask(post()))[0] == 200
    assert len(later.finished) == 1


@on_rig()
async def test_reload_keeps_connections_of_upstreams_that_stay(rig: Rig) -> None:
    """A reload of a limit must not cost every connection."""
    client = await rig.client()
    await client.ask(post())
    rig.proxy.swap_origins({"openai": Origin.of("openai", f"http://127.0.0.1:{rig.upstream.port}")})
    await client.ask(post())
    assert rig.upstream.connections == 1
    rig.proxy.swap_origins(
        {"openai": Origin.of("openai", f"http://127.0.0.1:{rig.upstream.port}", "sk-new")}
    )
    await client.ask(post())
    assert rig.upstream.connections == 2
    assert rig.upstream.seen[2].headers[b"authorization"] == b"Bearer sk-new"


@on_rig()
async def test_drain_finishes_what_runs_and_takes_nothing_new(rig: Rig) -> None:
    """A deployment must not cut an answer."""
    rig.upstream.scripts = [[0.1, PLAIN]]
    busy, idle = await rig.client(), await rig.client()
    assert (await idle.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
    await busy.send(post())
    await rig.until(lambda: rig.upstream.seen)
    rig.proxy.begin_drain()
    assert await idle.rest() == b""
    waiting = asyncio.create_task(rig.proxy.wait_drained(5))
    status, head, _ = await busy.answer()
    assert (status, b"connection: close" in head) == (200, True)
    assert await waiting
    assert await busy.rest() == b""
    late = await rig.client()
    assert (await late.ask(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 503
    late = await rig.client()
    await late.send(post())
    assert b"firewall_draining" in await late.rest()


@on_rig()
async def test_drain_deadline_aborts_at_worst_case(rig: Rig) -> None:
    """CHA-11: what did not finish in time is charged, and its caller sees a cut."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), HANG], [HANG]]
    streaming, waiting, left = [await rig.client() for _ in range(3)]
    await streaming.send(post())
    await streaming.head()
    await waiting.send(post())
    await rig.until(lambda: len(rig.upstream.seen) == 2)
    rig.proxy.begin_drain()
    assert not await rig.proxy.wait_drained(0.05)
    rig.proxy.abort_all(Reason.DRAIN_DEADLINE)
    assert [x.reason for x in rig.stage.finished] == [Reason.DRAIN_DEADLINE] * 2
    assert await rig.proxy.wait_drained(0)
    left.leave()


@on_rig(upstream_connections_max=1)
async def test_full_pool_lets_exchanges_wait_their_turn(rig: Rig) -> None:
    """A limit on connections is a queue, not an error."""
    rig.upstream.default = [0.02, PLAIN]
    clients = [await rig.client() for _ in range(5)]
    answers = await asyncio.gather(*(client.ask(post()) for client in clients))
    assert [status for status, _, _ in answers] == [200] * 5
    assert rig.upstream.connections == 1


@on_rig(upstream_connections_max=1, connect_ns=100_000_000)
async def test_full_pool_does_not_let_them_wait_for_ever(rig: Rig) -> None:
    """Who cannot be served within the connect timeout hears so; nothing was sent."""
    rig.upstream.scripts = [[0.25, PLAIN]]
    first, second = await rig.client(), await rig.client()
    await first.send(post())
    await rig.until(lambda: rig.upstream.seen)
    assert (await second.ask(post()))[0] == 502
    assert (await first.answer())[0] == 200
    assert not rig.stage.finished[0].is_sent


@on_rig(upstream_idle_ns=50_000_000)
async def test_idle_upstream_connection_is_closed_in_time(rig: Rig) -> None:
    """We close first, so that no request meets the upstream's close."""
    client = await rig.client()
    await client.ask(post())
    await rig.until(lambda: "0 idle" in repr(rig.proxy.connector("openai")))
    await client.ask(post())
    assert rig.upstream.connections == 2


def test_tls_checks_certificate_and_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A provider is who its certificate says; SSL_CERT_FILE names another root store."""
    authority = trustme.CA()
    roots = tmp_path_factory.mktemp("tls") / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def statuses() -> list[int]:
        rig = Rig(QUICK)
        await rig.start(ssl=context)
        found = []
        try:
            for host in ("localhost", "127.0.0.1"):
                url = f"https://{host}:{rig.upstream.port}"
                rig.proxy.swap_origins({"openai": Origin.of("openai", url)})
                client = await rig.client()
                found += [(await client.ask(post()))[0] for _ in range(2)]
        finally:
            await rig.stop()
        return found

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert uvloop.run(statuses()) == [502, 502, 502, 502]
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    assert uvloop.run(statuses()) == [200, 200, 502, 502]


def test_logs_hold_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """O7: whatever goes wrong, keys and bodies stay out of the log."""
    caplog.set_level(logging.DEBUG)

    @on_rig()
    async def play(rig: Rig) -> None:
        def feed(x: Exchange, chunk: bytes) -> bytes:
            raise RuntimeError("canary-answer")

        rig.proxy.pipeline._feed.append(feed)
        client = await rig.client()
        await client.ask(post(b'{"canary-body":1}'))
        bad = await rig.client()
        await bad.send(b"GET /canary-path\x00 HTTP/1.1\r\nX: canary-header\r\n\r\n")
        await bad.rest()
        rig.proxy.swap_origins({"openai": Origin.of("openai", "http://127.0.0.1:1", "canary-key")})
        await (await rig.client()).ask(post())

    play()
    assert "fault in a forward" in caplog.text
    assert "cannot connect" in caplog.text
    assert "canary" not in caplog.text
    assert KEY.decode() not in caplog.text


def test_fault_of_our_own_names_the_request_and_the_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the id that the caller was told, and a line of ours, somebody can begin to look."""
    ids: list[str] = []

    @on_rig()
    async def play(rig: Rig) -> None:
        def feed(x: Exchange, chunk: bytes) -> bytes:
            raise RuntimeError("canary")

        rig.proxy.pipeline._feed.append(feed)
        await (await rig.client()).ask(post())
        ids.append(rig.stage.finished[0].request_id)

    play()
    (record,) = (r for r in caplog.records if r.msg.startswith("fault in a forward"))
    message = json.loads(JsonLines().format(record))["message"]
    assert re.fullmatch(
        rf"fault in a forward: RuntimeError at \S+/test_life\.py:\d+: {ids[0]}", message
    )


class Clocked(Timed):
    """Notes when its deadline was noticed."""

    __slots__ = ("noticed",)

    def __init__(self) -> None:
        super().__init__()
        self.noticed: list[int] = []

    def on_deadline(self) -> None:
        self.noticed.append(monotonic_ns())


def test_wheel_notices_deadlines_late_by_a_tick_and_never_early() -> None:
    """A deadline that fires early cuts a good answer."""

    async def run() -> None:
        wheel = Wheel(ns(0.01))
        now = monotonic_ns()
        near, far, moved, gone = (Clocked() for _ in range(4))
        wheel.set(far, now + ns(0.08))
        wheel.set(near, now + ns(0.02))
        wheel.set(moved, now + ns(0.02))
        moved.deadline_ns = now + ns(0.06)  # put off by a plain store
        wheel.set(gone, now + ns(0.02))
        wheel.forget(gone)
        wheel.set(far, now + ns(0.04))  # and one that comes nearer
        await asyncio.sleep(0.15)
        assert ns(0.02) <= near.noticed[0] - now < ns(0.05)
        assert ns(0.04) <= far.noticed[0] - now < ns(0.08)
        assert ns(0.06) <= moved.noticed[0] - now < ns(0.1)
        assert gone.noticed == []
        assert [len(x.noticed) for x in (near, far, moved)] == [1, 1, 1]
        assert repr(wheel) == "<Wheel [0 entries]>"

    asyncio.run(run())


def test_wheel_goes_on_when_one_owner_fails() -> None:
    """One broken connection must not stop the clock of all others."""

    class Broken(Timed):
        def on_deadline(self) -> None:
            raise RuntimeError

    async def run() -> None:
        wheel = Wheel(ns(0.01))
        good = Clocked()
        wheel.set(Broken(), monotonic_ns() + ns(0.01))
        wheel.set(good, monotonic_ns() + ns(0.03))
        await asyncio.sleep(0.1)
        assert len(good.noticed) == 1

    asyncio.run(run())
