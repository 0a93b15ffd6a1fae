"""Anthropic's endpoints, also as Bedrock serves them: which call goes where.

form        error envelope and streams
prompt      pieces of a prompt
messages    reads a request and generates
account     what is billed, and how it is reported
blocks      the content of a message; message: how one looks
models      the list of models
"""

from __future__ import annotations

import orjson

from s4fw.sim.anthropic import models
from s4fw.sim.anthropic.form import AnthropicForm
from s4fw.sim.anthropic.messages import FORM, Messages, headers
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.reply import Call, Reply

_MESSAGES = "/v1/messages"


class Anthropic:
    """Answers every Anthropic call of one simulator; `provider` is who bills it."""

    def __init__(self, engine: Engine, provider: str = "anthropic") -> None:
        self._engine = engine
        self._messages = Messages(engine, provider)

    @staticmethod
    def form(path: str) -> AnthropicForm:
        """The form of errors at a path."""
        return FORM

    @staticmethod
    def is_paid(method: str, path: str) -> bool:
        """Whether calls of this path are in the ledger."""
        return method == "POST" and path == _MESSAGES

    @staticmethod
    def check_key(call: Call, key: str) -> None:
        """Raises ProviderError for a wrong key."""
        given = call.headers
        if key not in (given.get("x-api-key"), given.get("authorization", "")[len("Bearer ") :]):
            raise ProviderError(401, "invalid x-api-key")

    def answer(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer one call.  Raises ProviderError."""
        if "anthropic-version" not in call.headers:
            raise ProviderError(400, "anthropic-version: header is required")
        if (call.method, path) == ("POST", _MESSAGES):
            return self._messages.answer(call, faults)
        if (call.method, path) == ("POST", _MESSAGES + "/count_tokens"):
            return self._messages.count(call, faults)
        if call.method == "GET" and path.startswith("/v1/models"):
            body = orjson.dumps(models.answer(self._engine.catalogue, path))
            return Reply(FORM, 200, headers(call), body, faults=faults)
        raise ProviderError(404, "Not found")
