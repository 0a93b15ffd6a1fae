"""Budgets that clamp or ask a cheaper model instead of refusing, over real workers."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config

from tests.harness import (
    Answer,
    Firewall,
    Simulator,
    chat_body,
    chat_request,
    fetch,
    post_chat,
    quiesce,
    send_all,
    wait_until,
)
from tests.harness.client import openai_client
from tests.harness.money import assert_paid
from tests.harness.quote import dollars, quote_of
from tests.harness.sdks import anthropic_client

HI = [{"role": "user", "content": "Where is my order?"}]
CLAUDE = "claude-sonnet-4-5"
BEDROCK_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def budget(limit_nusd: int, **more: Any) -> list[dict[str, Any]]:
    """One budget for everything that shows its amounts."""
    one = {"id": "all", "per": [], "window": "month", "limit_usd": dollars(limit_nusd)}
    return [one | {"visible": True} | more]


def every_api(simulator: Simulator) -> dict[str, Any]:
    """One upstream for each provider, without keys of ours where callers bring theirs."""
    bedrock = {"base_url": simulator.url, "region": "us-east-1", "api_key": "ours"}
    return {
        "openai": {"base_url": simulator.url},
        "anthropic": {"base_url": simulator.url},
        "bedrock": bedrock,
    }


def post_messages(proxy: Firewall, **body: Any) -> Answer:
    """Post one request of Anthropic's shape."""
    whole = {"model": CLAUDE, "max_tokens": 100, "messages": HI} | body
    headers = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"}
    return fetch(proxy.url + "/v1/messages", "POST", whole, headers)


