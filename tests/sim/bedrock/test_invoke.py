"""The Invoke API, as the real SDK sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Simulator
from tests.harness.sdks import bedrock_client, drained

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Where is it?"}],
}
NOVA_BODY: dict[str, Any] = {
    "messages": [{"role": "user", "content": [{"text": "Where is it?"}]}],
    "inferenceConfig": {"maxTokens": 20},
}
BODIES: list[tuple[str, dict[str, Any], int]] = [
    (CLAUDE, CLAUDE_BODY, 64),
    ("amazon.nova-lite-v1:0", NOVA_BODY, 20),
    ("us.meta.llama3-1-8b-instruct-v1:0", {"prompt": "Where is it?", "max_gen_len": 9}, 9),
    (
        "amazon.titan-text-lite-v1",
        {"inputText": "Where is it?", "textGenerationConfig": {"maxTokenCount": 8}},
        8,
    ),
    ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Where is it?", "max_tokens": 7}, 7),
    ("amazon.titan-embed-text-v2:0", {"inputText": "Where is it?"}, 0),
    ("cohere.embed-english-v3", {"texts": ["Where is it?"], "input_type": "search_query"}, 0),
]


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Any]:
    client = bedrock_client(simulator.url)
    yield client
    client.close()


def _counts(answer: Any) -> tuple[int, int]:
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return tuple(int(headers[f"x-amzn-bedrock-{kind}-token-count"]) for kind in ("input", "output"))


@pytest.mark.parametrize(("model", "body", "tokens"), BODIES)
def test_invoke_says_what_it_bills_in_headers(
    client: Any, simulator: Simulator, model: str, body: dict[str, Any], tokens: int
) -> None:
    """Whatever the native body says or does not say."""
    answer = client.invoke_model(modelId=model, body=json.dumps(body))
    assert json.loads(answer["body"].read())
    counted_in, counted_out = _counts(answer)
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["uncached_input"], row["output"]) == (counted_in, counted_out)
    assert counted_out == tokens
    assert (row["shape"], row["model"]) == ("invoke", model)
    assert row["cost_nusd"] > 0


@pytest.mark.parametrize(("model", "body", "tokens"), BODIES[:5])
def test_stream_has_the_counts_in_its_last_chunk(
    client: Any, simulator: Simulator, model: str, body: dict[str, Any], tokens: int
) -> None:
    """Native events, each in a frame of its own."""
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    events = [json.loads(event["chunk"]["bytes"]) for event in drained(answer["body"])]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == tokens
    assert len(events) > tokens
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["uncached_input"], row["output"]) == (metrics["inputTokenCount"], tokens)


def test_invoke_of_claude_is_the_messages_body(client: Any, simulator: Simulator) -> None:
    """With the split of cache writes, and Claude's own name for the model."""
    simulator.cache(min_tokens=10)
    hour = {"type": "ephemeral", "ttl": "1h"}
    body = CLAUDE_BODY | {"system": [{"type": "text", "text": " a" * 50, "cache_control": hour}]}
    answer = client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    message = json.loads(answer["body"].read())
    assert message["model"] == "claude-sonnet-4-5-20250929"
    assert message["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] == 50
    assert "service_tier" not in message["usage"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-cache-write-input-token-count"] == "50"
    (row,) = simulator.wait_billed(1)["rows"]
    expected = row["uncached_input"] * 3_300 + 50 * 6_600 + 64 * 16_500
    assert expected == row["cost_nusd"]


def test_invoke_with_lost_usage_says_nothing(client: Any, simulator: Simulator) -> None:
    """Neither in headers nor in the body nor in the last chunk."""
    simulator.faults("no_usage")
    body = json.dumps(CLAUDE_BODY)
    answer = client.invoke_model(modelId=CLAUDE, body=body)
    assert "usage" not in json.loads(answer["body"].read())
    assert not any("token-count" in h for h in answer["ResponseMetadata"]["HTTPHeaders"])
    stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
    assert not any(b"invocationMetrics" in event["chunk"]["bytes"] for event in drained(stream))


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (CLAUDE, {"max_tokens": 5, "messages": []}),
        (CLAUDE, CLAUDE_BODY | {"max_tokens": 10**9}),
        ("ai21.jamba-instruct-v1:0", {}),
        ("no.such-model", {}),
    ],
)
def test_invoke_that_the_provider_refuses_is_unbilled(
    client: Any, simulator: Simulator, model: str, body: dict[str, Any]
) -> None:
    """A wrong native body is a validation error."""
    with pytest.raises(ClientError, match="ValidationException"):
        client.invoke_model(modelId=model, body=json.dumps(body))
    assert (simulator.ledger()["billed"], simulator.ledger()["unbilled"]) == (0, 1)
