"""Callers that leave, stall, or send too much: nothing is held afterwards, memory stays bounded."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import Awaitable

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.verdict import Answer, Block, Verdict
from s4fw.errors import BUDGET_EXCEEDED
from tests.proxy.rig import (
    BODY,
    DONE,
    EVENT,
    HANG,
    KEY,
    PLAIN,
    STREAM_HEAD,
    USAGE,
    USAGE_EVENT,
    Rig,
    chunk,
    on_rig,
    post,
)

REST = chunk(USAGE_EVENT + DONE) + b"0\r\n\r\n"


@on_rig()
async def test_caller_leaves_mid_stream_and_the_truth_is_still_learnt(rig: Rig) -> None:
    """CLI-01: the provider bills the whole answer, so its usage must be read."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), 0.1, REST]]
    client = await rig.client()
    await client.send(post())
    await client.head()
    client.leave()
    x = await rig.settled()
    assert x.is_client_gone
    assert x.reason is Reason.USAGE
    assert x.meter is not None
    assert x.meter.usage is not None
    # The connection to the upstream ended well and is kept.
    assert (await (await rig.client()).ask(post()))[0] == 200
    assert rig.upstream.connections == 1


@on_rig()
async def test_caller_leaves_before_the_answer_and_the_truth_is_still_learnt(rig: Rig) -> None:
    """CLI-01: the same before the first byte of the answer."""
    rig.upstream.scripts = [[0.1, PLAIN]]
    client = await rig.client()
    await client.send(post())
    await asyncio.sleep(0.03)
    client.leave()
    x = await rig.settled()
    assert (x.is_client_gone, x.reason, x.status) == (True, Reason.USAGE, 200)


@on_rig()
async def test_caller_gone_and_the_upstream_never_ends(rig: Rig) -> None:
    """CLI-01: the wait for the truth is bounded; then it is the worst case."""
    rig.upstream.scripts = [[STREAM_HEAD, *[chunk(EVENT), 0.05] * 30]]
    client = await rig.client()
    await client.send(post())
    await client.head()
    client.leave()
    assert (await rig.settled()).reason is Reason.CLIENT_GONE


