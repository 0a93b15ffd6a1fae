"""The messages API, as the real SDK sees it."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from s4fw.pricing import RateCard
from tests.harness import Simulator, fetch
from tests.harness.sdks import anthropic_client

MODEL = "claude-opus-5"
TOOL: dict[str, Any] = {
    "name": "lookup_order",
    "description": "Look up one order.",
    "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}},
}
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[anthropic.Anthropic]:
    with anthropic_client(simulator.url) as client:
        yield client


def _ask(text: str = "Where is it?") -> Any:
    return [{"role": "user", "content": text}]


def _row(simulator: Simulator) -> dict[str, Any]:
    """The last row of the ledger."""
    simulator.wait_idle()
    row: dict[str, Any] = simulator.ledger()["rows"][-1]
    return row


def test_create_answers_as_many_tokens_as_it_bills(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """Text, usage and ledger belong together."""
    answer = client.messages.create(model=MODEL, max_tokens=200, messages=_ask())
    (block,) = answer.content
    assert block.type == "text"
    assert (len(block.text.split()), answer.usage.output_tokens) == (64, 64)
    assert (answer.model, answer.stop_reason) == (MODEL, "end_turn")
    assert (answer.usage.service_tier, answer.usage.inference_geo) == ("standard", "global")
    row = _row(simulator)
    assert (row["shape"], row["provider"]) == ("messages", "anthropic")
    assert (row["uncached_input"], row["output"]) == (answer.usage.input_tokens, 64)
    assert row["cost_nusd"] == row["uncached_input"] * 5_000 + 64 * 25_000
    assert answer._request_id is not None


def test_create_with_a_bound_stops_there(client: anthropic.Anthropic) -> None:
    """max_tokens is kept, and named as the reason."""
    answer = client.messages.create(model="mock-small", max_tokens=7, messages=_ask())
    assert (answer.usage.output_tokens, answer.stop_reason) == (7, "max_tokens")


def test_create_with_no_tokens_only_fills_the_cache(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """The input is billed, nothing is said."""
    simulator.cache(min_tokens=10)
    system: Any = [{"type": "text", "text": " word" * 50, "cache_control": {"type": "ephemeral"}}]
    first = client.messages.create(model=MODEL, max_tokens=0, messages=_ask(), system=system)
    assert (first.content, first.usage.output_tokens, first.stop_reason) == ([], 0, "max_tokens")
    assert first.usage.cache_creation_input_tokens == 50
    again = client.messages.create(model=MODEL, max_tokens=9, messages=_ask(), system=system)
    assert (again.usage.cache_read_input_tokens, again.usage.cache_creation_input_tokens) == (50, 0)


def test_create_with_both_kinds_of_cache_splits_what_it_writes(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """Each mark keeps what lies between it and the one before, at its own rate."""
    simulator.cache(min_tokens=10)
    hour = {"type": "ephemeral", "ttl": "1h"}
    system: Any = [{"type": "text", "text": " word" * 40, "cache_control": hour}]
    marked: Any = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": " word" * 30, "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "rest"},
            ],
        }
    ]
    usage = client.messages.create(model=MODEL, max_tokens=9, messages=marked, system=system).usage
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_1h_input_tokens == 40
    assert usage.cache_creation.ephemeral_5m_input_tokens == 34
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (1, 0)
    row = _row(simulator)
    assert row["cost_nusd"] == 40 * 10_000 + 34 * 6_250 + 1 * 5_000 + 9 * 25_000


def test_stream_says_what_the_whole_answer_says(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """The SDK puts the same message together from the events."""
    asked: Any = {"model": MODEL, "max_tokens": 2000, "messages": _ask()}
    asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [block.model_dump() for block in whole.content] == [
        block.model_dump(exclude={"parsed_output"}) for block in streamed.content
    ]
    assert whole.usage.output_tokens == streamed.usage.output_tokens == 32 + 64
    assert whole.usage.cache_creation == streamed.usage.cache_creation
    first, second = simulator.wait_billed(2)["rows"]
    assert first["cost_nusd"] == second["cost_nusd"]
    assert (first["stream"], second["stream"]) == (False, True)


def test_stream_has_the_documented_order(simulator: Simulator) -> None:
    """Names, a ping, exact input at the start, totals without a split at the end."""
    body = {"model": MODEL, "max_tokens": 3, "messages": _ask(), "stream": True}
    answer = fetch(
        simulator.url + "/v1/messages", "POST", body, {"anthropic-version": "2023-06-01"}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b"event: message_start\ndata: {")
    events = answer.events()
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert (start["output_tokens"], end["output_tokens"]) == (1, 3)
    assert start["input_tokens"] == end["input_tokens"]
    assert "cache_creation" in start
    assert "cache_creation" not in end


def test_create_with_a_tool_demanded_calls_it(client: anthropic.Anthropic) -> None:
    """By the request, by an order in the text, streamed in fragments."""
    asked: Any = {"model": MODEL, "max_tokens": 200, "tools": [TOOL]}
    demanded = client.messages.create(**asked, messages=_ask(), tool_choice={"type": "any"})
    with client.messages.stream(**asked, messages=_ask("[[tool]]")) as stream:
        streamed = stream.get_final_message()
    for answer in (demanded, streamed):
        (block,) = answer.content
        assert block.type == "tool_use"
        assert (block.name, block.input) == ("lookup_order", {"order_id": "sample"})
        assert answer.stop_reason == "tool_use"
    plain = client.messages.create(**asked, messages=_ask())
    assert plain.content[0].type == "text"


def test_create_with_searches_bills_each_and_every_turn(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """No more than are allowed; the input is read again for each."""
    asked: Any = {"model": MODEL, "max_tokens": 20, "tools": [SEARCH]}
    none = client.messages.create(**asked, messages=_ask("[[search 0]]")).usage
    some = client.messages.create(**asked, messages=_ask("[[search 9]]")).usage
    assert some.server_tool_use is not None
    assert some.server_tool_use.web_search_requests == 3
    assert some.input_tokens == 4 * none.input_tokens
    assert _row(simulator)["cost_nusd"] == (
        some.input_tokens * 5_000 + 20 * 25_000 + 3 * 10_000_000
    )
    with client.messages.stream(**asked, messages=_ask("[[search 9]]")) as stream:
        streamed = stream.get_final_message()
    assert streamed.usage.input_tokens == some.input_tokens
    assert streamed.content[0].type == "server_tool_use"


def test_create_at_another_speed_and_place_costs_more(simulator: Simulator) -> None:
    """The multipliers of the row, both at once, and only where the model has them."""
    headers = {"anthropic-version": "2026-10-21"}
    body = {"max_tokens": 10, "messages": _ask(), "speed": "fast", "inference_geo": "us"}
    url = simulator.url + "/v1/messages"
    plain = {"model": MODEL, "max_tokens": 10, "messages": _ask()}
    fetch(url, "POST", plain, headers)
    usage = fetch(url, "POST", {**body, "model": MODEL}, headers).json()["usage"]
    cheap, dear = simulator.wait_billed(2)["rows"]
    assert (usage["speed"], usage["inference_geo"]) == ("fast", "us")
    assert dear["cost_nusd"] == cheap["cost_nusd"] * 22 // 10
    usage = fetch(url, "POST", {**body, "model": "mock-small"}, headers).json()["usage"]
    assert usage["speed"] == "standard"


def test_create_with_a_compaction_reports_it_apart(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """Its tokens are billed and not in the usage at the top."""
    answer = client.messages.create(model=MODEL, max_tokens=10, messages=_ask("[[compact 1000]]"))
    items = answer.usage.model_dump()["iterations"]
    assert [item["type"] for item in items] == ["compaction", "message"]
    assert (items[0]["input_tokens"], items[0]["output_tokens"]) == (1000, 200)
    assert answer.usage.output_tokens == 10
    assert _row(simulator)["cost_nusd"] == (
        (1000 + answer.usage.input_tokens) * 5_000 + 210 * 25_000
    )


def test_count_tokens_counts_what_create_bills(
    client: anthropic.Anthropic, simulator: Simulator
) -> None:
    """It is free, and takes no other fields."""
    tools: Any = [TOOL]
    counted = client.messages.count_tokens(model=MODEL, messages=_ask(), tools=tools)
    answer = client.messages.create(model=MODEL, max_tokens=5, messages=_ask(), tools=tools)
    assert counted.input_tokens == answer.usage.input_tokens
    assert simulator.ledger()["billed"] == 1
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.count_tokens(model=MODEL, messages=_ask(), extra_body={"max_tokens": 3})


def test_models_lists_and_describes(client: anthropic.Anthropic) -> None:
    """With the limits that a firewall could learn from."""
    ids = [model.id for model in client.models.list()]
    assert {MODEL, "claude-sonnet-4-5-20250929", "mock-small"} <= set(ids)
    row = RateCard.load().row(MODEL, "anthropic")
    assert row is not None
    assert client.models.retrieve(MODEL).max_tokens == row.max_out
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"model": MODEL, "messages": []}, anthropic.BadRequestError),
        ({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}, None),
        ({"model": "gpt-4o", "max_tokens": 1, "messages": _ask()}, anthropic.NotFoundError),
    ],
)
def test_create_that_the_provider_refuses_is_unbilled(
    client: anthropic.Anthropic, simulator: Simulator, body: Any, kind: Any
) -> None:
    """Refusals come in Anthropic's envelope and cost nothing."""
    with pytest.raises(kind or anthropic.BadRequestError) as caught:
        client.post("/v1/messages", body=body, cast_to=object)
    refused: Any = caught.value.body
    assert refused["type"] == "error"
    assert refused["request_id"] == caught.value.request_id
    ledger = simulator.ledger()
    assert (ledger["total_nusd"], ledger["billed"], ledger["unbilled"]) == (0, 0, 1)


def test_create_without_a_version_is_refused(simulator: Simulator) -> None:
    """A proxy that drops the header must be noticed."""
    body = {"model": MODEL, "max_tokens": 5, "messages": _ask()}
    answer = fetch(simulator.url + "/v1/messages", "POST", body)
    assert (answer.status, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "anthropic-version" in answer.json()["error"]["message"]


def test_create_at_bedrock_is_billed_there(simulator: Simulator) -> None:
    """The same wire on another host, at the other provider's prices."""
    body = {
        "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "max_tokens": 10,
        "messages": _ask(),
    }
    answer = fetch(
        simulator.url + "/anthropic/v1/messages", "POST", body, {"anthropic-version": "2023-06-01"}
    )
    assert answer.status == 200
    row = _row(simulator)
    assert row["provider"] == "bedrock"
    assert row["cost_nusd"] == row["uncached_input"] * 3_300 + 10 * 16_500
