"""OpenAI's SDK: chat, responses, completions, embeddings; and the asynchronous client."""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from typing import Any

import openai

from tests.sdk.ask import OUTPUT_TOKENS_MAX, RULES, TOOL_NAME, TOOL_SCHEMA, Ask, Door, Problem, Seen
from tests.sdk.clients.client import Client, note

CLASSES = {
    401: "AuthenticationError",
    402: "APIStatusError",
    403: "PermissionDeniedError",
    429: "RateLimitError",
    502: "InternalServerError",
    503: "InternalServerError",
}


class OpenAISdk(Client):
    """What all calls of OpenAI's SDK share."""

    dialect = "openai"
    classes = CLASSES
    cut_class = "APIError"
    timeout_class = "APITimeoutError"

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        def hook(response: Any) -> None:
            note(seen, response.status_code, response.headers)

        http_client = openai.DefaultHttpxClient(event_hooks={"response": [hook]})
        with openai.OpenAI(http_client=http_client, **options(door, ask)) as client:
            answer = self.begin(client, self.arguments(ask))
            for piece in answer if ask.is_streamed else [answer]:
                self.read(piece, ask, seen)

    @abstractmethod
    def arguments(self, ask: Ask) -> dict[str, Any]:
        """The arguments of the call."""

    @abstractmethod
    def begin(self, client: Any, arguments: dict[str, Any]) -> Any:
        """Call; the asynchronous client returns something to be awaited."""

    @abstractmethod
    def read(self, piece: Any, ask: Ask, seen: Seen) -> None:
        """Read an answer, or one piece of a stream."""

    def problem(self, raised: Exception) -> Problem:
        return problem_of(raised)


def options(door: Door, ask: Ask) -> dict[str, Any]:
    """The arguments of a client."""
    retries = {} if ask.retries is None else {"max_retries": ask.retries}
    return {"base_url": door.url + "/v1", "api_key": door.key, "timeout": ask.timeout_s, **retries}


def problem_of(raised: Exception) -> Problem:
    """What OpenAI's errors tell."""
    if not isinstance(raised, openai.APIError):
        raise raised
    status = getattr(raised, "status_code", None)
    request_id = getattr(raised, "request_id", None)
    return Problem(type(raised).__name__, status, raised.code, raised.message, request_id)


class AsyncOpenAISdk(OpenAISdk):
    """The same through the asynchronous client."""

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        asyncio.run(self._run(door, ask, seen))

    async def _run(self, door: Door, ask: Ask, seen: Seen) -> None:
        async def hook(response: Any) -> None:
            note(seen, response.status_code, response.headers)

        http_client = openai.DefaultAsyncHttpxClient(event_hooks={"response": [hook]})
        async with openai.AsyncOpenAI(http_client=http_client, **options(door, ask)) as client:
            answer = await self.begin(client, self.arguments(ask))
            if ask.is_streamed:
                async for piece in answer:
                    self.read(piece, ask, seen)
            else:
                self.read(answer, ask, seen)


class Chat(OpenAISdk):
    """`client.chat.completions.create`."""

    name = "openai.chat"
    model = "gpt-4o"

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return chat_arguments(ask, self.model)

    def begin(self, client: Any, arguments: dict[str, Any]) -> Any:
        return client.chat.completions.create(**arguments)

    def read(self, piece: Any, ask: Ask, seen: Seen) -> None:
        seen.usage = piece.usage.model_dump() if piece.usage else seen.usage
        if not ask.is_streamed:
            message = piece.choices[0].message
            seen.text = message.content or ""
            for call in message.tool_calls or []:
                seen.tool = (call.function.name, json.loads(call.function.arguments))
            return
        seen.pieces += 1
        delta = piece.choices[0].delta  # no application is ready for a chunk without choices
        seen.text += delta.content or ""
        for call in delta.tool_calls or []:
            _add_fragment(seen, call.function.name, call.function.arguments)
        if piece.choices[0].finish_reason == "tool_calls":
            _complete_tool(seen)


