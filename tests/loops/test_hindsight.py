"""Hindsight: sessions that ended, what a block would have saved, and how sure one may be."""

from __future__ import annotations

import pytest

from s4fw.loops import episodes, hindsight
from s4fw.loops.policy import Policy
from s4fw.loops.tenants import Tally, sessions, tallies
from tests.loops import families
from tests.loops.shapes import CHAT
from tests.loops.test_signals import Agent

SHADOW = Policy("shadow")
MINUTE = 60_000


def looping(turns: int, cost_nusd: int = 1_000) -> Agent:
    """An agent in shadow that made so many requests of a loop that is found at the fifth."""
    agent = Agent(SHADOW)
    for x in list(CHAT.requests(families.runaway("same", 1, before=0)))[:turns]:
        agent.asks(x, cost_nusd=cost_nusd)
    return agent


def tally(agent: Agent) -> Tally:
    """What the rule `repeat` found."""
    return next(one for one in tallies(agent.shared) if one.rule == "repeat")


def test_session_that_ends_at_once_was_a_loop() -> None:
    """Nobody missed what would have been refused."""
    agent = looping(6)
    assert 0 == hindsight.settle_idle(agent.shared, agent.now_ms + 29 * MINUTE)
    assert 1 == hindsight.settle_idle(agent.shared, agent.now_ms + 30 * MINUTE)
    assert 0 == hindsight.settle_idle(agent.shared, agent.now_ms + 60 * MINUTE), "judged once"
    assert (1, 1, 0, 0) == (
        tally(agent).episodes, tally(agent).proved, tally(agent).disproved, tally(agent).uncertain,
    )  # fmt: skip


def test_session_that_ends_at_work_was_none() -> None:
    """Five new turns after the would-be block, then silence: it was at work."""
    agent = looping(5)
    turns = [*families.runaway("same", 1, before=0)[:4]]
    turns += [("bash", {"cmd": f"step {word}"}, f"done {word}") for word in ("a", "b", "c", "d")]
    for x in list(CHAT.requests(turns))[5:]:
        agent.asks(x)
    hindsight.settle_idle(agent.shared, agent.now_ms + 30 * MINUTE)
    assert (0, 1) == (tally(agent).proved, tally(agent).disproved)


def test_saved_is_what_the_refused_requests_would_have_cost() -> None:
    """Six requests after the one at which the loop was found, and that one."""
    found = tally(looping(11, cost_nusd=500))
    assert (1, 7, 3_500) == (found.episodes, found.would_block, found.saved_nusd)
    assert 4 == found.turns


def test_enforced_block_saves_nothing_and_is_not_judged() -> None:
    """What comes after a refusal says nothing about it."""
    agent = Agent(Policy("enforce"))
    for x in list(CHAT.requests(families.runaway("same", 1, before=0)))[:6]:
        agent.asks(x)
    assert 0 == hindsight.settle_idle(agent.shared, agent.now_ms + 30 * MINUTE)
    assert 0 == tally(agent).saved_nusd


def test_sessions_are_counted_by_tenant() -> None:
    """Loops per thousand sessions need the thousand."""
    agent = looping(6)
    agent.tenant = "globex"
    for x in list(CHAT.requests(families.look_alike("work", 3)))[:5]:
        agent.asks(x)
    assert {"acme": 1, "globex": 1} == sessions(agent.shared)


def test_released_session_is_named_by_its_digits() -> None:
    """What a refusal tells is what `s4fw loops release` takes."""
    agent = looping(1)
    (x,) = list(CHAT.requests(families.runaway("same", 1, before=0)))[8:9]
    seen = agent.asks(x)
    assert seen.key == episodes.key_of(seen.session)
    assert episodes.release(agent.shared, episodes.key_of(seen.session))
    assert not episodes.release(agent.shared, episodes.key_of("0" * 15 + "1"))


@pytest.mark.parametrize("key", [1, -1, 2**63 - 1, -(2**63)])
def test_name_of_a_session_tells_its_key(key: int) -> None:
    """Keys are signed words, names are not."""
    assert key == episodes.key_of(f"{key & (2**64 - 1):016x}")


@pytest.mark.parametrize(
    ("wrong", "of", "share"),
    [(0, 0, 1.0), (0, 10, 0.2775), (0, 3_000, 0.0013), (1, 10, 0.4042), (10, 10, 1.0)],
)
def test_wilson_upper_is_the_published_interval(wrong: int, of: int, share: float) -> None:
    """Never wrong in ten is no promise; values of Wilson's interval at 95 %."""
    assert share == pytest.approx(hindsight.wilson_upper(wrong, of), abs=5e-5)