@contextmanager
def bedrock_client(proxy: Firewall) -> Iterator[Any]:
    """boto3 in front of the firewall."""
    session = boto3.Session("anybody", "anything", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    client = session.client("bedrock-runtime", endpoint_url=proxy.url, config=config)
    try:
        yield client
    finally:
        client.close()


def factor(proxy: Firewall, family: str) -> str:
    """A learned factor as /metrics shows it."""
    page = proxy.ask_admin("/metrics").body.decode()
    found = re.search(rf's4fw_token_factor{{provider="anthropic",family="{family}"}} (\S+)', page)
    assert found is not None
    return found[1]


def counted(proxy: Firewall, name: str) -> int:
    """A counter, summed over the workers."""
    found = re.search(rf"s4fw_{name}_total (\d+)", proxy.ask_admin("/metrics").body.decode())
    assert found is not None
    return int(found[1])


def test_clamp_gives_many_callers_at_once_what_is_left_and_never_more(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Workers that race for the rest: whoever gets some gets no more than fits."""
    least = quote_of(max_tokens=5)
    limit = 6 * least
    proxy = firewall(budgets=budget(limit, clamp={"min_output_tokens": 5}), server={"workers": 2})
    request = chat_request(chat_body(model="mock-hold", max_tokens=4000))
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.extend(send_all(proxy.host, proxy.port, [request] * 30))
    )
    thread.start()
    simulator.wait_held(1)

    def are_decided() -> bool:
        entries = proxy.budgets()
        assert all(entry["used_nusd"] <= limit for entry in entries)
        held = sum(entry["open_leases"] for entry in entries)
        return held + counted(proxy, "blocked_budget") == 30

    wait_until(are_decided, "all are decided", timeout_s=20)
    simulator.release()
    thread.join(20)
    relayed = [answer for answer in done if answer.status == 200]
    assert relayed
    for answer in relayed:
        assert ("clamp", "budget_exceeded") == (
            answer.headers["x-s4fw-decision"],
            answer.headers["x-s4fw-reason"],
        )
        assert 5 <= int(answer.headers["x-s4fw-clamped"]) < 4000
    assert {200, 402} >= {answer.status for answer in done}
    quiesce(proxy)
    assert len(relayed) == counted(proxy, "clamped")


def test_clamp_in_each_dialect_is_what_the_provider_gets(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The header and the body agree, and the answer is no longer than that."""
    proxy = firewall(
        budgets=budget(40_000_000, clamp={"min_output_tokens": 16}, warn_at=[0.5]),
        upstreams=every_api(simulator),
        server={"workers": 1},
    )
    answer = post_chat(proxy.base_url, model="gpt-4o", max_tokens=16_000)
    clamped = int(answer.headers["x-s4fw-clamped"])
    assert f'"max_tokens": {clamped}'.encode() in simulator.requests(1)[0]["body"]
    quiesce(proxy)
    answer = post_messages(proxy, max_tokens=60_000)
    assert (200, "clamp") == (answer.status, answer.headers["x-s4fw-decision"])
    assert "all 50%" == answer.headers["x-s4fw-budget-warning"]
    clamped = int(answer.headers["x-s4fw-clamped"])
    assert f'"max_tokens": {clamped}'.encode() in simulator.requests(1)[0]["body"]
    assert answer.json()["usage"]["output_tokens"] <= clamped
    quiesce(proxy)
    with bedrock_client(proxy) as client:
        told = client.converse(
            modelId=BEDROCK_CLAUDE,
            messages=[{"role": "user", "content": [{"text": "Where is my order?"}]}],
        )
    told_headers = told["ResponseMetadata"]["HTTPHeaders"]
    assert "clamp" == told_headers["x-s4fw-decision"]
    assert "all 50%" == told_headers["x-s4fw-budget-warning"]
    clamped = int(told_headers["x-s4fw-clamped"])
    assert b'"maxTokens":%d' % clamped in simulator.requests(1)[0]["body"]
    assert_paid(proxy, simulator, "all")


def test_cheaper_model_runs_through_the_sdks_and_is_billed_as_itself(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The application sees an answer, and in a header which model gave it."""
    budgets = budget(30_000_000, on_exceed={"model": "gpt-4o-mini"})
    budgets.append({"id": "by-model", "per": ["model"], "window": "month", "limit_usd": 1})
    proxy = firewall(budgets=budgets)
    with openai_client(proxy.base_url) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=HI, max_tokens=16_000, stream=True
        )
        assert ("allow", "budget_exceeded", "gpt-4o-mini") == tuple(
            raw.headers[f"x-s4fw-{name}"] for name in ("decision", "reason", "model")
        )
        names = {chunk.model for chunk in raw.parse()}
        assert all(name.startswith("gpt-4o-mini") for name in names)
    entries = quiesce(proxy)
    assert entries.one("by-model", model="gpt-4o-mini")["spent_nusd"] > 0
    assert 0 == entries.one("by-model", model="gpt-4o")["used_nusd"]
    assert_paid(proxy, simulator, "all")


def test_cheaper_claude_is_asked_for_no_more_than_it_gives(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Its provider would refuse a bound above its own maximum."""
    proxy = firewall(
        budgets=budget(500_000_000, on_exceed={"model": "claude-haiku-4-5"}),
        upstreams=every_api(simulator),
    )
    with anthropic_client(proxy.url) as client:
        answer = client.messages.with_raw_response.create(
            model="claude-opus-4-5", messages=HI, max_tokens=64_000, stream=True
        )
        assert "claude-haiku-4-5" == answer.headers["x-s4fw-model"]
        for _ in answer.parse():
            pass
    assert_paid(proxy, simulator, "all")


def test_nothing_smaller_fits_either_and_the_sdk_raises_as_ever(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The refusal is that of the request as it came."""
    more = {"clamp": {"min_output_tokens": 50}, "on_exceed": {"model": "gpt-4o-mini"}}
    proxy = firewall(budgets=budget(1_000, **more))
    with (
        openai_client(proxy.base_url) as client,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.chat.completions.create(model="gpt-4o", messages=HI, max_tokens=100)
    assert 402 == refused.value.status_code
    assert "x-s4fw-clamped" not in refused.value.response.headers
    assert 0 == simulator.request_count()


def test_exact_counting_asks_the_provider_once_and_holds_what_it_says(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A long English prompt is not held at its bytes; the same prompt is not asked for again."""
    text = "The quick brown fox jumps over the lazy dog. " * 200
    messages = [{"role": "user", "content": text}]
    sections: dict[str, Any] = {
        "budgets": budget(10**9),
        "upstreams": every_api(simulator),
        "server": {"workers": 1},
    }
    strict = firewall(**sections)
    exact = firewall(**sections, pricing={"counting": "exact"})
    held = float(post_messages(strict, messages=messages).headers["x-s4fw-reserved-usd"])
    simulator.reset()
    answer = post_messages(exact, messages=messages)
    assert float(answer.headers["x-s4fw-reserved-usd"]) < held / 2
    assert answer.json()["usage"]["input_tokens"] > 1000
    asked = simulator.requests()
    assert ["/v1/messages/count_tokens", "/v1/messages"] == [one["target"] for one in asked]
    assert b"max_tokens" not in asked[0]["body"]
    assert 200 == post_messages(exact, messages=messages).status
    assert 3 == simulator.request_count()
    with bedrock_client(exact) as client:
        told = client.converse(
            modelId=BEDROCK_CLAUDE,
            messages=[{"role": "user", "content": [{"text": text}]}],
            inferenceConfig={"maxTokens": 100},
        )
    assert float(told["ResponseMetadata"]["HTTPHeaders"]["x-s4fw-reserved-usd"]) < held / 2


def test_exact_counting_without_an_answer_holds_the_bytes(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A counter that hangs costs a second, and never the bound."""
    messages = [{"role": "user", "content": "word " * 500}]
    proxy = firewall(
        budgets=budget(10**9),
        upstreams=every_api(simulator),
        pricing={"counting": "exact"},
        server={"workers": 1},
    )
    for fault in ("hang", "status:500", "reset"):
        simulator.faults(fault, times=1)
        answer = post_messages(proxy, messages=messages)
        assert 200 == answer.status
        assert float(answer.headers["x-s4fw-reserved-usd"]) > 2500 * 3e-6
    page = proxy.ask_admin("/metrics").body.decode()
    assert "s4fw_input_questions_total 3" in page
    assert "s4fw_input_unanswered_total 3" in page
    quiesce(proxy)


def test_calibrated_counting_holds_less_and_shows_its_factors(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """What is assumed of a tokenizer that nobody has can be looked at."""
    messages = [{"role": "user", "content": "The quick brown fox jumps over the dog. " * 200}]
    proxy = firewall(
        budgets=budget(10**9), upstreams=every_api(simulator), pricing={"counting": "calibrated"}
    )
    answer = post_messages(proxy, messages=messages)
    held = float(answer.headers["x-s4fw-reserved-usd"])
    assert 1800 * 1.7 * 3e-6 < held < 8000 * 3e-6
    assert ("1.700", "2.000") == (
        factor(proxy, "claude-until-4.6"),
        factor(proxy, "claude-since-4.7"),
    )
    assert_paid(proxy, simulator, "all")


def test_calibrated_bound_near_the_cap_is_checked_by_the_provider(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Where the byte bound would have refused, a count decides; without one the byte bound does."""
    text = "The quick brown fox jumps over the lazy dog. " * 200
    messages = [{"role": "user", "content": text}]
    proxy = firewall(
        budgets=budget(25_000_000),
        upstreams=every_api(simulator),
        pricing={"counting": "calibrated"},
        server={"workers": 1},
    )
    simulator.faults("status:500", times=1)
    assert 402 == post_messages(proxy, messages=messages).status
    assert 1 == simulator.request_count()
    answer = post_messages(proxy, messages=messages)
    assert (200, "allow") == (answer.status, answer.headers["x-s4fw-decision"])
    assert 3 == simulator.request_count()
    assert_paid(proxy, simulator, "all")


def test_calibrated_bound_with_room_for_the_bytes_asks_nobody(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A question is a call to the provider: only where it matters."""
    proxy = firewall(
        budgets=budget(10**9), upstreams=every_api(simulator), pricing={"counting": "calibrated"}
    )
    assert 200 == post_messages(proxy, messages=[{"role": "user", "content": "word " * 900}]).status
    assert 1 == simulator.request_count()
