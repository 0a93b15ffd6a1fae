"""Puts a reply on the wire: paced, and with the faults it was given.

Faults come in three groups, in the order they act: `before` the answer (some end it), while the
body passes, and after its end.  `deliver` returns the outcome in one word; the bill follows from
it and from what was generated until then.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from s4fw.sim.faults import Faults
from s4fw.sim.form import Event, Headers, server_error
from s4fw.sim.gate import Gate
from s4fw.sim.pacing import Pace, Pacer
from s4fw.sim.reply import Reply

_ENDLESS_PAUSE_S = 0.001
_GARBAGE = bytes(range(256)) * 2
_SECOND_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nunfair"


class Wire(Protocol):
    """The caller's connection, as an answer needs it; every write waits until there is room."""

    async def send_interim(self, status: int, headers: Headers) -> None:
        """Send a 1xx answer."""

    async def send_head(self, status: int, headers: Headers) -> None:
        """Send the head; without a content-length the body is chunked."""

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the body."""

    async def send_end(self) -> None:
        """End the body as HTTP wants it."""

    async def send_raw(self, data: bytes) -> None:
        """Send bytes past all framing."""

    def close(self) -> None:
        """Close the connection now (FIN), after what is already written."""

    def reset(self) -> None:
        """Reset the connection now (RST)."""

    async def wait_gone(self) -> None:
        """Wait until the caller closes the connection."""


class Delivery:
    """Delivers replies of one simulator; `raw_answers` are the bytes of fault `raw`, by name."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.gate = Gate()
        self.raw_answers: dict[str, bytes] = {}

    async def deliver(self, wire: Wire, reply: Reply) -> str:
        """Send one reply.  Raises what the wire raises when the caller is gone."""
        ended = await self._before(wire, reply)
        if ended:
            return ended
        pacer = Pacer(self.pace)
        await pacer.wait_first()
        headers = reply.headers + _fault_headers(reply.faults)
        if reply.events is None:
            return await self._send_body(wire, reply, headers, pacer)
        await wire.send_head(reply.status, [("content-type", reply.form.stream_type), *headers])
        ended = await self._send_events(wire, reply, reply.events, pacer)
        return ended or await _end(wire, reply.faults)

    async def _before(self, wire: Wire, reply: Reply) -> str:
        faults = reply.faults
        if "latency" in faults:
            await asyncio.sleep((faults.number("latency") or 0) / 1000)
        if "hold" in faults:
            await self.gate.wait(faults.number("hold") or 0)
        if "raw" in faults:
            await wire.send_raw(self.raw_answers.get(faults["raw"], b""))
            wire.close()
            return "raw"
        for mode, end in _ENDINGS.items():
            if mode in faults:
                if reply.charge is not None:
                    reply.charge.complete()
                await end(wire)
                return mode
        if "early_hints" in faults:
            await wire.send_interim(100, [])
            await wire.send_interim(103, [("link", "</style.css>; rel=preload")])
        return ""

    async def _send_body(self, wire: Wire, reply: Reply, headers: Headers, pacer: Pacer) -> str:
        faults, body, charge = reply.faults, reply.body, reply.charge
        if charge is not None:
            charge.complete()
            await pacer.wait_tokens(charge.usage.output)
        if "error_event" in faults:
            body = reply.form.refusal(server_error(), "")[1]
        if "gzip" in faults:
            body = gzip.compress(body, 1)
            headers = [("content-encoding", "gzip"), *headers]
        length = ("content-length", str(len(body)))
        await wire.send_head(reply.status, [("content-type", "application/json"), length, *headers])
        broken = next((mode for mode in _BREAKS if mode in faults), None)
        await _send_pieces(wire, body[: len(body) // 2] if broken else body, faults)
        if broken:
            await _BREAKS[broken](wire)
            return broken
        return await _end(wire, faults)

    async def _send_events(
        self, wire: Wire, reply: Reply, events: Iterable[Event], pacer: Pacer
    ) -> str:
        """Send the events one by one; returns a word where a fault ended the stream."""
        faults, charge = reply.faults, reply.charge
        mode = next((m for m in ("end_early", "error_event", *_BREAKS) if m in faults), "")
        ends_at = faults.number(mode) if mode else None
        for sent, event in enumerate(events):
            if sent == ends_at:
                return await _end_stream(wire, mode, reply, sent)
            await pacer.wait_tokens(event.tokens)
            if charge is not None:
                charge.generated += event.tokens
            if "endless" in faults:
                await asyncio.sleep(_ENDLESS_PAUSE_S)
            await _send_pieces(wire, reply.form.framed(event, faults), faults)
        return ""


async def _end_stream(wire: Wire, mode: str, reply: Reply, sent: int) -> str:
    if mode in _BREAKS:
        await _BREAKS[mode](wire)
        return mode
    if mode == "error_event":
        failure = reply.form.failure(sent)
        await _send_pieces(wire, reply.form.framed(failure, reply.faults), reply.faults)
    await wire.send_end()
    return mode


async def _end(wire: Wire, faults: Faults) -> str:
    await wire.send_end()
    if "two_answers" in faults:
        await wire.send_raw(_SECOND_ANSWER)
    if "close_after" in faults:
        wire.close()
    return "complete"


async def _send_pieces(wire: Wire, data: bytes, faults: Faults) -> None:
    """Send bytes whole, or one by one where a fault wants it so."""
    pause_ms = faults.number("drip")
    if pause_ms is None and "chunk_split" not in faults:
        await wire.send_data(data)
        return
    for at in range(len(data)):
        await wire.send_data(data[at : at + 1])
        await asyncio.sleep((pause_ms or 0) / 1000)


def _fault_headers(faults: Faults) -> Headers:
    headers = []
    if "header_bomb" in faults:
        headers.append(("x-bomb", "a" * 1000 * (faults.number("header_bomb") or 0)))
    for index in range(faults.number("header_flood") or 0):
        headers.append((f"x-flood-{index}", "a"))
    return headers


async def _hang(wire: Wire) -> None:
    await wire.wait_gone()


async def _close(wire: Wire) -> None:
    wire.close()


async def _reset(wire: Wire) -> None:
    wire.reset()


async def _send_garbage(wire: Wire) -> None:
    await wire.send_raw(_GARBAGE)
    wire.close()


# Faults that are the whole answer, and faults that break a body off where it is.
_ENDINGS: dict[str, Callable[[Wire], Awaitable[None]]] = {
    "hang": _hang,
    "drop": _close,
    "reset": _reset,
    "garbage": _send_garbage,
}
_BREAKS: dict[str, Callable[[Wire], Awaitable[None]]] = {
    "cut": _close,
    "reset_stream": _reset,
    "hang_stream": _hang,
}
