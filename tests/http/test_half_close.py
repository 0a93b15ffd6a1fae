"""A caller that closes its writing side gets all that it has asked for."""

from __future__ import annotations

import asyncio

from s4fw.core.exchange import Exchange
from tests.proxy.rig import Rig, on_rig, post


@on_rig()
async def test_close_seen_in_the_turn_of_the_answer_does_not_lose_it(rig: Rig) -> None:
    """The answer waited for the end of the turn while the loop closed the socket: charged, lost."""
    client = await rig.client()

    def see_the_close() -> None:
        (connection,) = rig.proxy._connections
        transport = connection._transport
        assert transport is not None
        if not connection.eof_received():  # as the event loop does it
            transport.close()

    def close_soon(_: Exchange) -> None:
        asyncio.get_running_loop().call_soon(see_the_close)

    rig.stage.on_finish = close_soon  # runs just before the answer is handed over
    await client.send(post())
    out = await client.rest()
    assert out.startswith(b"HTTP/1.1 200 ")
    assert out.endswith(b"}}")
