"""The plain way: what callers get, what the upstream sees."""

from __future__ import annotations

from s4fw.core.reason import Reason
from tests.proxy.rig import (
    BODY,
    DONE,
    EVENT,
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

LAST_EVENTS = chunk(USAGE_EVENT + DONE)


@on_rig()
async def test_relay_plain_answer_is_whole_and_tells_its_cost(rig: Rig) -> None:
    """A caller must be able to see in the head what its call did cost."""
    client = await rig.client()
    status, head, body = await client.ask(post())
    assert (status, body) == (200, USAGE)
    assert b"\r\nx-s4fw-decision: allow\r\n" in head
    assert b"\r\nx-s4fw-reserved-usd: 0.001234000\r\n" in head
    assert b"\r\nx-s4fw-cost-usd: 0.000000042\r\n" in head
    assert b"\r\nContent-Type: application/json\r\n" in head
    x = await rig.settled()
    assert (x.status, x.reason, x.is_sent) == (200, Reason.USAGE, True)
    assert b"x-s4fw-request-id: " + x.request_id.encode() in head
    assert rig.upstream.seen[0].body == BODY


@on_rig()
async def test_relay_stream_passes_chunks_as_they_come(rig: Rig) -> None:
    """Time to first token is what people feel: no chunk may wait for the next."""
    rig.upstream.scripts = [
        [STREAM_HEAD, chunk(EVENT), 0.15, chunk(EVENT), 0.15, LAST_EVENTS, b"0\r\n\r\n"]
    ]
    client = await rig.client()
    await client.send(post())
    head = await client.head()
    assert b"transfer-encoding: chunked" in head
    assert b"x-accel-buffering: no" in head
    assert b"cost-usd" not in head
    assert await client.chunk() == EVENT
    assert not rig.stage.finished
    assert await client.chunk() == EVENT
    assert await client.chunk() == USAGE_EVENT + DONE
    assert await client.chunk() == b""
    x = await rig.settled()
    assert x.meter is not None
    assert x.meter.usage is not None
    assert rig.figure("stream_chunks") == 3
    # and the connection goes on
    assert (await client.ask(post()))[0] == 200


@on_rig()
async def test_relay_keeps_both_connections(rig: Rig) -> None:
    """A handshake per request would cost more than the firewall does."""
    client = await rig.client()
    for _ in range(5):
        assert (await client.ask(post()))[0] == 200
    assert rig.upstream.connections == 1
    assert rig.figure("upstream_connects") == 1
    assert rig.figure("requests") == 5


@on_rig()
async def test_relay_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    """Two requests in one packet are two exchanges, one after the other."""
    count = 64
    rig.upstream.scripts = [
        [PLAIN.replace(b"52", b"2").replace(USAGE, b"%02d" % n)] for n in range(count)
    ]
    client = await rig.client()
    await client.send(b"".join(post() for _ in range(count)))
    bodies = [(await client.answer())[2] for _ in range(count)]
    assert bodies == [b"%02d" % n for n in range(count)]
    assert len(rig.stage.finished) == count


@on_rig()
async def test_relay_byte_at_a_time_reads_the_same(rig: Rig) -> None:
    """Where a packet ends is the network's choice, never part of the meaning."""
    rig.upstream.scripts = [[bytes([byte]) for byte in PLAIN], [PLAIN]]
    client = await rig.client()
    chunked = b"".join(
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ",
            KEY,
            b"\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunk(BODY[:40]),
            chunk(BODY[40:]),
            b"0\r\nx-trailer: 1\r\n\r\n",
        )
    )
    for request in (post(), chunked):
        for byte in request:
            await client.send(bytes([byte]))
        status, _, body = await client.answer()
        assert (status, body) == (200, USAGE)
    assert rig.stage.bodies == [BODY, BODY]
    assert [seen.body for seen in rig.upstream.seen] == [BODY, BODY]
    assert rig.upstream.seen[1].headers[b"content-length"] == b"%d" % len(BODY)
