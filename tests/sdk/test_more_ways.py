"""The ways into the SDKs beside their plain calls: helpers, other classes, frameworks' own shapes.

Each must answer, and cost the same on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pydantic
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.sdk.ask import Ask, Door
from tests.sdk.clients import anthropic_sdk, bedrock_sdk, openai_sdk
from tests.sdk.clients.anthropic_sdk import Messages
from tests.sdk.clients.bedrock_sdk import Converse
from tests.sdk.clients.client import Client
from tests.sdk.clients.openai_sdk import Chat
from tests.sdk.estate import Estate

HI: list[Any] = [{"role": "user", "content": "Where is my order?"}]
CHAT, MESSAGES, CONVERSE = Chat(), Messages(), Converse()


class Order(pydantic.BaseModel):
    """What a structured answer would be read into."""

    number: str


def _openai(door: Door) -> openai.OpenAI:
    return openai.OpenAI(**openai_sdk.options(door, Ask()))


def _anthropic(door: Door) -> anthropic.Anthropic:
    return anthropic.Anthropic(**anthropic_sdk.options(door, Ask()))


def chat_stream_helper(door: Door) -> Any:
    """The helper puts the pieces together and asks for nothing else."""
    with (
        _openai(door) as client,
        client.chat.completions.stream(
            model=CHAT.model, messages=HI, stream_options={"include_usage": True}
        ) as stream,
    ):
        assert any(event.type == "content.delta" for event in stream)
        return stream.get_final_completion().usage


def chat_raw(door: Door) -> Any:
    """Headers and the parsed answer."""
    with _openai(door) as client:
        raw = client.chat.completions.with_raw_response.create(model=CHAT.model, messages=HI)
        assert raw.headers["x-s4fw-decision"] == "allow"
        return raw.parse().usage


def chat_streamed_raw(door: Door) -> Any:
    """The bytes of a stream, line by line."""
    with (
        _openai(door) as client,
        client.chat.completions.with_streaming_response.create(
            model=CHAT.model, messages=HI, stream=True
        ) as raw,
    ):
        return [line for line in raw.iter_lines() if line.startswith("data: [DONE]")]


def chat_structured(door: Door) -> Any:
    """A schema goes along; the simulator's words do not fit it, which is the caller's concern."""
    with _openai(door) as client:
        schema: Any = {"name": "order", "schema": Order.model_json_schema(), "strict": False}
        return client.chat.completions.create(
            model=CHAT.model,
            messages=HI,
            response_format={"type": "json_schema", "json_schema": schema},
        ).usage


def responses_stream_helper(door: Door) -> Any:
    """The helper puts the events together."""
    with _openai(door) as client, client.responses.stream(model="gpt-4.1", input="Hi") as stream:
        assert any(event.type == "response.output_text.delta" for event in stream)
        return stream.get_final_response().usage


def responses_raw(door: Door) -> Any:
    """Headers and the parsed answer."""
    with _openai(door) as client:
        return client.responses.with_raw_response.create(model="gpt-4.1", input="Hi").parse().usage


def messages_raw_stream(door: Door) -> Any:
    """Events without the helper."""
    with _anthropic(door) as client:
        events = client.messages.create(
            model=MESSAGES.model, max_tokens=50, messages=HI, stream=True
        )
        return [event for event in events if event.type == "message_stop"]


def messages_beta(door: Door) -> Any:
    """A query in the path and a header more."""
    with _anthropic(door) as client:
        return client.beta.messages.create(
            model=MESSAGES.model,
            max_tokens=50,
            messages=HI,
            betas=["context-1m-2025-08-07"],
        ).usage


def messages_counted_first(door: Door) -> Any:
    """Counting is free."""
    with _anthropic(door) as client:
        assert client.messages.count_tokens(model=MESSAGES.model, messages=HI).input_tokens
        return client.messages.create(model=MESSAGES.model, max_tokens=50, messages=HI).usage


def messages_bearer(door: Door) -> Any:
    """A token in place of a key."""
    with anthropic.Anthropic(base_url=door.url, auth_token=door.key) as client:
        return client.messages.create(model=MESSAGES.model, max_tokens=50, messages=HI).usage


def langchain_async(door: Door) -> Any:
    """What most servers built with it call."""
    model = ChatOpenAI(model=CHAT.model, **openai_sdk.options(door, Ask()))
    return asyncio.run(model.ainvoke("Hi")).usage_metadata


def langchain_responses(door: Door) -> Any:
    """The same class over the other API."""
    model = ChatOpenAI(model="gpt-4.1", use_responses_api=True, **openai_sdk.options(door, Ask()))
    assert "".join(chunk.text for chunk in model.stream("Hi"))
    return model.invoke("Hi").usage_metadata


def langchain_embeddings(door: Door) -> Any:
    """Text as it is: to send token ids, it would fetch a vocabulary from the network."""
    return OpenAIEmbeddings(
        model="text-embedding-3-small",
        check_embedding_ctx_length=False,
        **openai_sdk.options(door, Ask()),
    ).embed_documents(["one", "two"])


def anthropic_at_bedrock(door: Door) -> Any:
    """Anthropic's class for Bedrock: it signs, and leaves the colon of a model id as it is."""
    with anthropic.AnthropicBedrock(
        base_url=door.url,
        aws_access_key=door.access_key_id,
        aws_secret_key=door.secret,
        aws_region=bedrock_sdk.REGION,
    ) as client:
        arguments: dict[str, Any] = {"model": CONVERSE.model, "max_tokens": 50, "messages": HI}
        assert list(client.messages.create(**arguments, stream=True))
        return client.messages.create(**arguments).usage


def openai_at_bedrock(door: Door) -> Any:
    """OpenAI's SDK on Bedrock's path for it, with the firewall's key as the Bearer."""
    options = openai_sdk.options(door, Ask()) | {"base_url": door.url + "/openai/v1"}
    with openai.OpenAI(**options) as client:
        return client.chat.completions.create(
            model="openai.gpt-oss-20b-1:0", messages=HI, max_completion_tokens=50
        ).usage


WAYS: dict[Callable[[Door], Any], Client] = {
    chat_stream_helper: CHAT,
    chat_raw: CHAT,
    chat_streamed_raw: CHAT,
    chat_structured: CHAT,
    responses_stream_helper: CHAT,
    responses_raw: CHAT,
    messages_raw_stream: MESSAGES,
    messages_beta: MESSAGES,
    messages_counted_first: MESSAGES,
    messages_bearer: MESSAGES,
    langchain_async: CHAT,
    langchain_responses: CHAT,
    langchain_embeddings: CHAT,
    anthropic_at_bedrock: CONVERSE,
    openai_at_bedrock: CONVERSE,
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_way_into_the_sdk_answers_and_is_paid_exactly(
    estate: Estate, way: Callable[[Door], Any]
) -> None:
    """Applications use whatever an SDK offers; none of it may slip by or cost something else."""
    client = WAYS[way]
    before = estate.charged(client, "rich")
    assert way(estate.door(client, "rich"))
    estate.simulator.wait_idle()
    spent, accrued = estate.charged(client, "rich")
    assert estate.simulator.ledger()["total_nusd"] == spent - before[0] > 0
    assert before[1] == accrued
