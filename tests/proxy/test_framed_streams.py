"""Event streams in binary frames through the proxy: no rule of the text streams is theirs."""

from __future__ import annotations

import pytest
from botocore.eventstream import (  # type: ignore[import-untyped]
    ChecksumMismatch,
    EventStreamBuffer,
)

from s4fw.core.reason import Reason
from s4fw.proxy import Origin
from tests.proxy.rig import CLOSE, KEY, RESET, Rig, chunk, on_rig
from tests.samples import sample

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
BODY = sample("bedrock_converse/request.json")
PATH = sample("bedrock_converse/request_line.txt").split()[1] + b"-stream"
POST = (
    b"POST %b HTTP/1.1\r\nHost: fw.test\r\nAuthorization: Bearer %b\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (PATH, KEY, len(BODY), BODY)
)
STREAM = sample("bedrock_converse/stream.bin")


def stand_in(rig: Rig) -> None:
    """Let the scripted upstream be Bedrock."""
    origin = Origin.of("bedrock", f"http://127.0.0.1:{rig.upstream.port}")
    rig.proxy.swap_origins({"bedrock": origin})


def frames(wire: bytes) -> list[tuple[str, bytes]]:
    """What botocore reads of an answer's chunks: types and payloads.  Raises what it raises."""
    body, rest = b"", wire.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [
        (message.headers.get(":event-type") or message.headers[":exception-type"], message.payload)
        for message in buffer
    ]


@on_rig()
async def test_stream_passes_byte_for_byte(rig: Rig) -> None:
    """Every frame has checksums over its bytes."""
    stand_in(rig)
    rig.upstream.scripts = [[HEAD, chunk(STREAM[:100]), 0.02, chunk(STREAM[100:]), b"0\r\n\r\n"]]
    client = await rig.client()
    await client.send(POST)
    await client.head()
    assert STREAM == await client.chunks()
    x = await rig.settled()
    assert x.meter is not None
    assert x.meter.usage is not None
    assert 91 == x.meter.usage.output


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_stream_cut_between_frames_ends_with_an_exception_frame(end: str) -> None:
    """boto3 takes a silent end for a complete answer."""

    @on_rig()
    async def play(rig: Rig) -> None:
        stand_in(rig)
        first = int.from_bytes(STREAM[:4], "big")
        rig.upstream.scripts = [[HEAD, chunk(STREAM[:first]), 0.05, end]]
        client = await rig.client()
        await client.send(POST)
        kinds = frames(await client.rest())
        assert ["messageStart", "modelStreamErrorException"] == [kind for kind, _ in kinds]
        assert b"S4 Firewall: " in kinds[-1][1]
        assert (await rig.settled()).reason is Reason.UPSTREAM_CUT

    play()


@on_rig()
async def test_stream_cut_within_a_frame_makes_the_sdk_raise(rig: Rig) -> None:
    """The broken frame would swallow ours: it is filled up, and its checksum is wrong."""
    stand_in(rig)
    rig.upstream.scripts = [[HEAD, chunk(STREAM[:-20]), 0.05, RESET]]
    client = await rig.client()
    await client.send(POST)
    wire = await client.rest()
    with pytest.raises(ChecksumMismatch):
        frames(wire)
