"""The stages up to the verdict, as a worker runs them, without a network and without a budget.

What is not asked here: who calls (a log has no keys any more), how fast, and the money.  The clock
is that of the record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from s4fw import dialects
from s4fw.config import Config
from s4fw.core.counter import COUNTERS
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.request import CACHE_NONE, Request
from s4fw.core.stage import Admitted
from s4fw.core.verdict import Block, Verdict
from s4fw.loops import hindsight
from s4fw.loops.ask import Seen
from s4fw.loops.memory import Memory
from s4fw.loops.signals import BLOCK_LEVEL
from s4fw.loops.watch import Watch
from s4fw.pricing import RateCard, quote_nusd
from s4fw.replay.records import GAP_MS, SESSIONS_GAP_MS, Asked
from s4fw.stages.anomaly import Anomaly
from s4fw.stages.attribute import Attribute
from s4fw.stages.inputs import Inputs
from s4fw.stages.policies import policies_of
from s4fw.stages.quote import Quote
from s4fw.stages.read import Read
from s4fw.stages.route import Route
from s4fw.tokens import TokenCounter

_KEY: Final = b"replay" * 4  # hides nothing: what is replayed stays on this machine


class Outcome:
    """What became of one request."""

    __slots__ = ("cost_nusd", "is_priced_as", "period", "refused", "rule", "session", "turns",
                 "would_block")  # fmt: skip

    def __init__(self) -> None:
        self.refused = ""  # why it never came to a verdict: a code of ours
        self.is_priced_as = False  # its model has no price, so it has another's
        self.cost_nusd = 0  # its input at the uncached rate, and the output where it is recorded
        self.session = ""
        self.rule = ""  # what was found, if anything
        self.period = 0
        self.turns = 0
        self.would_block = False


async def _at_once(work: Callable[[], Any]) -> Any:
    return work()


def finished(verdict: Admitted) -> Verdict:
    """The verdict of a walk whose waits are all over at once."""
    if not isinstance(verdict, Awaitable):
        return verdict
    steps = verdict.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: Verdict = end.value
        return result
    raise AssertionError("nothing waits here")


class Offline:
    """The stages of one configuration over memory of their own."""

    def __init__(
        self, config: Config, rates: RateCard, priced_as: str, tokens: TokenCounter | None = None
    ) -> None:
        """`priced_as`: the model whose price those have that have none."""
        tokens = tokens or TokenCounter()
        self._rates = rates
        self._priced_as = priced_as
        self._now_ms = 1_000_000
        self._shift_ms = 0  # from the clock of the records to ours
        self.memory = Memory(config.loops.memory)
        counters = memoryview(bytearray(8 * len(COUNTERS))).cast("q")
        watch = Watch(self.memory, policies_of(config.loops), config.loops.session_headers)
        self.pipeline = Pipeline([
            Read(_at_once, config.pricing.opaque_file_token_bound),
            Route(list(config.upstreams.values())),
            Attribute(config.attribution, rates.priced_as, _KEY),
            Quote(rates, Inputs(tokens, _at_once, counters, config.pricing.counting)),
            Anomaly(watch, _at_once, counters, frozenset(config.loops.may_override), self._clock),
        ])  # fmt: skip

    def _clock(self) -> int:
        return self._now_ms

    def _advance(self, asked: Asked) -> None:
        """Time never goes back: records of several sessions may lie one after the other."""
        if asked.begins:
            self._now_ms += SESSIONS_GAP_MS
        if asked.at_ms is None:
            self._now_ms += GAP_MS
            return
        if asked.begins or asked.at_ms + self._shift_ms < self._now_ms:
            self._shift_ms = self._now_ms + GAP_MS - asked.at_ms
        self._now_ms = asked.at_ms + self._shift_ms

    def ask(self, asked: Asked) -> Outcome:
        """Walk one request through the stages and finish it."""
        outcome = Outcome()
        route = dialects.match(b"POST", asked.path)
        assert not isinstance(route, Block), "records know three paths"
        self._advance(asked)
        body = asked.body
        if self._rates.row(asked.model, route.provider) is None:
            outcome.is_priced_as = True
            body = _renamed(body, asked.model, self._priced_as)
        request = Request(b"POST", asked.path, b"", dict(asked.headers))
        request.body = body
        x = Exchange(route, request)
        verdict = finished(self.pipeline.admit(x))
        if isinstance(verdict, Block) and x.watched is None:
            outcome.refused = verdict.code.name
            return outcome
        tier = request.tier or "default"
        tokens = x.quote_tokens_in, asked.tokens_out
        outcome.cost_nusd = quote_nusd(x.price, *tokens, tier, CACHE_NONE)
        self._note(outcome, x.watched)
        x.is_sent, x.status, x.billed_nusd = True, 200, outcome.cost_nusd
        self.pipeline.finish(x)
        return outcome

    def settle(self) -> None:
        """Judge by hindsight the sessions that are over, as all are that came so far."""
        hindsight.settle_idle(self.memory, self._now_ms, 0)

    @staticmethod
    def _note(outcome: Outcome, seen: Seen | None) -> None:
        if seen is None:
            return
        outcome.session = seen.session
        judgement = seen.judgement
        if judgement is not None:
            outcome.rule = judgement.finding.rule
            outcome.period = judgement.finding.period
            outcome.turns = judgement.finding.turns
            outcome.would_block = judgement.level == BLOCK_LEVEL


def _renamed(body: bytes, model: str, other: str) -> bytes:
    """The body with another model; its first member where a transcript made it."""
    head = b'{"model":%b,' % orjson.dumps(model)
    if body.startswith(head):
        return b'{"model":%b,%b' % (orjson.dumps(other), body[len(head) :])
    document = orjson.loads(body)
    document["model"] = other
    return orjson.dumps(document)
