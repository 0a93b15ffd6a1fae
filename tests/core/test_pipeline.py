"""The walk through the stages: order, verdicts, faults, and the end that always comes."""

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.stage import Stage
from s4fw.core.verdict import Answer, Block, Verdict
from s4fw.errors import FROZEN, INTERNAL_ERROR, INVALID_REQUEST, Refusal


class Recorder(Stage):
    """A stage that notes each call and answers as it was told."""

    name = "recorder"

    def __init__(self, label: str, calls: list[str], verdict: object = None) -> None:
        self.label, self.calls, self.verdict = label, calls, verdict

    def admit(self, x: Exchange) -> Verdict:
        self.calls.append(f"admit {self.label}")
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict  # type: ignore[return-value]

    def finish(self, x: Exchange) -> None:
        self.calls.append(f"finish {self.label}")


class HeldMoney:
    """A reservation that notes how it was resolved."""

    amount_nusd = 7

    def __init__(self) -> None:
        self.is_open = True
        self.resolved: Reason | None = None

    def accrue(self, reason: Reason, x: Exchange) -> None:
        self.is_open, self.resolved = False, reason


def an_exchange(is_metered: bool = True) -> Exchange:
    route = Route("test", None, is_metered, b"/", "openai")  # type: ignore[arg-type]
    return Exchange(route, Request(b"POST", b"/", b"", {}))


def test_admit_without_verdict_walks_down_and_finish_walks_up() -> None:
    """The order of the list is the promise of the product."""
    calls: list[str] = []
    pipeline = Pipeline([Recorder("a", calls), Recorder("b", calls)])
    x = an_exchange()
    assert pipeline.admit(x) is None
    pipeline.finish(x)
    assert ["admit a", "admit b", "finish b", "finish a"] == calls


def test_admit_first_block_ends_the_walk_and_finish_still_sees_every_stage() -> None:
    """A refusal must not be reconsidered by a later stage, and nothing may be left behind."""
    calls: list[str] = []
    block = Block(FROZEN, "frozen")
    pipeline = Pipeline([Recorder("a", calls, block), Recorder("b", calls)])
    x = an_exchange()
    assert block is pipeline.admit(x)
    assert block is x.block
    pipeline.finish(x)
    assert ["admit a", "finish b", "finish a"] == calls


def test_admit_answer_ends_the_walk_without_a_block() -> None:
    """A stage may answer by itself; that is no refusal."""
    answer = Answer(200, [], b"{}")
    x = an_exchange()
    assert answer is Pipeline([Recorder("a", [], answer)]).admit(x)
    assert x.block is None


def test_admit_shadow_stage_notes_the_block_and_goes_on() -> None:
    """Shadow decides and counts; it never stops a request."""
    calls: list[str] = []
    shadow = Recorder("a", calls, Block(FROZEN, "would be"))
    shadow.is_shadow = True
    x = an_exchange()
    assert Pipeline([shadow, Recorder("b", calls)]).admit(x) is None
    assert x.shadow_reason == "frozen"
    assert ["admit a", "admit b"] == calls


def test_admit_refusal_raised_in_a_stage_becomes_its_block() -> None:
    """Readers deep in a dialect raise; callers see one kind of refusal."""
    x = an_exchange()
    verdict = Pipeline([Recorder("a", [], Refusal(INVALID_REQUEST, "bad"))]).admit(x)
    assert isinstance(verdict, Block)
    assert INVALID_REQUEST is verdict.code


def test_admit_fault_in_a_stage_blocks_and_logs_no_text_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug must fail closed, and an exception's text may quote the prompt."""
    x = an_exchange()
    with caplog.at_level(logging.ERROR):
        verdict = Pipeline([Recorder("a", [], ValueError("CANARY"))]).admit(x)
    assert isinstance(verdict, Block)
    assert INTERNAL_ERROR is verdict.code
    assert "CANARY" not in caplog.text
    assert "ValueError" in caplog.text


def test_admit_waiting_stage_is_awaited_and_the_rest_walked() -> None:
    """Only a stage that must wait is awaited; those after it still judge."""
    calls: list[str] = []

    class Waiting(Recorder):
        def admit(self, x: Exchange) -> Awaitable[Verdict]:  # type: ignore[override]
            async def wait() -> Verdict:
                await asyncio.sleep(0)
                self.calls.append("waited")
                return None

            return wait()

    block = Block(FROZEN, "frozen")
    pipeline = Pipeline([Waiting("a", calls), Recorder("b", calls, block)])
    x = an_exchange()
    waiting = pipeline.admit(x)
    assert isinstance(waiting, Awaitable)

    async def run() -> Verdict:
        return await waiting

    assert block is asyncio.run(run())
    assert ["waited", "admit b"] == calls


def test_finish_twice_changes_nothing() -> None:
    """Two paths may both end an exchange; it is settled once."""
    calls: list[str] = []
    pipeline = Pipeline([Recorder("a", calls)])
    x = an_exchange()
    pipeline.finish(x)
    pipeline.finish(x)
    assert ["finish a"] == calls


def test_finish_with_a_reservation_left_open_charges_the_worst_case() -> None:
    """Held money must never leak, and a bug errs toward spent."""
    x = an_exchange()
    held = HeldMoney()
    x.reservation = held  # type: ignore[assignment]
    Pipeline([]).finish(x)
    assert Reason.LEFT_OPEN is held.resolved


def test_finish_fault_in_one_stage_does_not_stop_the_others() -> None:
    """The stage that settles must run although another one is broken."""
    calls: list[str] = []

    class Broken(Recorder):
        def finish(self, x: Exchange) -> None:
            raise RuntimeError("broken")

    pipeline = Pipeline([Recorder("a", calls), Broken("b", calls)])
    pipeline.finish(an_exchange())
    assert ["finish a"] == calls


def test_admit_free_route_sees_only_stages_for_free_routes() -> None:
    """A list of models costs nothing and takes no reservation."""
    calls: list[str] = []
    free = Recorder("free", calls)
    free.is_for_free_routes = True  # type: ignore[misc]
    pipeline = Pipeline([free, Recorder("money", calls)])
    assert pipeline.admit(an_exchange(is_metered=False)) is None
    assert ["admit free"] == calls


def test_request_ids_of_two_exchanges_differ() -> None:
    """An id names one exchange in the journal, the lease and the answer."""
    assert an_exchange().id != an_exchange().id


class OnlyFree(Recorder):
    """A stage that only has to do with routes without money."""

    is_for_free_routes = True
    is_for_metered_routes = False


def test_admit_asks_a_stage_only_on_routes_that_it_is_for() -> None:
    """What is for few requests must cost the others nothing."""
    calls: list[str] = []
    pipeline = Pipeline([OnlyFree("free", calls), Recorder("money", calls)])
    pipeline.admit(an_exchange())
    assert ["admit money"] == calls
    pipeline.admit(an_exchange(is_metered=False))
    assert ["admit money", "admit free"] == calls
