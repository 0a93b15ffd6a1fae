"""The walk of an exchange through the stages.

The proxy knows these five verbs and nothing of the stages:

open    the head is read: refuse before the body costs anything (who calls, may they)
admit   the body is read: stages in order, the first Block or Answer ends the walk
sent    just before the first byte goes upstream: from here on money may be spent
feed    each chunk of the answer, on its way to the caller
finish  always, once, every stage in reverse order; nothing is held afterwards

A fault in a stage never lets a request through: `admit` answers it with a block, `finish` charges
what is still open at worst case.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic_ns
from typing import Final

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import INTERNAL_ERROR, Refusal

log: Final = logging.getLogger(__name__)


class Pipeline:
    """One ordered list of stages; immutable, replaced whole when the configuration changes.

    An exchange stays with the pipeline that opened it.  Not safe to call from several threads.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        free = [s for s in stages if s.is_for_free_routes]
        self._open = [s.open for s in stages if _overrides(s, "open")]
        metered = [s for s in stages if s.is_for_metered_routes]
        self._admit = [(s, s.admit) for s in metered if _overrides(s, "admit")]
        self._admit_free = [(s, s.admit) for s in free if _overrides(s, "admit")]
        self._sent = [s.sent for s in stages if _overrides(s, "sent")]
        self._feed = [s.feed for s in stages if _overrides(s, "feed")]
        self._finish = [s.finish for s in reversed(stages) if _overrides(s, "finish")]

    def open(self, x: Exchange) -> Verdict:
        """Judge the head.  A verdict here ends the exchange: call `finish` with it set."""
        try:
            for step in self._open:
                verdict = step(x)
                if verdict is not None:
                    return self._ended(x, verdict)
        except Exception as fault:
            return self._ended(x, _verdict_of(fault, x))
        return None

    def admit(self, x: Exchange) -> Admitted:
        """Walk the stages.  Returns a verdict, or an awaitable of it when a stage must wait."""
        steps = self._admit if x.route.is_metered else self._admit_free
        return self._walk(x, steps, 0)

    def _walk(
        self,
        x: Exchange,
        steps: Sequence[tuple[Stage, Callable[[Exchange], Admitted]]],
        at: int,
    ) -> Admitted:
        try:
            for index in range(at, len(steps)):
                stage, step = steps[index]
                verdict = step(x)
                if verdict is None:
                    continue
                if isinstance(verdict, Awaitable):
                    return self._wait(x, steps, index, verdict)
                if not _is_only_shadow(x, stage, verdict):
                    return self._ended(x, verdict)
        except Exception as fault:
            return self._ended(x, _verdict_of(fault, x))
        return None

    async def _wait(
        self,
        x: Exchange,
        steps: Sequence[tuple[Stage, Callable[[Exchange], Admitted]]],
        index: int,
        waiting: Awaitable[Verdict],
    ) -> Verdict:
        """Finish the one step that waits, then walk on from the next."""
        stage = steps[index][0]
        try:
            verdict = await waiting
        except Exception as fault:
            return self._ended(x, _verdict_of(fault, x))
        if verdict is not None and not _is_only_shadow(x, stage, verdict):
            return self._ended(x, verdict)
        rest = self._walk(x, steps, index + 1)
        return await rest if isinstance(rest, Awaitable) else rest

    def sent(self, x: Exchange) -> None:
        """Mark that money may be spent from now on.  The proxy calls it before the first byte."""
        x.is_sent = True
        x.sent_ns = monotonic_ns()
        for step in self._sent:
            step(x)

    def feed(self, x: Exchange, chunk: bytes) -> bytes:
        """Pass a chunk of the answer; returns what goes to the caller, perhaps nothing yet."""
        if x.meter is not None:
            chunk = x.meter.feed(chunk)
        for step in self._feed:
            chunk = step(x, chunk)
        return chunk

    def finish(self, x: Exchange) -> None:
        """End the exchange: settle or void, count, journal.  Further calls change nothing."""
        if x.is_finished:
            return
        x.is_finished = True
        for step in self._finish:
            try:
                step(x)
            except Exception as fault:
                _report(fault, x)
        reservation = x.reservation
        if reservation is not None and reservation.is_open:
            log.error("a reservation was left open at finish; charged at worst case: %r", x)
            reservation.accrue(Reason.LEFT_OPEN, x)

    @staticmethod
    def _ended(x: Exchange, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Block):
            x.block = verdict
        return verdict


def _is_only_shadow(x: Exchange, stage: Stage, verdict: Verdict) -> bool:
    """Whether a verdict is a block by a stage in shadow mode: it is noted, and the walk goes on."""
    if not (stage.is_shadow and isinstance(verdict, Block)):
        return False
    x.shadow_reason = x.shadow_reason or verdict.code.name
    return True


def _overrides(stage: Stage, hook: str) -> bool:
    return getattr(type(stage), hook) is not getattr(Stage, hook)


def _verdict_of(fault: Exception, x: Exchange) -> Block:
    if isinstance(fault, Refusal):
        return Block(fault.code, fault.message, fault.detail)
    _report(fault, x)
    return Block(INTERNAL_ERROR, "the firewall met a fault of its own; nothing was sent")


def _report(fault: Exception, x: Exchange) -> None:
    """Log where a fault arose, never its text: that may quote the request."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    log.error("fault in a stage: %s at %s: %r", type(fault).__name__, place, x)
