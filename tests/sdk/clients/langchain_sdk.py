"""LangChain's `ChatOpenAI`: a framework above OpenAI's SDK, with messages and chunks of its own."""

from __future__ import annotations

from typing import Any

import openai
from langchain_openai import ChatOpenAI

from tests.sdk.ask import OUTPUT_TOKENS_MAX, RULES, TOOL_NAME, TOOL_SCHEMA, Ask, Door, Problem, Seen
from tests.sdk.clients.client import Client, note
from tests.sdk.clients.openai_sdk import options, problem_of


class LangChain(Client):
    """`ChatOpenAI(...).invoke` and `.stream`; it asks for the usage of streams itself."""

    name = "langchain.chat"
    dialect = "openai"
    model = "gpt-4o"
    classes = {
        401: "OpenAIAuthenticationError",
        402: "APIStatusError",
        403: "OpenAIPermissionDeniedError",
        429: "OpenAIRateLimitError",
        502: "OpenAIAPIError",
    }
    cut_class = "APIError"
    timeout_class = "OpenAITimeoutError"

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        def hook(response: Any) -> None:
            note(seen, response.status_code, response.headers)

        with openai.DefaultHttpxClient(event_hooks={"response": [hook]}) as http_client:
            model = ChatOpenAI(
                model=ask.model or self.model,
                max_completion_tokens=OUTPUT_TOKENS_MAX,
                stream_usage=True,
                http_client=http_client,
                **options(door, ask),
            )
            runnable: Any = model
            if ask.has_tool:
                function = {"name": TOOL_NAME, "parameters": TOOL_SCHEMA}
                tool = {"type": "function", "function": function}
                runnable = model.bind_tools([tool], tool_choice="required")
            if ask.is_unbounded:
                runnable = model.bind(web_search_options={})
            self._talk(runnable, ask, seen)

    def _talk(self, runnable: Any, ask: Ask, seen: Seen) -> None:
        rules = [("system", RULES)] if ask.has_rules else []
        messages = [*rules, ("user", ask.text)]
        if not ask.is_streamed:
            _read(runnable.invoke(messages), seen)
            return
        whole = None
        for chunk in runnable.stream(messages):
            seen.pieces += 1
            seen.text += chunk.content
            whole = chunk if whole is None else whole + chunk
        _read(whole, seen)

    def problem(self, raised: Exception) -> Problem:
        return problem_of(raised)


def _read(message: Any, seen: Seen) -> None:
    seen.text, seen.usage = message.content, message.usage_metadata
    for call in message.tool_calls:
        seen.tool = (call["name"], call["args"])
