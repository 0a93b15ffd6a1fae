"""Loops in the pipeline: what each mode does, what is told, and when it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from s4fw.config.loops import MODES, RULES
from s4fw.core.exchange import Exchange
from s4fw.loops import rules
from s4fw.proxy import headers
from tests.loops import families
from tests.loops.families import Turn
from tests.playbook import Play

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]
BEFORE = 3  # turns of work before a loop


@contextmanager
def playing(folder: Path, **loops: Any) -> Iterator[Play]:
    """A pipeline with these settings of loops."""
    with Play(folder, ALL, loops=loops) as play:
        yield play


@pytest.fixture
def enforced(tmp_path: Path) -> Iterator[Play]:
    """A pipeline that refuses loops."""
    with playing(tmp_path, mode="enforce") as play:
        yield play


def run(play: Play, turns: list[Turn], **more: Any) -> list[Exchange]:
    """Let an agent work until it is refused; returns its requests."""
    items = families.opening()
    asked = [ask(play, items, **more)]
    for added in families.chat_messages(turns):
        if asked[-1].block is not None:
            break
        items += added
        asked.append(ask(play, items, **more))
    return asked


def ask(play: Play, items: list[Any], **more: Any) -> Exchange:
    """One request, answered if it is let through."""
    x = play.ask(messages=items, max_tokens=10, **more)
    if x.block is None:
        play.answer(x, b'{"usage":{"prompt_tokens":9000,"completion_tokens":500}}')
        play.end(x)
    return x


def test_words_of_the_configuration_are_those_of_the_rules() -> None:
    """The two layers do not import each other."""
    assert (rules.MODES, rules.RULES) == (MODES, RULES)


def test_enforced_loop_is_refused_and_says_why(enforced: Play) -> None:
    """Whoever is stopped must be able to see that it was right."""
    *_, before, last = run(enforced, families.runaway("same", 1, BEFORE))
    assert last.block is not None
    assert "loop_detected" == last.block.code.name
    told = last.block.detail
    assert ("repeat", 1, 4, BEFORE + 1) == (
        told["rule"], told["period"], told["turns"], told["first_turn"]
    )  # fmt: skip
    # Three answers were paid for after the first: those that led to the repetitions.
    assert 3 * (9000 * 1000 + 500 * 2000) == told["wasted_nusd"]
    header = b"x-s4fw-loop: block; rule=repeat; period=1; turns=4; first_turn=4; wasted_usd=0.03"
    assert header in headers.governed(last, 0)
    assert "$0.03" in last.block.message
    assert before.loop_note == "warn; rule=repeat; period=1; turns=3; first_turn=4; wasted_usd=0.02"
    assert last.reservation is None
    assert (1, 1) == (enforced.count("loop_blocked"), enforced.count("loop_warned"))
    assert ["", "warn", "loop_detected"] == [row.code or row.loop for row in enforced.rows()[-3:]]


def test_shadow_changes_nothing_but_counts(tmp_path: Path) -> None:
    """The default: it must be safe to switch on for traffic that nobody knows."""
    with playing(tmp_path) as play:
        asked = run(play, families.runaway("same", 1, BEFORE, count=6))
        assert BEFORE + 6 + 1 == len(asked)
        for x in asked:
            assert (None, None, None) == (x.block, x.loop_note, x.shadow_reason)
            assert b"x-s4fw-decision: allow\r\n" == headers.decision(x)
        assert (3, 0, 0) == tuple(
            play.count(name) for name in ("loop_shadowed", "loop_warned", "loop_blocked")
        )
        assert ["shadow"] * 3 == [row.loop for row in play.rows()[-3:]]


def test_warn_mode_tells_and_lets_through(tmp_path: Path) -> None:
    """A header and an event, nothing else."""
    with playing(tmp_path, mode="warn") as play:
        asked = run(play, families.runaway("same", 1, BEFORE, count=6))
        assert BEFORE + 6 + 1 == len(asked)
        assert asked[-1].loop_note is not None
        assert asked[-1].loop_note.startswith("warn; rule=repeat; period=1; turns=6;")


def test_off_is_not_even_in_the_pipeline(tmp_path: Path) -> None:
    """Whoever does not want it does not pay for it."""
    with playing(tmp_path, mode="off") as play:
        assert "anomaly" not in [stage.name for stage in play.pipeline.stages]
    (tmp_path / "b").mkdir()
    with playing(tmp_path / "b", mode="off", rules={"repeat": "enforce"}) as play:
        assert run(play, families.runaway("same", 1, BEFORE))[-1].block is not None
        assert run(play, families.runaway("cycle2", 1, BEFORE))[-1].block is None


def test_override_holds_for_its_tenant_only(tmp_path: Path) -> None:
    """A tenant whose agents play games may be let alone."""
    more = {"headers": {"x-s4fw-tenant": "games"}}
    overrides = [{"tenant": "games", "thresholds": {"repeat": 20}}]
    with playing(tmp_path, mode="enforce", overrides=overrides) as play:
        turns = families.runaway("same", 1, BEFORE, count=8)
        assert run(play, turns, **more)[-1].block is None
        assert run(play, turns)[-1].block is not None


def test_changed_tail_is_let_through_at_once(enforced: Play) -> None:
    """A block is no ban: an agent that was told and tries something else goes on."""
    turns = families.runaway("same", 1, BEFORE, count=4)
    assert run(enforced, turns)[-1].block is not None
    items = families.opening()
    for added in families.chat_messages([*turns, ("ask_user", {"q": "help"}, "try another")]):
        items += added
    assert ask(enforced, items).block is None


def test_repeated_block_lets_one_probe_through_after_the_cool_down(tmp_path: Path) -> None:
    """The model may find its way out by itself: once in a while it may try."""
    with playing(tmp_path, mode="enforce", cool_down="1s") as play:
        items = families.opening()
        for added in families.chat_messages(families.runaway("same", 1, BEFORE, count=3)):
            items += added
            assert ask(play, items).block is None
        *_, added = families.chat_messages(families.runaway("same", 1, BEFORE, count=4))
        items += added
        clock = [10**9]
        (stage,) = (stage for stage in play.pipeline.stages if stage.name == "anomaly")
        stage._clock = lambda: clock[0]  # type: ignore[attr-defined]
        blocked = []
        for ms in (0, 300, 1500, 1600, 3000):
            clock[0] = 10**12 + ms
            blocked.append(ask(play, items).block is not None)
        assert [True, True, False, True, False] == blocked


def test_allowed_tool_may_repeat_longer(enforced: Play) -> None:
    """Asking again and again for a status is what such tools are for."""
    poll: Turn = ("get_status", {"job": "j"}, '{"status": "running"}')
    asked = run(enforced, [*families.work_of(1, BEFORE), *[poll] * 20])
    assert asked[-1].block is not None
    assert 12 == asked[-1].block.detail["turns"]


def test_key_that_may_override_allows_itself_a_loop(tmp_path: Path) -> None:
    """The user said: run it ten times."""
    secret = "a key of this test"
    keys = [{"id": "bench", "sha256": hashlib.sha256(secret.encode()).hexdigest()}]
    loops = {"mode": "enforce", "may_override": ["bench"]}
    more = {"headers": {"authorization": f"Bearer {secret}", "x-s4fw-loop-ok": "10"}}
    turns = families.runaway("same", 1, BEFORE, count=20)
    upstreams = {"openai": {"base_url": "http://127.0.0.1:1", "api_key": "sk-test"}}
    with Play(tmp_path, ALL, loops=loops, keys=keys, upstreams=upstreams) as play:
        last = run(play, turns, **more)[-1]
        assert last.block is not None
        assert 11 == last.block.detail["turns"]
    (tmp_path / "b").mkdir()
    loops["may_override"] = []
    with Play(tmp_path / "b", ALL, loops=loops, keys=keys, upstreams=upstreams) as play:
        last = run(play, turns, **more)[-1]
        assert last.block is not None
        assert 4 == last.block.detail["turns"]


def test_template_batch_is_never_a_loop(enforced: Play) -> None:
    """One question for each row of a table: short bodies that are alike, many of them."""
    for row in range(40):
        items = [*families.opening(), {"role": "user", "content": f"row {row}"}]
        assert ask(enforced, items).block is None


def test_identical_body_at_once_is_a_sample_not_a_storm(enforced: Play) -> None:
    """Ten answers to one prompt, drawn at once."""
    assert all(ask(enforced, families.opening()).block is None for _ in range(30))


def test_long_transcript_is_read_in_a_thread_and_judged_alike(enforced: Play) -> None:
    """Reading it on the loop would hold up all other callers; a loop in it is refused as ever."""
    items = families.opening()
    for at, added in enumerate(families.chat_messages(families.runaway("same", 1, 40, 6))):
        added[-1]["content"] += f" {'words ' * 1_000}" if at < 40 else ""
        items += added
    before = enforced.offloaded
    x = ask(enforced, items)
    counted = enforced.offloaded - before
    assert x.block is not None
    assert "loop_detected" == x.block.code.name
    again = enforced.offloaded
    assert "loop_detected" == _code(ask(enforced, items))
    assert (2, 0) == (counted, enforced.offloaded - again)  # the tokens, the turns


def _code(x: Exchange) -> str:
    return x.block.code.name if x.block is not None else ""
