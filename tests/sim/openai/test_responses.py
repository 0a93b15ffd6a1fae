"""The responses API, as the real SDK sees it."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.harness import Answer, Simulator, fetch, openai_client

MODEL = "gpt-4.1"
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "lookup_order",
    "description": "Look up one order.",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai_client(simulator.base_url) as client:
        yield client


def _row(simulator: Simulator) -> dict[str, Any]:
    """The last row of the ledger."""
    simulator.wait_idle()
    row: dict[str, Any] = simulator.ledger()["rows"][-1]
    return row


def _post(simulator: Simulator, fault: str, **more: Any) -> Answer:
    body = {"model": "mock-small", "input": "Where is it?", **more}
    return fetch(simulator.base_url + "/responses", "POST", body, {"x-sim-fault": fault})


def test_create_answers_as_many_tokens_as_it_bills(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """Text, usage and ledger belong together, under the snapshot's name."""
    answer = client.responses.create(model=MODEL, input="Where is it?")
    assert answer.usage is not None
    assert (len(answer.output_text.split()), answer.usage.output_tokens) == (64, 64)
    assert (answer.model, answer.status) == ("gpt-4.1-2025-04-14", "completed")
    row = _row(simulator)
    assert (row["shape"], row["provider"]) == ("responses", "openai")
    assert row["cost_nusd"] == answer.usage.input_tokens * 2_000 + 64 * 8_000


def test_create_with_a_bound_is_incomplete(client: openai.OpenAI) -> None:
    """Reasoning counts inside the bound."""
    answer = client.responses.create(model="o4-mini", input="x", max_output_tokens=100)
    assert (answer.status, answer.output_text) == ("incomplete", "")
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage is not None
    assert answer.usage.output_tokens_details.reasoning_tokens == 100


def test_create_that_continues_bills_the_whole_chain(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """What was read and said before is read again, by id, without being sent."""
    first = client.responses.create(model=MODEL, input="one two three")
    second = client.responses.create(model=MODEL, input="four", previous_response_id=first.id)
    third = client.responses.create(model=MODEL, input="five", previous_response_id=second.id)
    fresh = client.responses.create(model=MODEL, input="four", store=False)
    tokens = [answer.usage.input_tokens for answer in (first, second, third, fresh) if answer.usage]
    # A turn adds its own text and framing, and the 64 words of the answer with theirs.
    assert tokens[1] == tokens[0] + tokens[3] - 3 + 64 + 4
    assert tokens[2] == tokens[1] + tokens[3] - 3 + 64 + 4
    assert tokens[1] == _counted(client, previous_response_id=first.id)
    for gone in (fresh.id, "resp_unknown"):
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model=MODEL, input="x", previous_response_id=gone)
    assert simulator.ledger()["billed"] == 4


def _counted(client: openai.OpenAI, **more: Any) -> int:
    return client.responses.input_tokens.count(model=MODEL, input="four", **more).input_tokens


def test_create_in_a_conversation_bills_what_was_said_in_it(client: openai.OpenAI) -> None:
    """The conversation grows with every turn."""
    turns = [
        client.responses.create(model=MODEL, input="x", conversation="conv_1", store=False)
        for _ in range(3)
    ]
    tokens = [turn.usage.input_tokens for turn in turns if turn.usage]
    assert tokens[2] - tokens[1] == tokens[1] - tokens[0] > 64


def test_create_with_a_long_chain_finds_it_in_the_cache(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """A prefix that was sent before is cheaper; from gpt-5.6 on, writing it costs."""
    text = " word" * 1500
    for _ in range(2):
        answer = client.responses.create(model="gpt-5.6", input=text, max_output_tokens=9)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.cached_tokens == 1408
    first, second = simulator.wait_billed(2)["rows"]
    assert (first["cache_write"], second["cache_write"]) == (1408, 0)
    assert first["cost_nusd"] > second["cost_nusd"]
    client.responses.create(
        model="gpt-5.6",
        input=text + "!",
        max_output_tokens=9,
        extra_body={"prompt_cache_options": {"ttl": "12h"}},
    )
    assert _row(simulator)["cache_write_12h"] == 1408


@pytest.mark.parametrize(("asked", "tier"), [("flex", "flex"), ("priority", "priority")])
def test_create_in_a_tier_reports_and_bills_it(
    client: openai.OpenAI, simulator: Simulator, asked: Any, tier: str
) -> None:
    """Another tier, another price."""
    plain = client.responses.create(model="gpt-5", input="x", max_output_tokens=9)
    answer = client.responses.create(
        model="gpt-5", input="x", max_output_tokens=9, service_tier=asked
    )
    assert (plain.service_tier, answer.service_tier) == ("default", tier)
    first, second = simulator.wait_billed(2)["rows"]
    assert second["tier"] == tier
    assert (second["cost_nusd"] > first["cost_nusd"]) == (tier == "priority")


def test_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    """The SDK finds the same response in the terminal event, and deltas that make its text."""
    whole = client.responses.create(model=MODEL, input="x")
    events = list(client.responses.create(model=MODEL, input="x", stream=True))
    last = events[-1]
    assert last.type == "response.completed"
    assert whole.output_text == last.response.output_text
    assert whole.usage == last.response.usage
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert whole.output_text == "".join(deltas)


def test_stream_has_the_documented_order(simulator: Simulator) -> None:
    """Named and numbered; the usage only at the end; no [DONE]."""
    answer = _post(simulator, "", stream=True, max_output_tokens=2)
    events = answer.events()
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "incomplete"),
    ]
    assert [event["sequence_number"] for event in events] == list(range(10))
    assert answer.body.startswith(b"event: response.created\ndata: {")
    usages = [event["response"]["usage"] for event in events if "response" in event]
    assert usages[:2] == [None, None]
    assert usages[2]["output_tokens"] == 2


