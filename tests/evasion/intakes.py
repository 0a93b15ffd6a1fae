"""Every intake, and a small honest request to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.evasion.bench import Attempt

_TURNS = [{"role": "user", "content": "Where is my order?"}]
_HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


@dataclass(frozen=True)
class Intake:
    """One metered shape: where its output is bounded (a path of names), and other names that other
    shapes use for the same."""

    name: str
    path: str
    body: dict[str, Any]
    bound: tuple[str, ...] = ("max_tokens",)
    aliases: tuple[str, ...] = ()
    prompt: tuple[str | int, ...] = ("messages", 0, "content")
    headers: tuple[tuple[str, str], ...] = ()
    has_model: bool = True
    metered: tuple[str, ...] = field(default=())

    def attempt(self, body: Any = None, **more: Any) -> Attempt:
        """This body (a document, or bytes as they are) at this intake."""
        raw = body if isinstance(body, bytes) else json.dumps(body or self.body).encode()
        return Attempt(self.path, raw, **{"headers": self.headers, **more})

    def changed(self, **fields: Any) -> dict[str, Any]:
        """The honest body with members of its top level changed."""
        return {**self.body, **fields}

    def bounded(self, value: Any) -> dict[str, Any]:
        """The honest body with another bound of its output."""
        return put(self.body, self.bound, value)

    def prompted(self, value: Any) -> dict[str, Any]:
        """The honest body with another prompt."""
        return put(self.body, self.prompt, value)


def put(body: Any, way: tuple[str | int, ...], value: Any) -> Any:
    """A copy with a value at the end of the way."""
    if not way:
        return value
    if isinstance(body, list):
        return [put(x, way[1:], value) if i == way[0] else x for i, x in enumerate(body)]
    return {**body, way[0]: put(body.get(way[0], {}), way[1:], value)}


_CLAUDE = (("anthropic-version", "2023-06-01"),)
_CHAT = {"model": "mock-small", "messages": _TURNS, "max_tokens": 5}
_CHAT_ALIASES = ("max_completion_tokens", "max_output_tokens", "max_tokens_to_sample", "maxTokens")
_NATIVE = {"anthropic_version": "bedrock-2023-05-31", "messages": _TURNS, "max_tokens": 5}
_BLOCKS = [{"role": "user", "content": [{"text": "Where is my order?"}]}]

CHAT = Intake("chat", "/v1/chat/completions", _CHAT, aliases=_CHAT_ALIASES, metered=("n", "stream"))
AZURE = Intake(
    *("azure", "/openai/deployments/mock-small/chat/completions", {**_CHAT, "model": "mock-small"}),
    aliases=_CHAT_ALIASES,
    metered=("n",),
)
RESPONSES = Intake(
    *("responses", "/v1/responses"),
    {"model": "mock-small", "input": "Where is my order?", "max_output_tokens": 16},
    bound=("max_output_tokens",),
    aliases=("max_tokens", "max_completion_tokens"),
    prompt=("input",),
)
COMPLETIONS = Intake(
    *("completions", "/v1/completions"),
    {"model": "mock-small", "prompt": "Where is my order?", "max_tokens": 5},
    aliases=("max_completion_tokens", "max_output_tokens"),
    prompt=("prompt",),
    metered=("n", "best_of", "echo"),
)
EMBEDDINGS = Intake(
    *("embeddings", "/v1/embeddings"),
    {"model": "text-embedding-3-small", "input": "Where is my order?"},
    bound=(),
    prompt=("input",),
)
MESSAGES = Intake(
    *(
        "messages",
        "/v1/messages",
        {"model": "claude-haiku-4-5", "messages": _TURNS, "max_tokens": 5},
    ),
    aliases=("max_completion_tokens", "max_output_tokens", "max_tokens_to_sample"),
    headers=_CLAUDE,
)
MANTLE = Intake(
    *("bedrock-messages", "/anthropic/v1/messages"),
    {"model": "anthropic.claude-haiku-4-5-20251001-v1:0", "messages": _TURNS, "max_tokens": 5},
    aliases=("max_completion_tokens", "max_output_tokens"),
    headers=_CLAUDE,
)
CONVERSE = Intake(
    *("converse", f"/model/{_HAIKU}/converse"),
    {"messages": _BLOCKS, "inferenceConfig": {"maxTokens": 5}},
    bound=("inferenceConfig", "maxTokens"),
    aliases=("max_tokens", "maxTokens", "max_completion_tokens"),
    prompt=("messages", 0, "content", 0, "text"),
    has_model=False,
)
INVOKE = Intake(
    *("invoke", f"/model/{_HAIKU}/invoke", _NATIVE),
    aliases=("max_completion_tokens", "max_tokens_to_sample"),
    has_model=False,
)

CONVERSE_STREAM = replace(CONVERSE, name="converse-stream", path=f"{CONVERSE.path}-stream")
AT_BEDROCK = replace(
    CHAT,
    name="bedrock-chat",
    path="/openai/v1/chat/completions",
    body={**_CHAT, "model": "openai.gpt-oss-20b-1:0"},
)
NOVA = replace(
    CONVERSE,
    name="nova",
    path="/model/amazon.nova-lite-v1:0/invoke",
    aliases=(*CONVERSE.aliases, "max_new_tokens"),
)
TITAN = Intake(
    *("titan", "/model/amazon.titan-text-lite-v1/invoke"),
    {"inputText": "Where is my order?", "textGenerationConfig": {"maxTokenCount": 5}},
    bound=("textGenerationConfig", "maxTokenCount"),
    aliases=("max_tokens", "maxTokens", "max_new_tokens"),
    prompt=("inputText",),
    has_model=False,
)
LLAMA = Intake(
    *("llama", "/model/meta.llama3-8b-instruct-v1:0/invoke"),
    {"prompt": "Where is my order?", "max_gen_len": 5},
    bound=("max_gen_len",),
    aliases=("max_tokens", "maxTokens", "max_new_tokens"),
    prompt=("prompt",),
    has_model=False,
)
MISTRAL = Intake(
    *("mistral", "/model/mistral.mistral-large-2402-v1:0/invoke"),
    {"prompt": "Where is my order?", "max_tokens": 5},
    aliases=("max_completion_tokens", "maxTokens", "max_new_tokens"),
    prompt=("prompt",),
    has_model=False,
)

_BEDROCK = (MANTLE, AT_BEDROCK, CONVERSE, CONVERSE_STREAM, INVOKE, NOVA, TITAN, LLAMA, MISTRAL)
INTAKES = (*(CHAT, AZURE, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES), *_BEDROCK)
