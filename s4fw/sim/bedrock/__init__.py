"""Bedrock's own endpoints, under /model/: which call goes where.

form          errors and frames; frames: how a frame is written
modelid       what a path names
prompt        pieces of a converse prompt
account       how usage is reported
converse      reads a request and generates; conversation: how one looks
invoke        native bodies; native: those of each family
counting      the free count of tokens
"""

from __future__ import annotations

from s4fw.sim.anthropic.messages import Messages
from s4fw.sim.bedrock import counting, modelid
from s4fw.sim.bedrock.converse import Converse
from s4fw.sim.bedrock.form import FORM, BedrockForm
from s4fw.sim.bedrock.invoke import Invoke
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.reply import Call, Reply

_STREAMED = {"converse-stream", "invoke-with-response-stream"}
_FREE = "/count-tokens"


class Bedrock:
    """Answers every call under /model/ of one simulator."""

    def __init__(self, engine: Engine) -> None:
        messages = Messages(engine, "bedrock")
        self._engine = engine
        self._messages = messages
        self._converse = Converse(engine)
        self._invoke = Invoke(engine, self._converse, messages)

    @staticmethod
    def form(path: str) -> BedrockForm:
        """The form of errors at a path."""
        return FORM

    @staticmethod
    def is_paid(method: str, path: str) -> bool:
        """Whether calls of this path are in the ledger."""
        return not path.endswith(_FREE)

    @staticmethod
    def check_key(call: Call, key: str) -> None:
        """Raises ProviderError for a wrong key."""
        if call.headers.get("authorization") != f"Bearer {key}":
            raise ProviderError(403, "The API key you provided is not valid.")

    def answer(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer one call.  Raises ProviderError."""
        model_id, operation = modelid.split(path)
        is_stream = operation in _STREAMED
        if call.method == "POST" and operation in ("converse", "converse-stream"):
            return self._converse.answer(call, model_id, faults, is_stream=is_stream)
        if call.method == "POST" and operation in ("invoke", "invoke-with-response-stream"):
            return self._invoke.answer(call, model_id, faults, is_stream=is_stream)
        if call.method == "POST" and operation == "count-tokens":
            return counting.answer(
                call, model_id, faults, self._engine, self._converse, self._messages
            )
        raise ProviderError(404, "There is no such operation.", kind="UnknownOperationException")