def test_create_with_a_tool_demanded_calls_it(client: openai.OpenAI) -> None:
    """By the request and by an order, and the result can be sent back."""
    tools: Any = [TOOL]
    asked = client.responses.create(model=MODEL, input="x", tools=tools, tool_choice="required")
    (call,) = asked.output
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("lookup_order", '{"order_id":"sample"}')
    events = list(client.responses.create(model=MODEL, input="[[tool]]", tools=tools, stream=True))
    deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == '{"order_id":"sample"}'
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "lost"}]
    told = client.responses.create(
        model=MODEL, input=result, tools=tools, previous_response_id=asked.id
    )
    assert len(told.output_text.split()) == 64


def test_create_with_searches_bills_each_and_every_turn(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """No more than are allowed, each with its fee."""
    tools: Any = [{"type": "web_search"}]
    usages = [
        client.responses.create(
            model=MODEL, input=text, tools=tools, max_tool_calls=2, max_output_tokens=9
        ).usage
        for text in ("[[search 0]]", "[[search 9]]")
    ]
    assert usages[0] is not None
    assert usages[1] is not None
    assert usages[1].input_tokens == 3 * usages[0].input_tokens
    assert _row(simulator)["web_searches"] == 2


def test_stored_response_is_found_until_it_is_deleted(client: openai.OpenAI) -> None:
    """Also one that was made in the background."""
    queued = client.responses.create(model=MODEL, input="x", background=True)
    assert (queued.status, queued.usage) == ("queued", None)
    done = client.responses.retrieve(queued.id)
    assert (done.status, len(done.output_text.split())) == ("completed", 64)
    assert client.responses.cancel(queued.id).id == queued.id
    assert len(client.responses.input_items.list(queued.id).data) == 1
    client.responses.delete(queued.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(queued.id)


def test_failed_ends_as_failed_and_is_billed(client: openai.OpenAI, simulator: Simulator) -> None:
    """A failure with a bill."""
    simulator.faults("failed")
    assert client.responses.create(model=MODEL, input="x").status == "failed"
    *_, last = client.responses.create(model=MODEL, input="x", stream=True)
    assert last.type == "response.failed"
    assert [row["output"] for row in simulator.wait_billed(2)["rows"]] == [64, 64]


@pytest.mark.parametrize(
    ("fault", "whole", "streamed"),
    [
        ("huge_usage", 10**15, [10**15]),
        ("negative_usage", -64, [-64]),
        ("string_usage", "64", ["64"]),
        ("usage_mid", 64, [64]),
        ("usage_twice", 64, [32, 64]),
    ],
)
def test_wrong_usage_is_reported_and_the_truth_is_billed(
    simulator: Simulator, fault: str, whole: Any, streamed: list[Any]
) -> None:
    """The simulator lies to the caller, never in its ledger."""
    assert whole == _post(simulator, fault).json()["usage"]["output_tokens"]
    events = _post(simulator, fault, stream=True).events()
    usages = [event["response"]["usage"] for event in events if "response" in event]
    assert streamed == [usage["output_tokens"] for usage in usages if usage]
    assert [row["output"] for row in simulator.wait_billed(2)["rows"]] == [64, 64]


def test_error_event_is_that_of_responses(simulator: Simulator) -> None:
    """Flat, named and numbered; 3 words were generated."""
    answer = _post(simulator, "error_event:7", stream=True)
    last = answer.events()[-1]
    assert (last["type"], last["sequence_number"]) == ("error", 7)
    assert b"event: error\ndata: " in answer.body
    assert _row(simulator)["output"] == 3


def test_create_at_bedrock_is_billed_there(simulator: Simulator) -> None:
    """The same wire on another host, at the other provider's prices."""
    body = {"model": "openai.gpt-oss-20b-1:0", "input": "x", "max_output_tokens": 9}
    assert fetch(simulator.url + "/openai/v1/responses", "POST", body).status == 200
    row = _row(simulator)
    assert (row["provider"], row["cost_nusd"] > 0) == ("bedrock", True)
