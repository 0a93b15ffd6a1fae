"""OpenAI's endpoints, also as Bedrock serves them: which call goes where.

form        error envelope and streams
request     what every generating request has
prompt      pieces of a chat prompt
chat        chat completions; completion: how one looks
models      the list of models
"""

from __future__ import annotations

import orjson

from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.openai import models, request
from s4fw.sim.openai.chat import FORM, Chat
from s4fw.sim.openai.form import OpenAIForm
from s4fw.sim.reply import Call, Reply

_PAID = ("/v1/chat/completions",)


class OpenAI:
    """Answers every OpenAI call of one simulator; `provider` is who bills it."""

    def __init__(self, engine: Engine, provider: str = "openai") -> None:
        self._engine = engine
        self._chat = Chat(engine, provider)
        self._provider = provider

    @staticmethod
    def form(path: str) -> OpenAIForm:
        """The form of errors at a path."""
        return FORM

    @staticmethod
    def is_paid(method: str, path: str) -> bool:
        """Whether calls of this path are in the ledger."""
        return path in _PAID

    @staticmethod
    def check_key(call: Call, key: str) -> None:
        """Raises ProviderError for a wrong key."""
        if call.headers.get("authorization") != f"Bearer {key}":
            raise ProviderError(401, "Incorrect API key provided.", code="invalid_api_key")

    def answer(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer one call.  Raises ProviderError."""
        if (call.method, path) == ("POST", "/v1/chat/completions"):
            return self._chat.answer(call, faults)
        if call.method == "GET" and path.startswith("/v1/models"):
            document = models.answer(self._engine.catalogue, path, self._provider)
            body = orjson.dumps(document)
            return Reply(FORM, 200, request.headers(call), body, faults=faults)
        raise ProviderError(404, "Invalid URL", code="unknown_url")
