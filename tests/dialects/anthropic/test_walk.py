"""Whole exchanges in this shape through the real stages: held, relayed, settled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from tests.playbook import Play
from tests.samples import sample

MESSAGES = ROUTES[b"/v1/messages"][b"POST"]
ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "100"}]
UPSTREAMS = {"anthropic": {"base_url": "http://127.0.0.1:1"}}


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A pipeline with one budget of 100 USD."""
    with Play(tmp_path, ALL, upstreams=UPSTREAMS) as play:
        yield play


def ask(play: Play, body: bytes) -> Exchange:
    """Send a body: open, admit."""
    x = Exchange(MESSAGES, Request(b"POST", b"/v1/messages", b"beta=true", {}))
    x.request.body = body
    verdict = play.pipeline.open(x) or play.pipeline.admit(x)
    if isinstance(verdict, Block):
        play.pipeline.finish(x)
    return x


def quote(play: Play, **fields: Any) -> int:
    """What is held for a small request with these fields beside the usual."""
    base = {"model": "claude-opus-5", "max_tokens": 1000, "messages": []}
    x = ask(play, json.dumps(base | fields).encode())
    assert None is x.block, x.block
    play.end(x)
    return x.quote_nusd


# Of claude-sonnet-4-5: nano-USD per token.
INPUT, WRITE_5M, WRITE_1H, READ, OUTPUT, SEARCH = 3_000, 3_750, 6_000, 300, 15_000, 10_000_000
COST = 12 * INPUT + 1800 * READ + 48 * WRITE_5M + 200 * WRITE_1H + 91 * OUTPUT + SEARCH


@pytest.mark.parametrize("step", [1, 100, 10**6])
def test_streamed_message_is_held_relayed_and_settled(play: Play, step: int) -> None:
    """Each bucket at its own rate, and the fee of a search, whatever was held."""
    body = sample("anthropic_messages/request.json")
    x = ask(play, body)
    assert None is x.block
    texts = b"You are the support assistant of Example Shop. Answer briefly. " * 4
    least = (len(texts) + 8 + 764) * WRITE_1H + 2048 * OUTPUT  # at the dearest write, by its bytes
    assert least < x.quote_nusd < 2 * least
    stream = sample("anthropic_messages/stream.sse")
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert stream == play.answer(x, *chunks) + play.end(x)
    assert ("settled", COST, 0) == (x.outcome, play.spent("all"), play.held("all"))


def test_message_without_a_stream_is_settled(play: Play) -> None:
    """The same account in one document."""
    whole = json.loads(sample("anthropic_messages/request.json")) | {"stream": False}
    x = ask(play, json.dumps(whole).encode())
    play.answer(x, sample("anthropic_messages/response.json"))
    play.end(x)
    assert ("settled", COST) == (x.outcome, play.spent("all"))


def test_stream_that_breaks_is_charged_at_worst_case(play: Play) -> None:
    """What was generated before the error is billed, and nobody told how much."""
    x = ask(play, sample("anthropic_messages/request.json"))
    play.answer(x, sample("anthropic_messages/stream_midstream_error.sse"))
    play.end(x)
    assert ("accrued", x.quote_nusd) == (x.outcome, play.accrued("all"))


def test_compaction_beside_the_totals_is_charged(play: Play) -> None:
    """The totals of the answer leave it out; the bill does not."""
    x = ask(play, sample("anthropic_messages/request.json").replace(b"true", b"false"))
    run = {"input_tokens": 100, "output_tokens": 10}
    usage = run | {
        "iterations": [
            {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
            {"type": "message"} | run,
        ]
    }
    play.answer(x, json.dumps({"model": "claude-sonnet-4-5", "usage": usage}).encode())
    play.end(x)
    assert 1100 * INPUT + 60 * OUTPUT == play.spent("all")


def test_quote_knows_speed_place_cache_turns_and_searches(play: Play) -> None:
    """Everything that multiplies the bill multiplies the hold."""
    plain = quote(play)
    # claude-opus-5: 5 USD in, 25 USD out for each million tokens.
    assert 764 * 5_000 + 1000 * 25_000 == plain
    assert 2 * plain == quote(play, speed="fast")
    assert -(-plain * 11 // 10) <= quote(play, inference_geo="us") < plain * 12 // 10
    assert 764 * 10_000 < quote(play, cache_control={"type": "ephemeral", "ttl": "1h"})
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    searching = quote(play, tools=[search])
    brought = 2 * 32_000 + 5_000
    assert searching > plain + 3 * brought * 5_000 + 2 * SEARCH


def test_quote_of_a_pdf_is_the_models_context(play: Play) -> None:
    """What a file unpacks to is bounded by what the model can read, and by nothing else."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    content = [{"type": "document", "source": pdf}]
    held = quote(play, messages=[{"role": "user", "content": content}])
    assert 1_000_000 * 5_000 + 1000 * 25_000 == held


def test_speed_without_a_price_is_refused(play: Play) -> None:
    """A model that is billed as a multiple at a speed, we know not which."""
    body = {"model": "claude-opus-4-6", "max_tokens": 5, "messages": [], "speed": "fast"}
    x = ask(play, json.dumps(body).encode())
    assert x.block is not None
    assert "unbounded_request" == x.block.code.name
