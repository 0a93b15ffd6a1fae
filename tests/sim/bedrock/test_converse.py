"""The Converse API, as the real SDK sees it."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Simulator
from tests.harness.sdks import bedrock_client, drained

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + MODEL
TOOLS: dict[str, Any] = {
    "tools": [
        {
            "toolSpec": {
                "name": "lookup_order",
                "description": "Look up one order.",
                "inputSchema": {
                    "json": {"type": "object", "properties": {"order_id": {"type": "string"}}}
                },
            }
        }
    ]
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Any]:
    client = bedrock_client(simulator.url)
    yield client
    client.close()


def _ask(text: str = "Where is it?", tokens: int | None = 200, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    bound = {} if tokens is None else {"inferenceConfig": {"maxTokens": tokens}}
    return {"modelId": MODEL, "messages": messages, **bound, **more}


def _text(answer: Any) -> str:
    return "".join(b["text"] for b in answer["output"]["message"]["content"] if "text" in b)


def _row(simulator: Simulator) -> dict[str, Any]:
    """The last row of the ledger."""
    simulator.wait_idle()
    row: dict[str, Any] = simulator.ledger()["rows"][-1]
    return row


@pytest.mark.parametrize("model", [MODEL, ARN])
def test_converse_answers_as_many_tokens_as_it_bills(
    client: Any, simulator: Simulator, model: str
) -> None:
    """By id and by ARN, both encoded in the path, at the prices of the geography."""
    answer = client.converse(**_ask() | {"modelId": model})
    usage = answer["usage"]
    assert (len(_text(answer).split()), usage["outputTokens"]) == (64, 64)
    assert (answer["stopReason"], answer["serviceTier"]) == ("end_turn", {"type": "default"})
    row = _row(simulator)
    assert (row["shape"], row["provider"], row["model"]) == ("converse", "bedrock", model)
    assert row["cost_nusd"] == usage["inputTokens"] * 3_300 + 64 * 16_500
    assert answer["ResponseMetadata"]["RequestId"].endswith("000000000001")


def test_converse_with_a_bound_stops_there(client: Any) -> None:
    """In either place; the larger one counts."""
    answer = client.converse(**_ask(tokens=7))
    assert (answer["usage"]["outputTokens"], answer["stopReason"]) == (7, "max_tokens")
    answer = client.converse(**_ask(tokens=7, additionalModelRequestFields={"max_tokens": 9}))
    assert answer["usage"]["outputTokens"] == 9


def test_converse_with_cache_points_splits_what_it_writes(
    client: Any, simulator: Simulator
) -> None:
    """What was marked is found again, the split is by how long it is kept."""
    simulator.cache(min_tokens=10)
    hour, short = ({"cachePoint": {"type": "default", "ttl": t}} for t in ("1h", "5m"))
    asked = _ask(tokens=5, system=[{"text": " word" * 40}, hour, {"text": " word" * 30}, short])
    first = client.converse(**asked)["usage"]
    details = [{"ttl": "1h", "inputTokens": 40}, {"ttl": "5m", "inputTokens": 30}]
    assert (first["cacheWriteInputTokens"], first["cacheDetails"]) == (70, details)
    again = client.converse(**asked)["usage"]
    assert (again["cacheReadInputTokens"], again["cacheWriteInputTokens"]) == (70, 0)
    assert first["inputTokens"] == again["inputTokens"]
    assert again["totalTokens"] == again["inputTokens"] + 70 + 5
    row = _row(simulator)
    assert row["cost_nusd"] == again["inputTokens"] * 3_300 + 70 * 330 + 5 * 16_500


def test_stream_says_what_the_whole_answer_says(client: Any, simulator: Simulator) -> None:
    """Binary frames that boto3 reads; the usage comes last."""
    asked = _ask(additionalModelRequestFields={"thinking": {"type": "enabled"}})
    whole = client.converse(**asked)
    events = drained(client.converse_stream(**asked)["stream"])
    assert [next(iter(event)) for event in events[-3:]] == [
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    assert _text(whole) == "".join(delta.get("text", "") for delta in deltas)
    assert any("reasoningContent" in delta for delta in deltas)
    assert whole["usage"] == events[-1]["metadata"]["usage"]
    assert whole["usage"]["outputTokens"] == 32 + 64
    first, second = simulator.wait_billed(2)["rows"]
    assert first["cost_nusd"] == second["cost_nusd"]


def test_converse_with_a_tool_demanded_calls_it(client: Any) -> None:
    """By the request and by an order in the text, streamed in fragments."""
    demanded = client.converse(**_ask(toolConfig=TOOLS | {"toolChoice": {"any": {}}}))
    (block,) = demanded["output"]["message"]["content"]
    assert (block["toolUse"]["name"], block["toolUse"]["input"]) == (
        "lookup_order",
        {"order_id": "sample"},
    )
    events = drained(client.converse_stream(**_ask("[[tool]]", toolConfig=TOOLS))["stream"])
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    fragments = [delta["toolUse"]["input"] for delta in deltas]
    assert "".join(fragments) == '{"order_id":"sample"}'
    assert len(fragments) > 2


def test_count_tokens_counts_what_converse_bills(client: Any, simulator: Simulator) -> None:
    """It is free."""
    asked = _ask(toolConfig=TOOLS)
    inner = {"messages": asked["messages"], "toolConfig": TOOLS}
    counted = client.count_tokens(modelId=MODEL, input={"converse": inner})
    assert client.converse(**asked)["usage"]["inputTokens"] == counted["inputTokens"]
    assert simulator.ledger()["billed"] == 1


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (_ask() | {"modelId": "no.such-model"}, "ValidationException"),
        (_ask(tokens=10_000_000), "ValidationException"),
        (_ask("[[fault status:429]]"), "ThrottlingException"),
        (_ask("[[fault status:503]]"), "ServiceUnavailableException"),
        (_ask("[[fault status:404]]"), "ResourceNotFoundException"),
    ],
)
def test_converse_that_the_provider_refuses_is_unbilled(
    client: Any, simulator: Simulator, asked: dict[str, Any], kind: str
) -> None:
    """Refusals are the typed exceptions of the SDK and cost nothing."""
    with pytest.raises(ClientError) as caught:
        client.converse(**asked)
    assert caught.value.response["Error"]["Code"] == kind
    assert (simulator.ledger()["billed"], simulator.ledger()["unbilled"]) == (0, 1)