@on_rig(drains_max=1)
async def test_caller_gone_and_too_many_others_too(rig: Rig) -> None:
    """UPS-11: leaving callers must not occupy every connection of the worker."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), 0.2, REST] for _ in range(2)]
    clients = [await rig.client() for _ in range(2)]
    for client in clients:
        await client.send(post())
        await client.head()
    for client in clients:
        client.leave()
    await rig.settled(2)
    reasons = sorted(x.reason for x in rig.stage.finished)
    assert reasons == [Reason.USAGE, Reason.CLIENT_GONE]


@on_rig()
async def test_caller_leaves_before_anything_was_sent(rig: Rig) -> None:
    """Nothing was sent, so nothing is charged and nothing will be sent."""
    gate = asyncio.Event()

    async def wait() -> Verdict:
        await gate.wait()
        return None

    def decide(x: Exchange) -> Awaitable[Verdict]:
        return wait()

    rig.stage.decide = decide
    client = await rig.client()
    await client.send(post())
    await rig.until(lambda: rig.stage.bodies)
    client.leave()
    await asyncio.sleep(0.02)
    assert not rig.stage.finished
    gate.set()
    x = await rig.settled()
    assert (x.is_client_gone, x.is_sent, x.reason) == (True, False, Reason.NOT_SENT)
    assert not rig.upstream.seen


@on_rig()
async def test_caller_leaves_within_its_body(rig: Rig) -> None:
    """An exchange that was opened is finished, body or not."""
    client = await rig.client()
    await client.send(post()[:-5])
    await rig.until(lambda: rig.stage.begun)
    client.leave()
    x = await rig.settled()
    assert (x.is_client_gone, x.reason) == (True, Reason.NOT_SENT)


@on_rig()
async def test_half_close_is_still_answered(rig: Rig) -> None:
    """CLI-02: a caller may close its sending side and wait for the answer."""
    rig.upstream.scripts = [[0.05, PLAIN]]
    client = await rig.client()
    await client.send(post())
    client.writer.write_eof()
    out = await client.rest()
    assert out.startswith(b"HTTP/1.1 200 OK\r\n")
    assert out.endswith(USAGE)


@on_rig()
async def test_half_close_answers_all_that_was_pipelined(rig: Rig) -> None:
    """CLI-02, CLI-05: the end of input is after the last request."""
    client = await rig.client()
    await client.send(post() * 3)
    client.writer.write_eof()
    assert (await client.rest()).count(b"HTTP/1.1 200 OK\r\n") == 3


@pytest.mark.parametrize("sent", [post()[:-1], post()[:30]], ids=["body", "head"])
def test_half_close_within_a_request_is_400(sent: bytes) -> None:
    """A request that was cut is not a shorter request."""

    @on_rig()
    async def play(rig: Rig) -> None:
        client = await rig.client()
        await client.send(sent)
        client.writer.write_eof()
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
        assert not rig.upstream.seen

    play()


@on_rig(stream_idle_ns=20_000_000_000, total_ns=60_000_000_000)
async def test_stalled_caller_does_not_grow_our_memory(rig: Rig) -> None:
    """CLI-03: a caller that never reads costs a bounded buffer, the upstream is held back."""
    piece = chunk(EVENT * 1000)
    rig.upstream.scripts = [[STREAM_HEAD, *[piece] * 400, REST]]  # 22 MB
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", rig.port))
    client = await rig.client(sock=sock, limit=1024)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    await client.send(post())
    await asyncio.sleep(0.5)
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Ours and the scripted upstream's share one process: its one unsent piece counts as well.
    assert now - before < 1_000_000
    assert not rig.stage.finished
    # It reads on after all, and gets every byte.
    out = await client.rest_of_stream()
    assert out.count(EVENT) == 400_000
    assert (await rig.settled()).reason is Reason.USAGE


@on_rig(drain_answer_ns=5_000_000_000)
async def test_caller_that_never_reads_is_left_and_the_truth_learnt(rig: Rig) -> None:
    """CLI-03: the stall deadline ends the caller, not the accounting."""
    rig.upstream.scripts = [[STREAM_HEAD, *[chunk(EVENT * 1000)] * 200, REST]]
    client = await rig.client(limit=1024)
    client.writer.transport.pause_reading()
    await client.send(post())
    x = await rig.settled()
    assert x.is_client_gone
    assert x.reason is Reason.USAGE


@on_rig()
async def test_pipelining_caller_that_never_reads_is_not_served_on(rig: Rig) -> None:
    """CLI-05: answers that nobody reads must not pile up."""
    rig.stage.decide = lambda x: Answer(200, [], b"x" * 100_000)
    client = await rig.client(limit=1024)
    client.writer.transport.pause_reading()
    client.writer.write(post() * 1000)
    await asyncio.sleep(0.2)
    assert len(rig.stage.finished) < 200


@on_rig()
async def test_pipeline_of_denied_and_allowed_is_answered_in_order(rig: Rig) -> None:
    """CLI-05: each request has its own verdict, in its place."""
    turns = iter(range(64))

    def decide(x: Exchange) -> Verdict:
        return Block(BUDGET_EXCEEDED, "no") if next(turns) % 2 else None

    rig.stage.decide = decide
    client = await rig.client()
    await client.send(post() * 64)
    statuses = [(await client.answer())[0] for _ in range(64)]
    assert statuses == [200, 402] * 32
    assert len(rig.upstream.seen) == 32


@on_rig()
async def test_refusal_survives_a_caller_that_sends_on(rig: Rig) -> None:
    """A close with unread input resets the connection and destroys the refusal on its way."""
    client = await rig.client()
    head = post(b"", key=None).replace(b"Content-Length: 0", b"Content-Length: 5000000")
    await client.send(head)
    await client.send(b"x" * 5_000_000)
    assert (await client.rest()).startswith(b"HTTP/1.1 401 ")


@on_rig()
async def test_lingering_is_bounded(rig: Rig) -> None:
    """A refused caller that never stops is cut."""
    client = await rig.client()
    await client.send(post(key=None))
    with pytest.raises(ConnectionError):
        await client.flood(b"x" * 1000, 0.02)


@on_rig(connections_max=2)
async def test_too_many_connections_are_told_so(rig: Rig) -> None:
    """A refusal with a hint when to come back is better than a queue without end."""
    first, second = await rig.client(), await rig.client()
    assert (await first.ask(post()))[0] == 200
    out = await (await rig.client()).rest()
    assert out.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in out
    assert (await second.ask(post()))[0] == 200


@on_rig(in_flight_max=1)
async def test_too_many_exchanges_are_told_so_before_their_body(rig: Rig) -> None:
    """What cannot be worked on should not be received either."""
    rig.upstream.scripts = [[0.1, PLAIN]]
    first, second = await rig.client(), await rig.client()
    await first.send(post())
    await asyncio.sleep(0.02)
    await second.send(post()[: -len(BODY)])
    out = await second.rest()
    assert out.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in out
    assert (await first.answer())[0] == 200


@on_rig(keep_alive_ns=100_000_000)
async def test_idle_connection_is_closed_in_time(rig: Rig) -> None:
    """Connections nobody uses must not fill the table."""
    client = await rig.client()
    assert (await client.ask(post()))[0] == 200
    assert await client.rest() == b""


@on_rig()
async def test_garbage_after_a_request_does_not_spoil_its_answer(rig: Rig) -> None:
    """The first request was good: it is answered and settled, then the connection ends."""
    rig.upstream.scripts = [[0.05, PLAIN]]
    client = await rig.client()
    await client.send(post() + b"\x00\x01\x02garbage")
    status, _, body = await client.answer()
    assert (status, body) == (200, USAGE)
    assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
    assert len(rig.stage.finished) == 1


@on_rig()
async def test_waiting_stage_does_not_stop_the_others(rig: Rig) -> None:
    """A huge body is counted in a thread; everybody else goes on."""
    gate = asyncio.Event()

    async def wait() -> Verdict:
        await gate.wait()
        return None

    def decide(x: Exchange) -> Verdict | Awaitable[Verdict]:
        return wait() if x is rig.stage.begun[0] else None

    rig.stage.decide = decide  # type: ignore[assignment]
    slow, quick = await rig.client(), await rig.client()
    await slow.send(post())
    await asyncio.sleep(0.02)
    assert (await quick.ask(post()))[0] == 200
    gate.set()
    assert (await slow.answer())[0] == 200


@on_rig()
async def test_stage_that_breaks_is_a_500_without_its_text(rig: Rig) -> None:
    """A fault of ours never lets a request through and never quotes it."""

    def decide(x: Exchange) -> Verdict:
        raise RuntimeError("secret text")

    rig.stage.decide = decide
    client = await rig.client()
    status, _, body = await client.ask(post())
    assert status == 500
    assert b"secret" not in body
    assert not rig.upstream.seen


@on_rig()
async def test_finish_that_breaks_still_answers(rig: Rig) -> None:
    """Whatever happens at the end, the caller gets what was paid for."""

    def fail(x: Exchange) -> None:
        raise RuntimeError("secret text")

    rig.stage.on_finish = fail
    client = await rig.client()
    assert (await client.ask(post()))[0] == 200
    rig.stage.on_finish = lambda x: None
    assert (await client.ask(post()))[0] == 200


@on_rig()
async def test_http10_stream_ends_with_a_close(rig: Rig) -> None:
    """Chunks are unknown to HTTP/1.0; the bytes are the same."""
    rig.upstream.scripts = [[STREAM_HEAD, chunk(EVENT), 0.02, chunk(DONE), b"0\r\n\r\n"]]
    client = await rig.client()
    await client.send(post(version=b"1.0"))
    head = await client.head()
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert await client.rest() == EVENT + DONE


@on_rig()
async def test_http10_keep_alive_is_kept_for_whole_answers(rig: Rig) -> None:
    """Old load generators ask for it and wait for its confirmation."""
    client = await rig.client()
    for _ in range(2):
        status, head, _ = await client.ask(post(BODY, b"Connection: keep-alive", version=b"1.0"))
        assert status == 200
        assert b"\r\nconnection: keep-alive\r\n" in head


@on_rig()
async def test_key_never_leaves_and_never_returns(rig: Rig) -> None:
    """A key in an answer or a log would be in somebody's ticket tomorrow."""
    rig.upstream.scripts = [[HANG]]
    client = await rig.client()
    _, head, body = await client.ask(post())
    assert KEY not in head + body


@on_rig(linger_ns=100_000_000)
async def test_slow_reader_of_a_last_answer_gets_all_of_it(rig: Rig) -> None:
    """The bound on lingering is for callers that send, not for those that read slowly."""
    rig.narrow()
    body = b"x" * 1_000_000
    rig.upstream.scripts = [[PLAIN.replace(b"52", b"1000000").replace(USAGE, body)]]
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", rig.port))
    await loop.sock_sendall(sock, post(BODY, b"Connection: close"))
    got = 0
    while data := await loop.sock_recv(sock, 65536):
        got += len(data)
        await asyncio.sleep(0.03 if got < 200_000 else 0)
    sock.close()
    assert got > len(body)


@on_rig()
async def test_no_upstream_for_a_governed_path_is_502(rig: Rig) -> None:
    """A reload may take an upstream away while its callers go on."""
    rig.proxy.swap_origins({})
    client = await rig.client()
    assert (await client.ask(post()))[0] == 502
    assert not (await rig.settled()).is_sent
