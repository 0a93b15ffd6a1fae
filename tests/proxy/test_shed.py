"""What is refused when there is too much, and how."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import replace
from types import SimpleNamespace

import uvloop

from s4fw.core.breaker import Breakers
from s4fw.proxy import Origin
from s4fw.proxy.shed import COUNTED_AS, CROWDED, TICK_NS, Shed
from tests.proxy.rig import HANG, QUICK, Rig, ns, on_rig, post


@on_rig(loop_lag_ns=ns(0.2))
async def test_loop_that_stood_still_sheds_what_waited_and_then_goes_on(rig: Rig) -> None:
    """Whoever waited in a queue that long is told to come again, before money is held."""
    clients = [await rig.client() for _ in range(4)]
    await asyncio.sleep(2 * TICK_NS / 1e9)
    for client in clients:
        client.writer.write(post())
    time.sleep(0.4)  # noqa: ASYNC251 - the fault
    answers = [await client.answer() for client in clients]
    assert {503} == {status for status, _, _ in answers}
    assert (4, 4) == (rig.figure("shed"), rig.figure("shed_late"))
    assert all(b"retry-after: 1" in head for _, head, _ in answers)
    assert not rig.stage.begun
    await rig.until(lambda: rig.proxy.shed.why() is None)
    status, _, _ = await clients[0].ask(post())  # the same connection: its body had been read
    assert 200 == status


@on_rig(in_flight_max=1)
async def test_refusal_of_a_request_that_is_whole_keeps_its_connection(rig: Rig) -> None:
    """A new connection would cost more than the refusal."""
    rig.upstream.scripts = [[HANG]]
    first = await rig.client()
    await first.send(post())
    await rig.until(lambda: rig.proxy.in_flight == 1)
    second = await rig.client()
    for _ in range(3):
        status, head, _ = await second.ask(post())
        assert 503 == status
        assert b"connection: close" not in head
    assert (3, 3) == (rig.figure("shed"), rig.figure("shed_in_flight"))
    await rig.settled()
    assert 200 == (await second.ask(post()))[0]


@on_rig(memory_bytes_max=1)
async def test_refusal_for_memory_is_counted_as_that(rig: Rig) -> None:
    """Another remedy than more workers: the operator must see which it is."""
    client = await rig.client()
    await rig.until(lambda: rig.proxy.shed.why() is not None)
    assert 503 == (await client.ask(post()))[0]
    assert (1, 1) == (rig.figure("shed"), rig.figure("shed_memory"))


@on_rig(connections_max=1)
async def test_refusal_of_a_connection_is_counted_as_that(rig: Rig) -> None:
    """Callers that do not close are another problem than callers that ask too much."""
    await rig.client()
    second = await rig.client()
    assert 503 == (await second.ask(post()))[0]
    assert (1, 1) == (rig.figure("shed"), rig.figure("shed_connections"))


def test_every_reason_to_shed_has_a_counter_of_its_own() -> None:
    """What is refused for lack of room says which room, also for descriptors."""
    assert len(COUNTED_AS) == len(set(COUNTED_AS.values()))
    assert CROWDED.message in COUNTED_AS


def test_more_memory_than_allowed_sheds_until_it_is_given_back() -> None:
    """An operator's bound comes before the kernel's killer."""

    async def play() -> None:
        shed = Shed(ns(1), 1, lambda: (0, 0))  # one byte: too much in any case
        shed.watch()
        while (reason := shed.why()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert "memory" in reason.message
        shed.adopt(ns(1), 1 << 50)
        while shed.why() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        shed.rest()

    uvloop.run(play())


def test_descriptors_are_kept_for_upstreams_and_files() -> None:
    """Callers that take the last descriptor could not be served."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    counts = [0, 0]
    shed = Shed(ns(1), 0, lambda: (counts[0], counts[1]))
    assert shed.has_room_for_caller()
    counts[0] = most - most // 16  # there is an eighth to be left
    assert not shed.has_room_for_caller()
    counts[0] = most // 2
    assert shed.has_room_for_caller()


def test_upstream_that_refuses_connections_opens_the_breaker_and_an_answer_closes_it() -> None:
    """The connector tells what it meets; the stage before the price listens."""
    limits = SimpleNamespace(failures=2, open_s=0.05)

    async def play() -> None:
        rig = Rig(replace(QUICK, connect_ns=ns(0.3)))
        await rig.start()
        breakers = Breakers()
        breakers.adopt({"openai": limits})
        rig.proxy.breakers = breakers
        origin = Origin.of("openai", f"http://127.0.0.1:{rig.upstream.port}")
        dead = Origin.of("openai", "http://127.0.0.1:9")
        rig.proxy.swap_origins({"openai": dead})
        breaker = breakers.of("openai")
        assert breaker is not None
        client = await rig.client()
        for _ in range(2):
            assert 502 == (await client.ask(post()))[0]
        assert breaker.is_open
        rig.proxy.swap_origins({"openai": origin})
        assert 200 == (await client.ask(post()))[0]
        assert not breaker.is_open
        rig.upstream.scripts = [[HANG], [HANG]]
        for _ in range(2):
            assert 504 == (await client.ask(post()))[0]
        assert breaker.is_open
        await rig.stop()

    uvloop.run(play())
