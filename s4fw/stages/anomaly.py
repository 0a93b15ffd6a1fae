"""Anomaly: whether the agent behind a request goes round in circles.

The watch (see `s4fw.loops`) judges; here the judgement meets the exchange.  In shadow mode nothing
of it is seen by the caller: it is counted, and in the journal.

Usually only the last turn is new, and read at once.  A transcript of which more is new (the first
request of one that is resumed, one that another worker knows) is read in a thread.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Final, Protocol

from s4fw.core.attribution import DIMENSION_INDEX
from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange, Offload
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import LOOP_DETECTED
from s4fw.loops import wording
from s4fw.loops.ask import BLOCKS, PASS, SHADOWS, WARNS, Ask, Seen
from s4fw.loops.watch import Watch

_KEY: Final = DIMENSION_INDEX["key"]
_TENANT: Final = DIMENSION_INDEX["tenant"]
_FEATURE: Final = DIMENSION_INDEX["feature"]

_COUNTERS: Final = {
    WARNS: COUNTER_INDEX["loop_warned"],
    SHADOWS: COUNTER_INDEX["loop_shadowed"],
    BLOCKS: COUNTER_INDEX["loop_blocked"],
}
_OK: Final = b"x-s4fw-loop-ok"

# 10 to 20 us for 1 kB, decoded and hashed: so much is read at once and stays below a millisecond.
INLINE_BYTES: Final = 64 * 1024


class Clock(Protocol):
    """Milliseconds that all workers count alike."""

    def __call__(self) -> int: ...


def now_ms() -> int:
    """The monotonic clock, which all processes of a machine share."""
    return monotonic_ns() // 1_000_000


class Anomaly(Stage):
    """Warns of loops, or blocks them, as its policies say."""

    name = "anomaly"

    def __init__(
        self,
        watch: Watch,
        offload: Offload,
        counters: memoryview,
        may_override: frozenset[str] = frozenset(),
        clock: Clock = now_ms,
    ) -> None:
        """`may_override`: ids of keys whose requests may allow themselves a loop."""
        self._watch = watch
        self._offload = offload
        self._counters = counters
        self._may_override = may_override
        self._clock = clock

    def admit(self, x: Exchange) -> Admitted:
        """Look at the transcript; refuses only where a rule is enforced."""
        request = x.request
        transcript = request.transcript
        if transcript is None:
            return None
        assert x.attribution is not None
        values = x.attribution.values
        ask = Ask(
            transcript,
            request.headers,
            request.labels,
            request.model,
            values[_KEY],
            values[_TENANT] or "",
            values[_FEATURE] or "",
            len(request.body),
            self._clock(),
        )
        if self._may_override:
            self._read_override(ask)
        if not self._watch.read(ask, INLINE_BYTES):
            return self._later(x, ask)
        return self._look(x, ask)

    async def _later(self, x: Exchange, ask: Ask) -> Verdict:
        """The same, read in a thread."""
        await self._offload(lambda: self._watch.read(ask))
        ask.now_ms = self._clock()
        return self._look(x, ask)

    def _look(self, x: Exchange, ask: Ask) -> Verdict:
        seen = x.watched = self._watch.look(ask)
        if seen.judgement is not None:
            return self._tell(x, seen)
        return None

    def _read_override(self, ask: Ask) -> None:
        """The turns that a loop may have, where the caller's key may say so."""
        asked = ask.headers.get(_OK)
        if asked is not None and ask.key in self._may_override and asked.isdigit():
            ask.agent_ok = int(asked[:9])

    def _tell(self, x: Exchange, seen: Seen) -> Verdict:
        judgement = seen.judgement
        assert judgement is not None
        self._watch.told(seen)
        action = judgement.action
        if action == PASS:
            return None
        self._counters[_COUNTERS[action]] += 1
        x.loop = action
        if action == SHADOWS:
            return None
        word = "block" if action == BLOCKS else "warn"
        x.loop_note = wording.header(judgement, word)
        if action == WARNS:
            return None
        return Block(
            LOOP_DETECTED,
            f"not sent: this looks like a loop: {wording.sentence(judgement)}. A changed course is"
            " let through at once; an operator can release the session"
            f" (`s4fw loops release {seen.session}`).",
            wording.detail(judgement, seen),
        )

    def finish(self, x: Exchange) -> None:
        """Note what it cost, and whether the answer was a good one."""
        seen: Seen | None = x.watched
        if seen is not None and x.is_sent:
            self._watch.spent(seen, x.billed_nusd or 0, 200 <= x.status < 300)
            transcript = x.request.transcript
            if transcript is not None and transcript.answer is not None:
                self._watch.answered(seen, transcript)
