"""Bedrock's runtime through boto3: every operation is paid exactly, every failure is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EventStreamError

from tests.harness import Firewall, Simulator
from tests.harness.money import assert_paid, quiesce
from tests.harness.sdks import drained
from tests.samples import sample

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"

CONVERSE = json.loads(sample("bedrock_converse/request.json"))
INVOKE = sample("bedrock_invoke/request.json")
HI = [{"role": "user", "content": [{"text": "Where is my order?"}]}]

# Making one reads all of the SDK's models; with retries, as applications have it.
SESSION = boto3.Session("anybody", "anything", region_name="us-east-1")

Start = Callable[..., Any]


@pytest.fixture
def start(firewall: Callable[..., Firewall], simulator: Simulator) -> Iterator[Start]:
    """Starts a firewall in front of Bedrock; returns it and a client of boto3."""
    clients = []

    def start(limit_usd: str = "10") -> tuple[Firewall, Any]:
        upstream = {"base_url": simulator.base_url, "region": "us-east-1", "api_key": "ours"}
        proxy = firewall(
            budgets=[{"id": "all", "per": [], "window": "day", "limit_usd": limit_usd}],
            upstreams={"bedrock": {**upstream, "profiles": {PROFILE: NOVA}}},
        )
        client = SESSION.client(
            "bedrock-runtime",
            endpoint_url=proxy.url,
            config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
        )
        clients.append(client)
        return proxy, client

    yield start
    for client in clients:
        client.close()


def streamed(answer: Any) -> list[dict[str, Any]]:
    """All events of a streamed answer."""
    return drained(answer.get("stream") or answer["body"])


def test_every_operation_answers_and_is_paid_exactly(start: Start, simulator: Simulator) -> None:
    """An application changes its endpoint, and nothing else."""
    proxy, client = start()
    answer = client.converse(modelId=SONNET, **CONVERSE)
    assert answer["output"]["message"]["content"]
    events = streamed(client.converse_stream(modelId=SONNET, **CONVERSE))
    assert ["messageStop", "metadata"] == [kind for event in events[-2:] for kind in event]
    body = client.invoke_model(modelId=SONNET, body=INVOKE)["body"].read()
    assert json.loads(body)["usage"]
    events = streamed(client.invoke_model_with_response_stream(modelId=SONNET, body=INVOKE))
    assert b"invocationMetrics" in events[-1]["chunk"]["bytes"]
    native = json.dumps({"prompt": "hello", "max_gen_len": 40}).encode()
    assert client.invoke_model(modelId=LLAMA, body=native)["body"].read()
    assert streamed(client.invoke_model_with_response_stream(modelId=LLAMA, body=native))
    assert client.count_tokens(modelId=SONNET, input={"converse": {"messages": HI}})["inputTokens"]
    assert assert_paid(proxy, simulator, "all")["spent_nusd"] > 0


def test_call_over_the_budget_raises_the_typed_error_once(
    start: Start, simulator: Simulator
) -> None:
    """boto3 repeats 429 and 5xx whatever it is told; this it does not."""
    proxy, client = start("0.000001")
    with pytest.raises(client.exceptions.ServiceQuotaExceededException) as refused:
        client.converse(modelId=SONNET, **CONVERSE)
    assert "S4 Firewall: not sent." in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["RequestId"].startswith("fw_")
    assert 0 == refused.value.response["ResponseMetadata"]["RetryAttempts"]
    assert 0 == quiesce(proxy).one("all")["used_nusd"]
    assert 0 == simulator.request_count()


def test_call_without_a_bound_or_a_price_is_denied(start: Start, simulator: Simulator) -> None:
    """It is never sent, and raises the class that says so."""
    _, client = start()
    guarded = {"messages": HI, "guardrailConfig": {"guardrailIdentifier": "abcdef123456"}}
    for model, members in (
        ("us.nobody.nothing-v1:0", {"messages": HI}),
        (SONNET, guarded),
        ("arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", {"messages": HI}),
        (PROFILE + "0", {"messages": HI}),
    ):
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.converse(modelId=model, **members)
    assert 0 == simulator.request_count()
    # A profile that the configuration knows is sent; the simulator knows none.
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId=PROFILE, messages=HI)
    assert 1 == simulator.request_count()


def test_stream_that_breaks_raises_and_is_charged(start: Start, simulator: Simulator) -> None:
    """Otherwise boto3 takes the half of an answer for all of it."""
    proxy, client = start()
    simulator.faults("cut:2", times=1)
    with pytest.raises(EventStreamError, match="S4 Firewall"):
        streamed(client.converse_stream(modelId=SONNET, messages=HI))
    entry = assert_paid(proxy, simulator, "all", exactly=False)
    assert entry["accrued_nusd"] > 0
