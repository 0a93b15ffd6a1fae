"""What only several requests show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.loops import episodes, memory
from s4fw.loops.ask import BLOCKS, PASS, SHADOWS, WARNS, Ask, Seen, is_sdk_retry
from s4fw.loops.memory import BYTES_MIN, Memory
from s4fw.loops.policy import Limits, Policies, Policy
from s4fw.loops.rules import RULES
from s4fw.loops.tenants import Tenants, tallies
from s4fw.loops.watch import Watch
from tests.loops import families
from tests.loops.shapes import CHAT, SHAPES, transcript

ENFORCE = Policy("enforce")


class Agent:
    """One caller over one memory, with a clock of its own."""

    def __init__(
        self, policy: Policy = ENFORCE, shared: Memory | None = None, **headers: str
    ) -> None:
        self.shared = shared or Memory(BYTES_MIN)
        self.watches = [Watch(self.shared, Policies(policy)) for _ in range(2)]
        self.now_ms = 10**9
        self.turn = 0
        self.headers = {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()}
        self.tenant = "acme"

    def asks(
        self, x: Exchange, after_ms: int = 5_000, cost_nusd: int = 1_000, *, is_good: bool = True
    ) -> Seen:
        """One request, taken by the workers in turn."""
        self.now_ms += after_ms
        request = x.request
        ask = Ask(
            transcript(x), self.headers, request.labels, request.model, "key", self.tenant,
            "support", len(request.body), self.now_ms,
        )  # fmt: skip
        self.turn += 1
        watch = self.watches[self.turn % 2]
        seen = watch.look(ask)
        watch.told(seen)
        watch.spent(seen, cost_nusd, is_good)
        return seen

    def word(self, seen: Seen, word: int) -> int:
        """A word of a session."""
        return self.shared.words[seen.at + word]


def rule_of(seen: Seen) -> tuple[str, int] | None:
    """What was found and what is done."""
    judgement = seen.judgement
    return None if judgement is None else (judgement.finding.rule, judgement.action)


def chats(count: int = 12, seed: int = 1) -> list[Exchange]:
    """The requests of an agent that gets on."""
    return list(CHAT.requests(families.work_of(seed, count)))


def test_session_without_an_id_is_known_by_its_joint_on_all_workers() -> None:
    """Most agents send no id; their state must not depend on the worker either."""
    agent = Agent()
    keys = {agent.asks(x).key for x in chats()[1:]}  # the first has too few items
    assert 1 == len(keys)
    other = {agent.asks(x).key for x in chats(seed=2)[1:]}
    assert 1 == len(other)
    assert keys != other


def test_sessions_of_one_beginning_are_told_apart_when_they_part() -> None:
    """Trials of one task share their prompt, not their spend."""
    agent = Agent()
    one, two = chats(seed=3)[2:], chats(seed=4)[2:]
    seen = [(agent.asks(x).key, agent.asks(y).key) for x, y in zip(one, two, strict=True)]
    assert 2 == len({key for pair in seen for key in pair})


def test_named_session_is_of_its_caller_only() -> None:
    """A client cannot speak in the session of another by guessing its name."""
    shared = Memory(BYTES_MIN)
    agent = Agent(shared=shared, x_session_id="s1")
    other = Agent(shared=shared, x_session_id="s2")
    x = chats()[3]
    assert agent.asks(x).key == agent.asks(chats()[4]).key != other.asks(x).key
    stranger = Ask(
        transcript(x), agent.headers, {}, "gpt-4o", "another-key", "acme", "", 100, agent.now_ms
    )
    assert agent.watches[0].look(stranger).key != agent.asks(x).key


@pytest.mark.parametrize("name", SHAPES)
def test_cost_of_a_session_adds_up_in_every_shape(name: str) -> None:
    """What a loop wasted is what its session was charged."""
    agent = Agent(Policy("shadow"))
    requests = list(SHAPES[name].requests(families.work_of(5, 6)))[2:]
    for x in requests:
        seen = agent.asks(x, cost_nusd=70)
    assert 70 * len(requests) == agent.word(seen, memory.SPENT_NUSD)
    assert 6 == agent.word(seen, memory.TURNS)


def test_storm_of_one_body_is_told_then_refused() -> None:
    """A client that asks again whatever it is answered."""
    agent = Agent()
    x = chats()[0]
    done = [rule_of(agent.asks(x, after_ms=2_000)) for _ in range(12)]
    assert [None] * 5 == done[:5]
    assert [("retry-storm", WARNS)] * 4 == done[5:9]
    assert {("retry-storm", BLOCKS)} == set(done[9:])


def test_backoff_is_no_storm() -> None:
    """An SDK or agent that waits longer each time behaves as it should."""
    agent = Agent()
    x = chats()[0]
    gaps = [1_000 * 2**at for at in range(9)]
    assert {None} == {rule_of(agent.asks(x, gap, is_good=False)) for gap in gaps}


def test_samples_drawn_at_once_are_no_storm() -> None:
    """Ten answers to one prompt, and an evaluation that runs again after minutes."""
    agent = Agent()
    x = chats()[0]
    for _ in range(4):
        agent.now_ms += 200_000
        assert {None} == {rule_of(agent.asks(x, after_ms=20)) for _ in range(30)}


@pytest.mark.parametrize(
    ("name", "value", "is_retry"),
    [
        (b"x-stainless-retry-count", b"0", False),
        (b"x-stainless-retry-count", b"2", True),
        (b"amz-sdk-request", b"attempt=1; max=4", False),
        (b"amz-sdk-request", b"attempt=1", False),
        (b"amz-sdk-request", b"attempt=2; max=4", True),
        (b"amz-sdk-request", b"attempt=12", True),
        (b"accept", b"*/*", False),
    ],
)
def test_retry_of_an_sdk_is_told_by_its_header(name: bytes, value: bytes, is_retry: bool) -> None:
    """What an SDK repeats by itself is no step of an agent."""
    assert is_retry is is_sdk_retry({name: value})


def test_retries_of_an_sdk_are_not_counted() -> None:
    """The first try of each counts, the others do not."""
    agent = Agent(x_stainless_retry_count="1")
    x = chats()[0]
    assert {None} == {rule_of(agent.asks(x, 2_000)) for _ in range(30)}


def test_body_that_grows_very_much_each_turn_is_told() -> None:
    """New junk each turn is no loop by its tail; what it costs grows with each turn."""
    agent = Agent()
    items = families.opening()
    done = []
    for at in range(10):
        turn: families.Turn = ("search", {"q": f"word {at}"}, f"{at} {'junk ' * 9_000}")
        (added,) = families.chat_messages([turn])
        items += added
        done.append(rule_of(agent.asks(CHAT.read(items))))
    assert ("growth", WARNS) == done[-1]
    assert [None] * 5 == done[:5]


def grown(turns: int, chars: int, word: str) -> list[Exchange]:
    """The requests of an agent whose transcript grows by so much with each turn."""
    made: list[families.Turn] = [
        ("search", {"q": f"{word} {at}"}, f"{word} {at} {'text ' * (chars // 5)}")
        for at in range(turns)
    ]
    return list(CHAT.requests(made))[2:]


def cost_of(x: Exchange) -> int:
    """As the input costs: by its length."""
    return len(x.request.body) * 1_000


def test_cost_that_grows_faster_than_others_is_told_once() -> None:
    """Every transcript grows; a header on each request of a long session would be read by nobody.
    What counts is how steep it is, beside the other sessions of the tenant."""
    agent = Agent(Policy("warn"))
    for seed in range(6):  # one of them long
        for x in grown(60 if seed == 3 else 12, 300, f"usual{seed}"):
            assert rule_of(agent.asks(x, cost_nusd=cost_of(x))) is None
    steep = [rule_of(agent.asks(x, cost_nusd=cost_of(x))) for x in grown(24, 6_000, "steep")]
    assert [("cost-slope", WARNS)] == [found for found in steep if found]
    assert ("cost-slope", WARNS) in steep[:8]


def test_spend_on_failures_is_told_once_in_a_window() -> None:
    """An agent that fails again and again pays for each try; saying so at each would be noise."""
    policy = Policy("warn", {"failing-streak": "off", "near-repeat": "off", "novelty": "off"})
    agent = Agent(policy)
    turns: list[families.Turn] = [
        ("search", {"q": f"{chr(97 + at % 26)}{'z' * (at // 26)}"}, "Error: no such table")
        for at in range(44)
    ]
    found = [rule_of(agent.asks(x, cost_nusd=1_000)) for x in CHAT.requests(turns)]
    told = [at for at, one in enumerate(found) if one == ("spend-after-failures", WARNS)]
    assert 2 == len(told)
    assert told[0] <= 8
    assert 32 == told[1] - told[0]


def test_session_much_longer_than_those_of_its_tenant_is_told_once() -> None:
    """No rule sees an agent that does something new for ever; that it is the longest by far shows
    without one.  Where long sessions are usual it says nothing."""
    agent = Agent(Policy("warn"))
    for seed in range(30):
        for x in grown(4, 20, f"short{seed}"):
            agent.asks(x)
    found = [rule_of(agent.asks(x)) for x in grown(125, 20, "long")]
    assert [("long-session", WARNS)] == [one for one in found if one]
    assert ("long-session", WARNS) == found[99]  # at its 101st turn
    usual = Agent(Policy("warn"))
    for seed in range(3):
        found = [rule_of(usual.asks(x)) for x in grown(125, 20, f"also{seed}")]
        assert (1 if seed == 0 else 0) == sum(one is not None for one in found)


def test_limits_of_a_session_are_kept() -> None:
    """Turns, money and time of one session, where the operator sets them."""
    turns = Agent(Policy("enforce", limits=Limits(turns=5)))
    assert ("session-turns", BLOCKS) == [rule_of(turns.asks(x)) for x in chats()[:7]][-1]
    cost = Agent(Policy("enforce", limits=Limits(cost_nusd=4_000)))
    done = [rule_of(cost.asks(x)) for x in chats()[2:8]]
    assert [None] * 4 + [("session-cost", BLOCKS)] * 2 == done
    time = Agent(Policy("enforce", limits=Limits(time_ms=12_000)))
    assert [None] * 3 + [("session-time", BLOCKS)] == [rule_of(time.asks(x)) for x in chats()[2:6]]


def test_retries_of_a_session_are_limited() -> None:
    """So many a minute, where the operator says so; a new turn is no retry."""
    agent = Agent(Policy("enforce", {"retry-storm": "off"}, limits=Limits(retries_per_minute=3)))
    *_, x = chats()
    done = [rule_of(agent.asks(x, 2_000)) for _ in range(6)]
    assert [None] * 4 + [("retries", BLOCKS)] * 2 == done


def test_many_new_sessions_of_one_beginning_are_told() -> None:
    """A flood of agents that all start with the same task."""
    agent = Agent(Policy("warn"))
    done = []
    for seed in range(40):
        done.append(rule_of(agent.asks(chats(3, seed)[-1], 50)))
    assert ("fan-out", WARNS) == done[-1]
    assert {None} == set(done[:29])


def test_patient_poll_is_told_and_never_refused() -> None:
    """A job takes an hour: asking every ten seconds costs little and is right."""
    turns: list[families.Turn] = [
        ("job_state", {"job": "j"}, json.dumps({"at": at})) for at in range(30)
    ]
    slow, fast = Agent(), Agent()
    calm = [rule_of(slow.asks(x, 10_000)) for x in CHAT.requests(turns)]
    busy = [rule_of(fast.asks(x, 1_000)) for x in CHAT.requests(turns)]
    assert BLOCKS not in {action for _, action in filter(None, calm)}
    assert ("near-repeat", WARNS) == calm[-1]
    assert ("near-repeat", BLOCKS) in busy


def test_released_session_goes_on_until_its_tail_changes() -> None:
    """An operator who looked at it knows better."""
    agent = Agent()
    requests = list(CHAT.requests(families.runaway("same", 1, 2, 10)))
    for x in requests[:7]:
        seen = agent.asks(x, 1_000)
    assert ("repeat", BLOCKS) == rule_of(seen)
    assert episodes.release(agent.shared, seen.key)
    assert {("repeat", WARNS)} == {rule_of(agent.asks(x, 1_000)) for x in requests[7:10]}
    assert not episodes.release(agent.shared, 12345)


def shadowed(turns: list[families.Turn]) -> dict[str, int]:
    """What was tallied of a session in shadow, of its first rule."""
    agent = Agent(Policy("shadow"))
    for x in CHAT.requests(turns):
        assert rule_of(agent.asks(x)) in (None, ("repeat", SHADOWS), ("repeat", PASS))
    (tally,) = [one for one in tallies(agent.shared) if one.rule == "repeat"]
    assert ("acme", 1) == (tally.tenant, tally.episodes)
    return {"proved": tally.proved, "disproved": tally.disproved, "uncertain": tally.uncertain}


def test_hindsight_tells_a_true_block_from_a_false_one() -> None:
    """The rate of false blocks is measured before anything is refused."""
    loop = families.runaway("same", 1, 3, 13)
    assert {"proved": 1, "disproved": 0, "uncertain": 0} == shadowed(loop)
    way_out = [*families.runaway("same", 1, 3, 4), *families.work_of(9, 10)]
    assert {"proved": 0, "disproved": 1, "uncertain": 0} == shadowed(way_out)


def test_memory_is_of_fixed_size_and_holds_no_content() -> None:
    """What is not there cannot leak: ten thousand sessions later it is as large as before."""
    agent = Agent()
    size = len(agent.shared.words)
    marker = "Zanzibar"
    for at in range(400):
        items: list[Any] = [*families.opening()]
        items[1] = {"role": "user", "content": f"{marker} {at}"}
        for added in families.chat_messages([("search", {"q": marker}, f"{marker} {at}")]):
            items += added
        agent.asks(CHAT.read(items), 10)
    assert size == len(agent.shared.words)
    assert marker.encode() not in bytes(agent.shared.words.cast("B"))


def test_tenants_beyond_the_room_share_one_record() -> None:
    """Callers choose tenants: their number is bounded."""
    shared = Memory(BYTES_MIN)
    tenants = Tenants(shared)
    for at in range(500):
        tenants.add(tenants.place(f"t{at}"), at % len(RULES), memory.BLOCKED)
    found = list(tallies(shared))
    assert 500 == sum(one.blocked for one in found)
    assert "other" in {one.tenant for one in found}
