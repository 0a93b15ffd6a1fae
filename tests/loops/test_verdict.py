"""The verdict: what it finds, how soon, and what it leaves alone."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.loops.tail import JOINTS, Tail
from s4fw.loops.tails import Tails
from s4fw.loops.thresholds import WINDOW, Thresholds
from s4fw.loops.verdict import Finding, judge
from tests.loops import families
from tests.loops.families import LOOK_ALIKES, RUNAWAYS
from tests.loops.shapes import CHAT, SHAPES, Shape, transcript

SAMPLE = Path(__file__).parents[1] / "samples" / "loops" / "sessions.jsonl.gz"
FIRM = Thresholds()
EARLY = FIRM.lowered()


def sessions() -> list[dict[str, Any]]:
    """Real sessions with the verdicts that were said of them."""
    return [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]


def no_lists(tools: Any) -> int:
    """No tool may repeat."""
    return 0


def tail_of(x: Any) -> Tail:
    """The tail of a request that nobody has seen before."""
    return Tails(no_lists).of(transcript(x))


def said(found: Finding | None) -> list[Any] | None:
    """A finding as the samples hold it."""
    return None if found is None else [found.rule, found.period, found.turns]


def test_real_sessions_get_the_verdicts_of_the_reference() -> None:
    """The rules were chosen on thousands of sessions with a plain implementation: this one says
    the same, turn by turn."""
    rules: set[str] = set()
    for session in sessions():
        tails = Tails(no_lists)
        calls = session["calls"]
        heads = [session["messages"][:end] for end in calls[1:]] + [session["messages"]]
        for turn, items in enumerate(heads):
            tail = tails.of(transcript(CHAT.read(items)))
            found = judge(tail.turns, FIRM)
            assert session["verdicts"][turn] == said(found), (session["session"], turn)
            assert turn + 1 == tail.total
            if found is not None:
                rules.add(found.rule)
                assert judge(tail.turns, EARLY) is not None, "a warning comes no later"
    assert {"repeat", "near-repeat", "cycle", "failing-streak", "same-text"} <= rules


@pytest.mark.parametrize("name", RUNAWAYS)
def test_runaway_is_found_in_time(name: str) -> None:
    """Each turn of a loop costs its whole context."""
    within = RUNAWAYS[name][1]
    for seed in range(3):
        tails = Tails(no_lists)
        for turn, x in enumerate(CHAT.requests(families.runaway(name, seed)), -5):
            found = judge(tails.of(transcript(x)).turns, FIRM)
            assert found is None or turn > 0, "found before it began"
            if found is not None:
                break
        assert found is not None
        assert turn <= within


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alike_is_never_blocked(name: str) -> None:
    """A false block stops somebody's work."""
    for seed in range(6):
        tails = Tails(no_lists)
        for x in CHAT.requests(families.look_alike(name, seed)):
            assert judge(tails.of(transcript(x)).turns, FIRM) is None


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", ["same", "result-nonce", "cycle3", "monologue", "reworded-error"])
def test_every_shape_tells_the_same_turns(shape: Shape, name: str) -> None:
    """The same agent is stopped at the same turn, whatever API it speaks."""
    turns = families.runaway(name, 1)
    tails = Tails(no_lists)
    chats = Tails(no_lists)
    for x, chat in zip(shape.requests(turns), CHAT.requests(turns), strict=True):
        found = judge(tails.of(transcript(x)).turns, FIRM)
        expected = judge(chats.of(transcript(chat)).turns, FIRM)
        assert said(expected) == said(found)


_TURN = st.tuples(
    st.sampled_from(["search", "bash", ""]),
    st.sampled_from(["a", "b", "c1", "c2", "the same long text, said again"]),
    st.sampled_from(["x", "Error: no such file", "no results", "ok 1", "ok 2"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_TURN, max_size=45), st.integers(0, 12))
def test_verdict_is_a_function_of_the_body_alone(turns: list[Any], seen: int) -> None:
    """Whichever worker has seen whatever before: the same body gets the same verdict."""
    bodies = list(CHAT.requests(turns))
    warm = Tails(no_lists)
    for x in bodies[max(len(bodies) - 1 - seen, 0) : -1]:
        warm.of(transcript(x))
    known, new = warm.of(transcript(bodies[-1])), tail_of(bodies[-1])
    assert said(judge(new.turns, FIRM)) == said(judge(known.turns, FIRM))
    assert len(turns) == known.total == new.total
    assert min(len(turns), WINDOW) == len(known.turns) == len(new.turns)
    assert new.last == known.last


@settings(max_examples=40, deadline=None)
@given(st.lists(_TURN, max_size=40))
def test_changed_tail_clears_the_verdict(turns: list[Any]) -> None:
    """An agent that found its way out goes on at once."""
    out = [("write_file", {"path": f"new {word}"}, f"result {word}") for word in "abc"]
    *_, last = CHAT.requests([*turns, *out])
    found = judge(tail_of(last).turns, FIRM)
    assert found is None or found.rule == "stagnation"


def test_only_what_is_new_is_decoded() -> None:
    """A transcript of a hundred turns costs what its last turn costs."""
    tails = Tails(no_lists)
    turns = families.runaway("same", 1, before=60, count=4)
    counts = []
    for x in CHAT.requests(turns):
        before = tails.items_read
        tails.of(transcript(x))
        counts.append(tails.items_read - before)
    assert {2} == set(counts[1:])


def test_items_before_the_first_turn_are_not_all_read() -> None:
    """A huge question in thousands of items must not hold up everybody else; what is known of its
    last items, by which its session is found again, is the same as if all had been read."""
    alone = [{"role": "user", "content": f"item {at}"} for at in range(80)]
    items = [*alone]
    for added in families.chat_messages(families.runaway("same", 1, before=3, count=6)):
        items += added
    for count in (30, 80, 81, 85, len(items)):
        whole = Tails(no_lists)
        for end in range(1, count + 1):  # item by item: each is read
            slowly = whole.of(transcript(CHAT.read(items[:end])))
        tails = Tails(no_lists)
        at_once = tails.of(transcript(CHAT.read(items[:count])))
        assert slowly.joints == at_once.joints
        assert said(judge(slowly.turns, FIRM)) == said(judge(at_once.turns, FIRM))
        assert max(count - 80, 0) + JOINTS >= tails.items_read
        middle = transcript(CHAT.read(items[: max(count - 2, 1)]))
        assert whole.of(middle).joints == tails.of(middle).joints


def test_what_is_long_to_read_is_not_read_at_once() -> None:
    """The bound is on what is new: a long transcript that grew by a little is read at once."""
    turns = families.runaway("same", 1, before=30, count=4)
    *_, last_but_one, last = CHAT.requests(turns)
    tails = Tails(no_lists)
    assert tails.of_short(transcript(last_but_one), 1_000) is None
    assert 0 == tails.items_read
    tails.of(transcript(last_but_one))
    grown = tails.of_short(transcript(last), 1_000)
    assert grown is not None
    assert len(turns) == grown.total


def test_results_that_arrive_late_belong_to_their_turn() -> None:
    """A client may send the results of parallel calls in two requests."""
    turns = families.runaway("same", 1, before=3, count=6)
    items = [*families.opening()]
    for added in families.chat_messages(turns):
        items += added
    tails = Tails(no_lists)
    tails.of(transcript(CHAT.read(items[:-1])))
    grown = tails.of(transcript(CHAT.read(items)))
    new = tail_of(CHAT.read(items))
    assert said(judge(new.turns, FIRM)) == said(judge(grown.turns, FIRM))
    assert (new.total, new.turns[-1].r) == (grown.total, grown.turns[-1].r)
