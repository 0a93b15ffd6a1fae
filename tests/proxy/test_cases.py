"""Plays the samples: hostile requests against a real listener, hostile answers behind it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.reason import Reason
from tests.proxy.rig import CLOSE, KEY, RESET, Client, Rig, on_rig, post

SAMPLES = json.loads((Path(__file__).parent / "samples" / "cases.json").read_text())
REQUESTS = {case["id"]: case for case in SAMPLES["request_cases"]}
ANSWERS = {case["id"]: case for case in SAMPLES["response_cases"]}
TIMINGS = {case["id"]: case for case in SAMPLES["timing_cases"]}


def raw(case: dict[str, Any]) -> bytes:
    data = base64.b64decode(case["raw"])
    if case["enc"] == "zb64":
        data = zlib.decompress(data)
    return data.replace(b"${KEY}", KEY)


def finals(out: bytes) -> list[int]:
    """The final statuses in what a client received."""
    found = [int(n) for n in re.findall(rb"(?:^|\n)HTTP/1\.[01] (\d{3})[ \r]", out)]
    return [status for status in found if status >= 200]


async def everything(client: Client, quiet_s: float) -> tuple[bytes, bool]:
    """What arrives until the close or until it is quiet for so long, and whether it closed."""
    out = b""
    while True:
        try:
            data = await asyncio.wait_for(client.reader.read(65536), quiet_s)
        except TimeoutError:
            return out, False
        except OSError:
            return out, True
        if not data:
            return out, True
        out += data


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("is_slow", [False, True], ids=["at-once", "in-pieces"])
def test_request_case_meets_its_verdict(case: dict[str, Any], is_slow: bool) -> None:
    """What two servers might read differently is refused, nothing of it is forwarded."""

    @on_rig(headers_bytes_max=32 * 1024)
    async def play(rig: Rig) -> None:
        client = await rig.client()
        data = raw(case)
        try:
            if is_slow:  # three places where a parser has to remember something
                for piece in (data[:1], data[1:40], data[40:-3], data[-3:]):
                    await client.send(piece)
                    await asyncio.sleep(0.002)
            else:
                await client.send(data)
        except OSError:
            pass
        out, is_closed = await everything(client, 0.15)
        assert KEY not in out
        statuses = finals(out)
        first = statuses[0] if statuses else None
        verdict = case["verdict"]
        is_expected = first in case["statuses"] or (first is None and is_closed)
        if verdict == "accept":
            assert first in case["statuses"]
        elif verdict == "reject":
            assert is_expected, statuses
            assert is_closed
        else:
            assert is_expected, (statuses, is_closed)
        is_main = verdict != "either" or first == 200
        wanted = case["upstream_requests" if is_main else "upstream_requests_otherwise"]
        assert len(rig.upstream.seen) == wanted
        # The worker goes on as if nothing had been.
        assert (await (await rig.client()).ask(post()))[0] == 200

    play()


# What the caller gets, and how the exchange ended: (status or None for a reset, reason).
OUTCOMES = {
    "RSP-001": (200, Reason.USAGE),
    "RSP-004": (502, Reason.UPSTREAM_CUT),
    "RSP-007": (200, Reason.USAGE),
    "RSP-010": (204, Reason.USAGE),
    "RSP-013": (200, Reason.USAGE),
    "RSP-016": (502, Reason.UPSTREAM_INVALID),
    "RSP-019": (502, Reason.UPSTREAM_CUT),
    "RSP-022": (500, Reason.USAGE),
    "RSP-025": (200, Reason.UPSTREAM_CUT),
    "RSP-028": (200, Reason.USAGE),
    "RSP-031": (302, Reason.USAGE),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_response_case_ends_as_it_should(case: dict[str, Any]) -> None:
    """A hostile upstream must not smuggle a second answer, nor a cut one as whole."""

    @on_rig()
    async def play(rig: Rig) -> None:
        data = raw(case)
        rig.upstream.scripts = [[data, 0.05, CLOSE] if data else [RESET]]
        client = await rig.client()
        await client.send(post(BODY_STREAM if case["stream"] else b"{}"))
        out, _ = await everything(client, 0.3)
        status, reason = OUTCOMES[case["id"]]
        assert [status] == finals(out) if case["id"] != "RSP-013" else finals(out)[0] == status
        x = await rig.settled()
        assert x.reason is reason
        assert b"169.254" not in out
        if case["id"] == "RSP-013":  # all after the first head is body
            assert out.endswith(b"content-length: 23\r\n\r\nHTTP/1.1 200 OK\r\n\r\nEVIL")
        if case["id"] == "RSP-010":
            assert b"hello" not in out
        if "settle" in case["money"] and "not seen" not in case["money"]:
            assert x.meter is not None
            assert x.meter.usage is not None
            assert (x.meter.usage.input, x.meter.usage.output) == (10, 5)
        # The next request goes over a fresh connection where this one was spoilt.
        assert (await (await rig.client()).ask(post()))[0] == 200

    play()


BODY_STREAM = b'{"stream":true}'


def segments(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(s["b64"]).replace(b"${KEY}", KEY) for s in case["segments"]]


@on_rig()
async def test_timing_slowloris_head_ends_at_the_total_deadline(rig: Rig) -> None:
    """TIM-001: a line now and then must not keep a connection; the deadline is total."""
    client = await rig.client()
    first, line = segments(TIMINGS["TIM-001"])
    await client.send(first)
    started = asyncio.get_running_loop().time()
    out: list[bytes] = []
    reading = asyncio.create_task(client.rest())
    while not reading.done():
        client.writer.write(line)
        await asyncio.sleep(0.05)
    out.append(reading.result())
    assert finals(out[0]) == [408]
    assert asyncio.get_running_loop().time() - started < 1
    assert not rig.stage.begun


@on_rig()
async def test_timing_last_byte_too_late_is_never_admitted(rig: Rig) -> None:
    """TIM-003: nothing may be held for a body that is not complete."""
    client = await rig.client()
    await client.send(segments(TIMINGS["TIM-003"])[0])
    out = await client.rest()
    assert finals(out) == [408]
    assert rig.stage.bodies == []
    assert rig.stage.finished[0].block is not None


@on_rig()
async def test_timing_expectation_is_met_after_the_head_is_judged(rig: Rig) -> None:
    """TIM-005: 100 first, then the body, then the answer."""
    client = await rig.client()
    head, body = segments(TIMINGS["TIM-005"])
    await client.send(head)
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.ask(body))[0] == 200


@on_rig()
async def test_timing_expectation_of_a_stranger_is_not_met(rig: Rig) -> None:
    """A body that will be refused anyway must not be invited."""
    client = await rig.client()
    head = segments(TIMINGS["TIM-005"])[0].replace(KEY, b"sk-unknown")
    await client.send(head)
    assert finals(await client.rest()) == [401]


@on_rig(body_bytes_max=64)
async def test_timing_endless_small_chunks_end_at_the_limit(rig: Rig) -> None:
    """TIM-007: the limit holds for bodies of unknown length."""
    client = await rig.client()
    head, piece = segments(TIMINGS["TIM-007"])
    await client.send(head)
    for _ in range(65):
        await client.send(piece)
    assert finals(await client.rest()) == [413]


@on_rig()
async def test_timing_endless_small_chunks_end_at_the_deadline(rig: Rig) -> None:
    """TIM-007: chunk by chunk does not put the deadline off."""
    client = await rig.client()
    head, piece = segments(TIMINGS["TIM-007"])
    await client.send(head)
    reading = asyncio.create_task(client.rest())
    while not reading.done():
        client.writer.write(piece)
        await asyncio.sleep(0.05)
    assert finals(reading.result()) == [408]
    assert rig.stage.bodies == []
