"""The columns of the matrix: PYTHON in `make test`, NODE too in `make sdk`."""

from __future__ import annotations

from tests.sdk.clients.anthropic_sdk import AsyncMessages, Messages
from tests.sdk.clients.bedrock_sdk import BearerConverse, Converse, Invoke
from tests.sdk.clients.client import Client
from tests.sdk.clients.langchain_sdk import LangChain
from tests.sdk.clients.node_sdk import NodeChat, NodeEmbeddings, NodeMessages, NodeResponses
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
NODE: tuple[Client, ...] = (NodeChat(), NodeResponses(), NodeEmbeddings(), NodeMessages())

__all__ = ["NODE", "PYTHON", "Client"]
