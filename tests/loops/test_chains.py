"""Responses that name the one before instead of repeating what was said."""

from __future__ import annotations

import json
from typing import Any

from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import ROUTES
from s4fw.loops.ask import Ask
from s4fw.loops.memory import BYTES_MIN, Memory
from s4fw.loops.policy import Policies, Policy
from s4fw.loops.watch import Watch
from tests.loops import families
from tests.loops.shapes import transcript

RESPONSES = ROUTES[b"/v1/responses"][b"POST"]


class Chain:
    """An agent whose requests hold only what is new."""

    def __init__(self) -> None:
        self.watch = Watch(Memory(BYTES_MIN), Policies(Policy("enforce")))
        self.now_ms = 10**9

    def asks(self, name: str, body: dict[str, Any], output: list[dict[str, Any]]) -> str | None:
        """One request and the response with this id; returns the rule that refuses it."""
        x = Exchange(RESPONSES, Request(b"POST", b"/v1/responses", b"", {}))
        x.request.body = json.dumps({"model": "gpt-4o", **body}).encode()
        x.route.dialect.read(x)
        self.now_ms += 5_000
        t = transcript(x)
        seen = self.watch.look(
            Ask(t, {}, {}, "gpt-4o", "key", "acme", "", len(x.request.body), self.now_ms)
        )
        meter = x.route.dialect.meter(x, 200, False, {})
        assert meter is not None
        usage = {"input_tokens": 9, "output_tokens": 9}
        meter.feed(json.dumps({"id": name, "output": output, "usage": usage}).encode())
        meter.end()
        self.watch.spent(seen, 1_000, True)
        self.watch.answered(seen, t)
        judgement = seen.judgement
        return None if judgement is None or judgement.action < 3 else judgement.finding.rule


def run(turns: list[families.Turn]) -> tuple[int, str | None]:
    """Play an agent; returns after how many turns it was refused, and by which rule."""
    chain = Chain()
    body: dict[str, Any] = {"input": "Do the task."}
    rule: str | None = None
    for at, items in enumerate(families.response_items(turns)):
        *said, result = items
        rule = chain.asks(f"resp_{at}", body, said)
        if rule is not None:
            return at, rule
        body = {"previous_response_id": f"resp_{at}", "input": [result]}
    return len(turns), chain.asks("resp_last", body, [])


def test_loop_is_found_although_no_request_repeats_it() -> None:
    """What was done stands in the answers, what came back in the requests."""
    assert (3 + 4, "repeat") == run(families.runaway("same", 1, 3, 10))
    assert (3 + 9, "cycle") == run(families.runaway("cycle3", 1, 3, 20))


def test_agent_that_gets_on_is_let_alone() -> None:
    """The same tools, other results."""
    for name in ("work", "edit-and-test", "pagination", "sweep", "batch"):
        turns = families.look_alike(name, 1)
        assert (len(turns), None) == run(turns)


def test_chain_that_another_worker_began_is_simply_not_known() -> None:
    """It costs the turns before, no more."""
    chain = Chain()
    body = {"previous_response_id": "resp_of_another", "input": "go on"}
    assert chain.asks("resp_1", body, []) is None
