"""The stages offline are those of a worker."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from s4fw.config.load import parse
from s4fw.process.estate import rates_of
from s4fw.replay import records
from s4fw.replay.offline import Offline
from s4fw.tokens import TokenCounter
from tests.loops import families
from tests.playbook import Play


@functools.cache
def _tokens() -> TokenCounter:
    return TokenCounter()


def offline(text: str = "") -> Offline:
    config = parse("upstreams: {openai: {base_url: https://api.openai.com}}\n" + text, "", {})
    return Offline(config, rates_of(config), "gpt-4o", _tokens())


def session(name: str, gap_s: float) -> bytes:
    """A session of a family as one line, with times."""
    messages, calls = families.opening(), []
    for added in families.chat_messages(families.runaway(name, 1, before=2, count=20)):
        calls.append(len(messages))
        messages += added
    times = [gap_s * at for at in range(len(calls))]
    row = {"session": "s", "model": "gpt-4o", "messages": messages, "calls": calls, "t": times}
    return json.dumps(row).encode()


def test_stages_are_those_of_a_worker_in_their_order(tmp_path: Path) -> None:
    """What a replay says holds for a worker only while both walk the same way."""
    with Play(tmp_path) as play:
        all_of_them = [type(stage) for stage in play.pipeline.stages]
    ours = [type(stage) for stage in offline().pipeline.stages]
    assert ours == [kind for kind in all_of_them if kind in ours]
    names = [stage.name for stage in offline().pipeline.stages]
    assert ["read", "route", "attribute", "quote", "anomaly"] == names


def test_records_clock_tells_a_patient_poll_from_a_hasty_one() -> None:
    """The same turns: a second apart they are a runaway, half a minute apart somebody waits."""
    blocked = []
    for gap_s in (1, 30):
        stages = offline("loops: {allowed_tools: []}")
        outcomes = [stages.ask(a) for a in records.read(session("idle-poll", gap_s)).requests]
        blocked.append(sum(outcome.would_block for outcome in outcomes))
    assert (8, 0) == tuple(blocked)


def test_sessions_of_one_file_are_no_storm() -> None:
    """Recorded at any time, they lie one after the other; their first requests may be the same."""
    stages = offline()
    rules = set()
    for _ in range(15):
        line = session("same", 1)
        rules |= {stages.ask(a).rule for a in list(records.read(line).requests)[:1]}
    assert {""} == rules


def test_request_without_a_verdict_says_why() -> None:
    """A log may hold what the firewall would never forward."""
    body = {"model": "gpt-4o", "messages": [], "max_tokens": 5, "Max_Tokens": 500}
    (asked,) = records.read(json.dumps(body).encode()).requests
    outcome = offline().ask(asked)
    assert outcome.refused
    assert (0, False) == (outcome.cost_nusd, outcome.would_block)
