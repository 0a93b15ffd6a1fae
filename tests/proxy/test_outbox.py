"""What waits for the end of a turn of the event loop: nothing is lost there, and nothing early."""

from __future__ import annotations

import asyncio
import logging

import pytest

from s4fw.proxy.outbox import Outbox


def test_steps_run_in_order_at_the_end_of_the_turn_and_once() -> None:
    """An answer must not overtake the one before it, nor be sent twice."""

    async def turn() -> list[str]:
        ran: list[str] = []
        outbox = Outbox()
        outbox.add(lambda: ran.append("first"))
        outbox.add(lambda: ran.append("second"))
        assert [] == ran
        for _ in range(3):
            await asyncio.sleep(0)
        return ran

    assert ["first", "second"] == asyncio.run(turn())


def test_step_that_a_step_adds_runs_too() -> None:
    """A forward that finds no upstream writes its refusal from within the outbox."""

    async def turns() -> list[str]:
        ran: list[str] = []
        outbox = Outbox()
        outbox.add(lambda: outbox.add(lambda: ran.append("late")))
        for _ in range(3):
            await asyncio.sleep(0)
        return ran

    assert ["late"] == asyncio.run(turns())


def test_step_that_fails_does_not_hold_up_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """Callers share a turn; the fault of one is told and is not the others'."""

    async def turn() -> list[str]:
        ran: list[str] = []
        outbox = Outbox()
        outbox.add(lambda: [][0])
        outbox.add(lambda: ran.append("next"))
        await asyncio.sleep(0)
        return ran

    with caplog.at_level(logging.ERROR):
        assert ["next"] == asyncio.run(turn())
    assert "fault while sending: IndexError" in caplog.text
