"""Anthropic's SDK: messages, and the asynchronous client."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic

from tests.sdk.ask import OUTPUT_TOKENS_MAX, RULES, TOOL_NAME, TOOL_SCHEMA, Ask, Door, Problem, Seen
from tests.sdk.clients.client import Client, note


class Messages(Client):
    """`client.messages.create` and `client.messages.stream`."""

    name = "anthropic.messages"
    dialect = "anthropic"
    model = "claude-opus-5"
    classes = {
        401: "AuthenticationError",
        402: "PaymentRequiredError",
        403: "PermissionDeniedError",
        429: "RateLimitError",
        502: "InternalServerError",
        503: "ServiceUnavailableError",
    }
    cut_class = "APIStatusError"
    timeout_class = "APITimeoutError"

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        def hook(response: Any) -> None:
            note(seen, response.status_code, response.headers)

        http_client = anthropic.DefaultHttpxClient(event_hooks={"response": [hook]})
        with anthropic.Anthropic(http_client=http_client, **options(door, ask)) as client:
            arguments = messages_arguments(ask, self.model)
            if not ask.is_streamed:
                read(client.messages.create(**arguments), seen)
                return
            with client.messages.stream(**arguments) as stream:
                for event in stream:
                    read_event(event, seen)
                read(stream.get_final_message(), seen)

    def problem(self, raised: Exception) -> Problem:
        return problem_of(raised)


class AsyncMessages(Messages):
    """The same through the asynchronous client."""

    name = "anthropic.async.messages"

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        asyncio.run(self._run(door, ask, seen))

    async def _run(self, door: Door, ask: Ask, seen: Seen) -> None:
        async def hook(response: Any) -> None:
            note(seen, response.status_code, response.headers)

        http_client = anthropic.DefaultAsyncHttpxClient(event_hooks={"response": [hook]})
        async with anthropic.AsyncAnthropic(http_client=http_client, **options(door, ask)) as c:
            arguments = messages_arguments(ask, self.model)
            if not ask.is_streamed:
                read(await c.messages.create(**arguments), seen)
                return
            async with c.messages.stream(**arguments) as stream:
                async for event in stream:
                    read_event(event, seen)
                read(await stream.get_final_message(), seen)


def options(door: Door, ask: Ask) -> dict[str, Any]:
    """The arguments of a client."""
    retries = {} if ask.retries is None else {"max_retries": ask.retries}
    return {"base_url": door.url, "api_key": door.key, "timeout": ask.timeout_s, **retries}


def messages_arguments(ask: Ask, model: str) -> dict[str, Any]:
    """The body of a request for messages."""
    arguments = claude_body(ask) | {"model": ask.model or model}
    if ask.is_unbounded:
        arguments["tools"] = [{"type": "web_search_20250305", "name": "web_search"}]
    return arguments


def claude_body(ask: Ask) -> dict[str, Any]:
    """What Claude takes wherever it runs."""
    body: dict[str, Any] = {
        "max_tokens": OUTPUT_TOKENS_MAX,
        "messages": [{"role": "user", "content": ask.text}],
    }
    if ask.has_rules:
        body["system"] = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]
    if ask.has_tool:
        body["tools"] = [{"name": TOOL_NAME, "input_schema": TOOL_SCHEMA}]
        body["tool_choice"] = {"type": "any"}
    return body


def read_event(event: Any, seen: Seen) -> None:
    """Read one event of a stream: the words so far."""
    seen.pieces += 1
    if event.type == "text":
        seen.text += event.text


def read(message: Any, seen: Seen) -> None:
    """Read a whole message; of a stream, the one the SDK put together."""
    text = "".join(block.text for block in message.content if block.type == "text")
    assert seen.text in ("", text)
    seen.text, seen.usage = text, message.usage.model_dump()
    for block in message.content:
        if block.type == "tool_use":
            seen.tool = (block.name, block.input)


def problem_of(raised: Exception) -> Problem:
    """What Anthropic's errors tell."""
    if isinstance(raised, anthropic.APITimeoutError):
        return Problem(type(raised).__name__, None, None, raised.message, None)
    if not isinstance(raised, anthropic.APIStatusError):
        raise raised
    message = raised.api_message or raised.message
    return Problem(
        type(raised).__name__, raised.status_code, raised.type, message, raised.request_id
    )
