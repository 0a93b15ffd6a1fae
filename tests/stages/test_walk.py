"""Whole exchanges through the real stages, without sockets: money and bytes, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.attribution import DIMENSION_INDEX
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Kind
from tests.playbook import Play

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A pipeline with one budget of 10 USD."""
    with Play(tmp_path, ALL) as play:
        yield play


def answer_with(prompt: int, completion: int, **more: Any) -> bytes:
    """The body of a plain answer with this usage."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return json.dumps({"choices": [{}], "usage": usage} | more).encode()


def test_plain_exchange_holds_then_settles(play: Play) -> None:
    """Reserve, relay, settle: the sentence of the product."""
    x = play.ask(max_tokens=100)
    assert x.quote_nusd == play.held("all") > 0
    body = answer_with(7, 5)
    assert body == play.answer(x, body)
    play.end(x)
    assert (0, 7 * 1_000 + 5 * 2_000, 0) == (
        play.held("all"),
        play.spent("all"),
        play.accrued("all"),
    )
    assert "settled" == x.outcome


def test_stream_hides_the_usage_it_asked_for_and_settles(play: Play) -> None:
    """The caller sees the stream it ordered; the account is exact."""
    x = play.ask(max_tokens=100, stream=True)
    chunk = b'data: {"choices":[{"delta":{"content":"Hi"}}],"usage":null}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
    done = b"data: [DONE]\n\n"
    assert chunk + done == play.answer(x, chunk, usage, done) + play.end(x)
    assert 17_000 == play.spent("all")


def test_quote_never_below_what_the_longest_answer_costs(play: Play) -> None:
    """The worst case is really the worst case."""
    x = play.ask(max_tokens=100, n=3)
    assert x.quote_tokens_out == 300
    assert x.quote_nusd >= x.quote_tokens_in * 1_000 + 300 * 2_000


def test_absent_bound_reserves_the_models_maximum(play: Play) -> None:
    """Without max_tokens a provider answers as long as the model can."""
    assert 4096 == play.ask().quote_tokens_out
    assert 4096 == play.ask(max_tokens=10**6).quote_tokens_out
    assert 4096 == play.ask(max_tokens=None).quote_tokens_out


def test_exact_count_for_a_model_with_a_public_tokenizer(play: Play) -> None:
    """Same text, same count, remembered the second time; the suffix alone is counted."""
    messages = [{"role": "user", "content": "tell me more " * 50}]
    first = play.ask(model="gpt-4o", messages=messages, max_tokens=1)
    counted = play.count("tokens_counted")
    assert counted > 0
    again = play.ask(model="gpt-4o", messages=messages, max_tokens=1)
    assert first.quote_tokens_in == again.quote_tokens_in
    assert counted == play.count("tokens_counted")
    longer = [*messages, {"role": "assistant", "content": "ok"}]
    grown = play.ask(model="gpt-4o", messages=longer, max_tokens=1)
    assert 0 < play.count("tokens_counted") - counted < 20
    assert grown.quote_tokens_in > first.quote_tokens_in


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "no-such-model"}, "unknown_model"),
        ({"tools": [{"type": "web_search"}]}, "unbounded_request"),
        ({"model": "gpt-4o", "tools": [{"type": "web_search"}]}, "unbounded_request"),
        ({"messages": ["hi"]}, "invalid_request_error"),
        ({"max_tokens": -5}, "invalid_request_error"),
    ],
)
def test_refused_request_holds_nothing_and_leaves_a_row(
    play: Play, fields: dict[str, Any], code: str
) -> None:
    """A refusal costs nothing, whichever stage it comes from."""
    x = play.ask(**fields)
    assert x.block is not None
    assert code == x.block.code.name
    assert x.reservation is None
    (row,) = play.rows()
    assert (Kind.BLOCK, code, 0) == (row.kind, row.code, row.charged_nusd)


@pytest.mark.parametrize(
    ("status", "voided"), [(429, True), (500, True), (400, True), (504, False), (302, False)]
)
def test_upstream_error_is_given_back_only_where_it_is_unbilled(
    play: Play, status: int, voided: bool
) -> None:
    """Doubt charges the worst case."""
    x = play.ask(max_tokens=10)
    play.answer(x, b'{"error":{}}', status=status)
    play.end(x)
    assert 0 == play.held("all")
    assert (0 if voided else x.quote_nusd) == play.accrued("all")


@pytest.mark.parametrize(
    "reason",
    [Reason.UPSTREAM_CUT, Reason.UPSTREAM_TIMEOUT, Reason.CLIENT_GONE, Reason.DRAIN_DEADLINE],
)
def test_broken_exchange_accrues_with_its_reason(play: Play, reason: Reason) -> None:
    """Nobody knows what the provider billed: the reservation is charged, and says why."""
    x = play.ask(max_tokens=10, stream=True)
    play.answer(x, b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    play.end(x, reason)
    assert (0, 0, x.quote_nusd) == (play.held("all"), play.spent("all"), play.accrued("all"))
    (row,) = play.rows()
    assert (reason, True, x.quote_nusd) == (row.reason, row.is_accrued, row.charged_nusd)


def test_connect_failure_gives_everything_back(play: Play) -> None:
    """Not one byte was sent: nothing can have been billed."""
    x = play.ask(max_tokens=10)
    play.end(x, Reason.UPSTREAM_TIMEOUT)
    assert (0, 0) == (play.held("all"), play.cell("all").used)
    assert "voided" == x.outcome


def test_large_body_is_read_and_counted_in_a_thread(play: Play) -> None:
    """The loop serves everybody else meanwhile."""
    messages = [{"role": "user", "content": "word " * 200_000}]
    x = play.ask(model="gpt-4o", messages=messages, max_tokens=1)
    assert x.block is None
    assert 2 == play.offloaded
    assert 200_000 <= x.quote_tokens_in < 200_200


def test_same_state_and_request_give_the_same_decision(tmp_path: Path) -> None:
    """Deterministic: two firewalls with the same books decide alike."""
    outcomes = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with Play(tmp_path / name, [ALL[0] | {"limit_usd": "0.01"}]) as play:
            asked = [play.ask(max_tokens=size) for size in (900, 2000, 1500, 100, 4000, 50)]
            outcomes.append([(x.quote_nusd, x.block and x.block.code.name) for x in asked])
    assert outcomes[0] == outcomes[1]
    assert {None, "budget_exceeded"} == {code for _, code in outcomes[0]}


def test_fine_tuned_model_with_an_endless_name_is_booked_under_its_base(play: Play) -> None:
    """Its name is longer than the table holds, and each new one would take up a place there."""
    for name in ("a" * 200, "b" * 200):
        x = play.ask(model=f"ft:gpt-4o-2024-08-06:{name}", max_tokens=1)
        assert x.block is None
        play.end(x)
    (model,) = {row.values[DIMENSION_INDEX["model"]] for row in play.rows()}
    assert b"ft:gpt-4o-2024-08-06" == play.table.value(model)[1]
