"""The chat completions API, as the real SDK sees it."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from s4fw.sim.models import SNAPSHOTS
from tests.harness import Simulator, chat_body, fetch, openai_client, post_chat

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Look up one order.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}, "kind": {"enum": ["b", "c"]}},
        },
    },
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai_client(simulator.base_url) as client:
        yield client


def _ask(text: str = "Where is it?") -> Any:
    return [{"role": "user", "content": text}]


def test_create_answers_as_many_tokens_as_it_bills(client: openai.OpenAI) -> None:
    """Text and usage belong together, under the snapshot's name."""
    answer = client.chat.completions.create(model="gpt-4o", messages=_ask())
    choice = answer.choices[0]
    assert SNAPSHOTS["gpt-4o"] == answer.model
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, choice.finish_reason) == (64, "stop")
    assert len((choice.message.content or "").split()) == 64
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")


def test_create_again_answers_the_same_text(client: openai.OpenAI) -> None:
    """The same request, the same answer; another request, another."""
    texts = [
        client.chat.completions.create(model="mock-small", messages=_ask(text)).choices[0].message
        for text in ("one", "one", "two")
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("bound", ["max_tokens", "max_completion_tokens"])
def test_create_with_a_bound_stops_there(client: openai.OpenAI, bound: str) -> None:
    """A bound on output is kept, and named as the reason."""
    limits: Any = {bound: 7}
    answer = client.chat.completions.create(model="mock-small", messages=_ask(), **limits)
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (7, "length")


def test_create_with_choices_bills_each(client: openai.OpenAI) -> None:
    """n answers are n times the output, and differ."""
    answer = client.chat.completions.create(model="mock-small", messages=_ask(), n=3)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3 * 64
    assert len({choice.message.content for choice in answer.choices}) == 3


def test_create_with_ordered_length_has_it(simulator: Simulator) -> None:
    """By header, by a mark in the message, by the model that always says all it may."""
    ordered = [
        post_chat(simulator.base_url, {"x-sim-output": "9"}),
        post_chat(simulator.base_url, content="please [[output 11]]"),
        post_chat(simulator.base_url, model="mock-full", max_tokens=500),
    ]
    assert [a.json()["usage"]["completion_tokens"] for a in ordered] == [9, 11, 500]


def test_create_with_a_tool_demanded_calls_it(client: openai.OpenAI) -> None:
    """A demanded tool is called with arguments that fit its schema; a tool alone is not."""
    tools: Any = [TOOL]
    asked = client.chat.completions.create(
        model="gpt-4o", messages=_ask(), tools=tools, tool_choice="required"
    )
    calls = asked.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert (
        calls[0].function.name,
        calls[0].function.arguments,
    ) == ("lookup_order", '{"order_id":"sample","kind":"b"}')
    assert asked.choices[0].finish_reason == "tool_calls"
    plain = client.chat.completions.create(model="gpt-4o", messages=_ask(), tools=tools)
    assert plain.choices[0].message.tool_calls is None


def test_stream_with_a_tool_call_gives_its_fragments(client: openai.OpenAI) -> None:
    """Arguments come in pieces that make the same JSON."""
    tools: Any = [TOOL]
    stream = client.chat.completions.create(
        model="gpt-4o", messages=_ask("[[tool]]"), tools=tools, stream=True
    )
    fragments = [
        call.function.arguments or ""
        for chunk in stream
        for call in chunk.choices[0].delta.tool_calls or []
        if call.function is not None
    ]
    assert len(fragments) > 2
    assert "".join(fragments) == '{"order_id":"sample","kind":"b"}'


def test_stream_says_what_the_whole_answer_says(simulator: Simulator) -> None:
    """Streaming changes the form, not the words."""
    whole = post_chat(simulator.base_url, n=2).json()
    events = post_chat(simulator.base_url, n=2, stream=True).events()
    texts = ["", ""]
    for chunk in events[:-1]:
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert [choice["message"]["content"] for choice in whole["choices"]] == texts
    assert events[-1] == "[DONE]"


def test_stream_without_include_usage_has_none(simulator: Simulator) -> None:
    """No member at all, not even null."""
    events = post_chat(simulator.base_url, stream=True).events()
    assert not any("usage" in chunk for chunk in events[:-1])
    assert any("obfuscation" in chunk for chunk in events[:-1])


def test_stream_with_include_usage_has_one_extra_chunk(simulator: Simulator) -> None:
    """Null on every chunk, then the account in a chunk without choices, then [DONE]."""
    options = {"include_usage": True, "include_obfuscation": False}
    *chunks, last, done = post_chat(
        simulator.base_url, stream=True, stream_options=options
    ).events()
    assert {None} == {chunk["usage"] for chunk in chunks}
    assert all(chunk["choices"] for chunk in chunks)
    assert not any("obfuscation" in chunk for chunk in chunks)
    assert (last["choices"], last["usage"]["completion_tokens"], done) == ([], 64, "[DONE]")


def test_create_on_a_reasoning_model_thinks_within_the_bound(simulator: Simulator) -> None:
    """Thinking is billed as output and comes before the first word."""
    usages = [
        post_chat(simulator.base_url, model="mock-reasoning", **bound).json()["usage"]
        for bound in ({}, {"max_completion_tokens": 100}, {"reasoning_effort": "none"})
    ]
    reasoning = [usage["completion_tokens_details"]["reasoning_tokens"] for usage in usages]
    assert reasoning == [128, 100, 0]
    assert [usage["completion_tokens"] for usage in usages] == [192, 100, 64]


def test_create_with_a_long_prompt_again_reports_cached_tokens(simulator: Simulator) -> None:
    """Cached tokens are inside the prompt's, as OpenAI counts them."""
    text = " word" * 1500
    first, second = (
        post_chat(simulator.base_url, model="gpt-4o", content=text).json()["usage"] for _ in "12"
    )
    cached = [u["prompt_tokens_details"]["cached_tokens"] for u in (first, second)]
    assert cached == [0, 1408]
    assert first["prompt_tokens"] == second["prompt_tokens"]


@pytest.mark.parametrize(
    ("asked", "answered"), [("auto", "default"), ("flex", "flex"), ("fast", "priority")]
)
def test_create_with_a_tier_tells_the_one_that_ran(
    simulator: Simulator, asked: str, answered: str
) -> None:
    """The reply's tier is what is billed."""
    assert answered == post_chat(simulator.base_url, service_tier=asked).json()["service_tier"]
    assert [answered] == [row["tier"] for row in simulator.ledger()["rows"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"model": "gpt-4o"}', 400, "missing_required_parameter"),
        (b'{"model": "gpt-4o", "messages": []}', 400, "empty_array"),
        (chat_body("no-such-model"), 404, "model_not_found"),
        (chat_body(max_tokens=5000), 400, "invalid_value"),
        (chat_body("o3", max_tokens=5), 400, "unsupported_parameter"),
        (chat_body(n=0.5), 400, "integer_out_of_range"),
    ],
)
def test_create_that_the_provider_refuses_is_unbilled(
    simulator: Simulator, body: bytes | dict[str, Any], status: int, code: str | None
) -> None:
    """Refusals come in OpenAI's envelope and cost nothing."""
    answer = fetch(simulator.base_url + "/chat/completions", "POST", body)
    ledger = simulator.ledger()
    assert (status, code) == (answer.status, answer.json()["error"]["code"])
    assert (ledger["total_nusd"], ledger["billed"], ledger["unbilled"]) == (0, 0, 1)


def test_models_lists_and_describes(client: openai.OpenAI) -> None:
    """The free endpoints answer, and are not billed."""
    ids = [model.id for model in client.models.list()]
    assert {"gpt-4o", "gpt-4o-2024-08-06", "mock-small", "mock-hang"} <= set(ids)
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_another_path_is_not_found(simulator: Simulator) -> None:
    """What is not simulated says so."""
    assert fetch(simulator.base_url + "/images/generations", "POST", {}).status == 404
    assert fetch(simulator.base_url + "/chat/completions").status == 404
    assert simulator.ledger()["billed"] == 0


def test_create_with_a_body_nobody_thought_of_is_answered(simulator: Simulator) -> None:
    """A fault of the simulator never leaves a caller waiting, and the next call is well."""
    assert post_chat(simulator.base_url, tools="all of them").json()["error"]["code"] == (
        "simulator_fault"
    )
    assert post_chat(simulator.base_url).status == 200
