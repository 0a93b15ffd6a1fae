"""OpenAI's endpoints, also as Bedrock serves them: which call goes where.

form        error envelope and streams
request     what every generating request has
prompt      pieces of a chat prompt; items: of a responses prompt
chat        chat completions; completion: how one looks
responses   responses; response: how one looks; store: what is remembered of them
legacy      completions
embeddings  embeddings and moderations; texts: their inputs
models      the list of models
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.openai import models, request
from s4fw.sim.openai.chat import FORM, Chat
from s4fw.sim.openai.embeddings import Embeddings, moderation
from s4fw.sim.openai.form import OpenAIForm
from s4fw.sim.openai.legacy import Completions
from s4fw.sim.openai.responses import Responses
from s4fw.sim.reply import Call, Reply

_RESPONSES = "/v1/responses"
_PAID = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", _RESPONSES)

Handler = Callable[[Call, Faults], Reply]


class OpenAI:
    """Answers every OpenAI call of one simulator; `provider` is who bills it."""

    def __init__(self, engine: Engine, provider: str = "openai") -> None:
        self._engine = engine
        self._provider = provider
        self.responses = Responses(engine, provider)
        self._posts: dict[str, Handler] = {
            "/v1/chat/completions": Chat(engine, provider).answer,
            "/v1/completions": Completions(engine, provider).answer,
            "/v1/embeddings": Embeddings(engine, provider).answer,
            "/v1/moderations": moderation,
            _RESPONSES: self.responses.answer,
            _RESPONSES + "/input_tokens": self.responses.count,
        }

    @staticmethod
    def form(path: str) -> OpenAIForm:
        """The form of errors at a path."""
        return FORM

    @staticmethod
    def is_paid(method: str, path: str) -> bool:
        """Whether calls of this path are in the ledger."""
        return method == "POST" and path in _PAID

    @staticmethod
    def check_key(call: Call, key: str) -> None:
        """Raises ProviderError for a wrong key."""
        if call.headers.get("authorization") != f"Bearer {key}":
            raise ProviderError(401, "Incorrect API key provided.", code="invalid_api_key")

    def answer(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer one call.  Raises ProviderError."""
        handler = self._posts.get(path)
        if handler is not None and call.method == "POST":
            return handler(call, faults)
        if path.startswith(_RESPONSES + "/"):
            return self.responses.stored(call, path, faults)
        if call.method == "GET" and path.startswith("/v1/models"):
            document = models.answer(self._engine.catalogue, path, self._provider)
            body = orjson.dumps(document)
            return Reply(FORM, 200, request.headers(call), body, faults=faults)
        raise ProviderError(404, "Invalid URL", code="unknown_url")
