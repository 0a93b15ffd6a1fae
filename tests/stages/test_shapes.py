"""Exchanges of every OpenAI shape through the real stages: what is held, and what is settled."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import match
from s4fw.units import NUSD_MAX
from tests.playbook import Play
from tests.samples import sample

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "1000"}]
CONTEXT = 1_050_000  # of gpt-5.5, in the shipped prices


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A pipeline with one budget of 1000 USD."""
    with Play(tmp_path, ALL) as play:
        yield play


def ask(play: Play, path: str, body: bytes | dict[str, Any]) -> Exchange:
    """A request of another shape than a chat, admitted or refused."""
    route = match(b"POST", path.encode())
    assert isinstance(route, Route)
    x = Exchange(route, Request(b"POST", path.encode(), b"", {}))
    x.request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    verdict = play.pipeline.open(x) or play.pipeline.admit(x)
    assert not isinstance(verdict, Awaitable)
    return x


@pytest.mark.parametrize(
    ("path", "folder", "answer"),
    [
        ("/v1/responses", "openai_responses", "stream.sse"),
        ("/v1/responses", "openai_responses", "stream_incomplete.sse"),
        ("/v1/embeddings", "openai_embeddings", "response.json"),
    ],
)
def test_sample_is_held_passes_unchanged_and_settles_below_its_hold(
    play: Play, path: str, folder: str, answer: str
) -> None:
    """From the recorded request to the recorded usage, to the nano-dollar."""
    x = ask(play, path, sample(f"{folder}/request.json"))
    assert x.block is None
    assert x.quote_nusd == play.held("all") > 0
    body = sample(f"{folder}/{answer}")
    assert body == play.answer(x, body) + play.end(x)
    usage = json.loads(sample(f"{folder}/expected_usage.json"))[answer]
    rates = (20, 0, 0) if folder == "openai_embeddings" else (5_000, 500, 30_000)
    buckets = (usage["uncached_input"], usage["cache_read"], usage["output"])
    expected = sum(rate * tokens for rate, tokens in zip(rates, buckets, strict=True))
    assert ("settled", expected, 0) == (x.outcome, play.spent("all"), play.held("all"))


def test_earlier_response_is_held_at_the_context_until_it_was_seen_here(play: Play) -> None:
    """The chain before is billed again as input; then its size is known."""
    body = {"model": "gpt-5.5", "input": "and now?", "max_output_tokens": 400}
    first = ask(play, "/v1/responses", body | {"previous_response_id": "resp_elsewhere"})
    assert first.quote_tokens_in >= CONTEXT
    usage = {"input_tokens": 900, "output_tokens": 100}
    answer = json.dumps({"id": "resp_s1", "model": "gpt-5.5", "usage": usage}).encode()
    play.answer(first, answer)
    play.end(first)
    second = ask(play, "/v1/responses", body | {"previous_response_id": "resp_s1"})
    assert 1000 < second.quote_tokens_in < 1200


def test_web_search_is_held_for_every_turn_and_fee_and_settled_by_its_count(play: Play) -> None:
    """Each call reads the input again and has a fee beside the tokens."""
    body = {"model": "gpt-5.5", "input": "hi", "max_output_tokens": 100, "max_tool_calls": 2}
    x = ask(play, "/v1/responses", body | {"tools": [{"type": "web_search"}]})
    assert x.block is None
    assert x.quote_nusd >= 3 * CONTEXT * 5_000 + 2 * 10_000_000
    usage = {"input_tokens": 1000, "output_tokens": 10}
    told = {"usage": usage, "model": "gpt-5.5", "tool_usage": {"web_search": {"num_requests": 2}}}
    play.answer(x, json.dumps(told).encode())
    play.end(x)
    assert 1000 * 5_000 + 10 * 30_000 + 2 * 10_000_000 == play.spent("all")


def test_web_search_without_a_known_fee_is_refused(play: Play) -> None:
    """A fee that nobody knows cannot be held."""
    body = {"model": "gpt-4o", "input": "hi", "max_tool_calls": 1}
    x = ask(play, "/v1/responses", body | {"tools": [{"type": "web_search"}]})
    assert x.block is not None
    assert "unbounded_request" == x.block.code.name


def test_prompts_of_a_list_are_each_held_as_an_answer(play: Play) -> None:
    """Two prompts with three samples are six answers."""
    body = {"model": "davinci-002", "prompt": ["a", [1, 2, 3]], "best_of": 3, "max_tokens": 50}
    x = ask(play, "/v1/completions", body)
    assert 300 == x.quote_tokens_out


def test_price_beyond_any_money_is_refused_by_the_budget(tmp_path: Path) -> None:
    """What many long answers could cost is more than an amount can say."""
    own = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "1000", "max_output_tokens": 10**8}
    with Play(tmp_path, ALL, pricing={"overrides": {"own-text": own}}) as play:
        body = {"model": "own-text", "prompt": ["x"] * 2_000, "best_of": 128}
        x = ask(play, "/v1/completions", body)
        assert x.block is not None
        assert ("budget_exceeded", NUSD_MAX) == (x.block.code.name, x.quote_nusd)


def test_inputs_of_an_embedding_model_without_a_tokenizer_may_each_fill_its_context(
    tmp_path: Path,
) -> None:
    """The context bounds one input, not the list of them."""
    own = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "0", "max_input_tokens": 512}
    pricing = {"overrides": {"own-embed": own | {"max_output_tokens": 1}}}
    with Play(tmp_path, ALL, pricing=pricing) as play:
        x = ask(play, "/v1/embeddings", {"model": "own-embed", "input": ["word " * 100] * 20})
        assert x.block is None
        assert x.quote_tokens_in >= 20 * 500
        assert 0 == x.quote_tokens_out


def test_deployment_without_a_price_is_refused(play: Play) -> None:
    """The path names the model: a priced one in the body does not count."""
    x = ask(play, "/openai/deployments/d/chat/completions", {"model": "gpt-4o", "messages": []})
    assert x.block is not None
    assert "unknown_model" == x.block.code.name