def chat_arguments(ask: Ask, model: str) -> dict[str, Any]:
    """The body of a chat request."""
    rules = [{"role": "system", "content": RULES}] if ask.has_rules else []
    arguments: dict[str, Any] = {
        "model": ask.model or model,
        "messages": [*rules, {"role": "user", "content": ask.text}],
        "max_completion_tokens": OUTPUT_TOKENS_MAX,
    }
    if ask.has_tool:
        function = {"name": TOOL_NAME, "parameters": TOOL_SCHEMA}
        arguments["tools"] = [{"type": "function", "function": function}]
        arguments["tool_choice"] = "required"
    if ask.is_unbounded:
        arguments["web_search_options"] = {}
    if ask.is_streamed:
        arguments["stream"] = True
    return arguments


def _add_fragment(seen: Seen, name: str | None, arguments: str | None) -> None:
    known, text = seen.tool or ("", "")
    seen.tool = (known or name or "", text + (arguments or ""))


def _complete_tool(seen: Seen) -> None:
    assert seen.tool is not None, "the tool call has no beginning"
    seen.tool = (seen.tool[0], json.loads(seen.tool[1]))


class Responses(OpenAISdk):
    """`client.responses.create`."""

    name = "openai.responses"
    model = "gpt-4.1"
    cut_class = "event"  # this SDK gives the application an event, and raises nothing

    def arguments(self, ask: Ask) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": ask.model or self.model,
            "input": ask.text,
            "max_output_tokens": OUTPUT_TOKENS_MAX,
        }
        if ask.has_rules:
            arguments["instructions"] = RULES
        if ask.has_tool:
            tool = {"type": "function", "name": TOOL_NAME, "parameters": TOOL_SCHEMA}
            arguments["tools"] = [tool | {"strict": False}]
            arguments["tool_choice"] = "required"
        if ask.is_unbounded:
            arguments["tools"] = [{"type": "web_search"}]
        if ask.is_streamed:
            arguments["stream"] = True
        return arguments

    def begin(self, client: Any, arguments: dict[str, Any]) -> Any:
        return client.responses.create(**arguments)

    def read(self, piece: Any, ask: Ask, seen: Seen) -> None:
        if not ask.is_streamed:
            seen.text = piece.output_text
            self._end(piece, seen)
            return
        assert seen.pieces == piece.sequence_number, "the events are numbered without gaps"
        seen.pieces += 1
        if piece.type == "response.output_text.delta":
            seen.text += piece.delta
        elif piece.type == "response.completed":
            assert seen.text == piece.response.output_text
            self._end(piece.response, seen)
        elif piece.type == "error":
            seen.problem = Problem("event", None, piece.code, piece.message, None)

    def _end(self, response: Any, seen: Seen) -> None:
        seen.usage = response.usage.model_dump()
        for item in response.output:
            if item.type == "function_call":
                seen.tool = (item.name, json.loads(item.arguments))


class Completions(OpenAISdk):
    """`client.completions.create`, of before there were chats."""

    name = "openai.completions"
    model = "gpt-3.5-turbo-instruct"
    cannot = frozenset({"tool", "tool, streamed", "cached", "cached, streamed", "unbounded"})

    def arguments(self, ask: Ask) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": ask.model or self.model,
            "prompt": ask.text,
            "max_tokens": OUTPUT_TOKENS_MAX,
        }
        if ask.is_streamed:
            arguments["stream"] = True
        return arguments

    def begin(self, client: Any, arguments: dict[str, Any]) -> Any:
        return client.completions.create(**arguments)

    def read(self, piece: Any, ask: Ask, seen: Seen) -> None:
        seen.usage = piece.usage.model_dump() if piece.usage else seen.usage
        seen.pieces += ask.is_streamed
        seen.text += piece.choices[0].text


class Embeddings(OpenAISdk):
    """`client.embeddings.create`; the SDK asks for base64 and decodes it."""

    name = "openai.embeddings"
    model = "text-embedding-3-small"
    cannot = Completions.cannot | {
        "streamed",
        "over budget, streamed",
        "cut",
        "provider breaks off",
    }

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return {"model": ask.model or self.model, "input": [ask.text, "And my money?"]}

    def begin(self, client: Any, arguments: dict[str, Any]) -> Any:
        return client.embeddings.create(**arguments)

    def read(self, piece: Any, ask: Ask, seen: Seen) -> None:
        seen.text = repr([item.embedding for item in piece.data])
        seen.usage = piece.usage.model_dump()


class AsyncChat(AsyncOpenAISdk, Chat):
    """`await client.chat.completions.create`."""

    name = "openai.async.chat"


class AsyncResponses(AsyncOpenAISdk, Responses):
    """`await client.responses.create`."""

    name = "openai.async.responses"
