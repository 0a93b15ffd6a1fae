"""The columns of the matrix."""

from __future__ import annotations

from tests.sdk.clients.anthropic_sdk import AsyncMessages, Messages
from tests.sdk.clients.bedrock_sdk import BearerConverse, Converse, Invoke
from tests.sdk.clients.client import Client
from tests.sdk.clients.langchain_sdk import LangChain
from tests.sdk.clients.openai_sdk import (
    AsyncChat,
    AsyncResponses,
    Chat,
    Completions,
    Embeddings,
    Responses,
)

PYTHON: tuple[Client, ...] = (
    Chat(),
    Responses(),
    Completions(),
    Embeddings(),
    AsyncChat(),
    AsyncResponses(),
    LangChain(),
    Messages(),
    AsyncMessages(),
    Converse(),
    Invoke(),
    BearerConverse(),
)

__all__ = ["PYTHON", "Client"]
