"""The Node SDKs, through the scripts in node/: each answers jobs for as long as it is wanted."""

from __future__ import annotations

import json
import select
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.sdk.ask import Ask, Door, HttpAnswer, Problem, Seen
from tests.sdk.clients.anthropic_sdk import Messages, messages_arguments
from tests.sdk.clients.client import Client
from tests.sdk.clients.openai_sdk import CLASSES, Chat, Embeddings, Responses

FOLDER = Path(__file__).parents[1] / "node"
_ANSWER_TIMEOUT_S = 60.0


class NodeSdk(Client):
    """One call of one SDK; what it is asked with is what its sibling in Python asks with."""

    script: str
    call_name: str

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def arguments(self, ask: Ask) -> dict[str, Any]:
        """The arguments of the call; they are the same in both languages."""
        raise NotImplementedError

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        job = {
            "call": self.call_name,
            "door": asdict(door),
            "retries": ask.retries,
            "timeout_ms": ask.timeout_s * 1000,
            "is_streamed": ask.is_streamed,
            "arguments": self.arguments(ask),
        }
        told = self._tell(json.dumps(job))
        seen.text, seen.usage, seen.pieces = told["text"], told["usage"], told["pieces"]
        seen.tool = None if told["tool"] is None else tuple(told["tool"])
        seen.problem = None if told["problem"] is None else Problem(**told["problem"])
        seen.answers.extend(HttpAnswer(**answer) for answer in told["answers"])

    def problem(self, raised: Exception) -> Problem:
        raise raised  # those of the SDK come as part of what was seen

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=5.0)  # its stdin ends, and so does the script
            assert 0 == self._process.returncode

    def _tell(self, job: str) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(
                ["node", self.script],
                cwd=FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(job + "\n")
        stdin.flush()
        assert select.select([stdout], [], [], _ANSWER_TIMEOUT_S)[0], f"{self.script} is silent"
        line = stdout.readline()
        assert line, f"{self.script} has ended: see its stderr"
        return json.loads(line)


class NodeOpenAI(NodeSdk):
    """What the calls of OpenAI's SDK share."""

    script = "openai.mjs"
    dialect = "openai"
    classes = CLASSES | {402: "APIError"}
    cut_class = "APIError"
    timeout_class = "APIConnectionTimeoutError"


class NodeChat(NodeOpenAI):
    """`client.chat.completions.create`."""

    name = "node.openai.chat"
    model = Chat.model
    call_name = "chat"

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return Chat().arguments(ask)


class NodeResponses(NodeOpenAI):
    """`client.responses.create`."""

    name = "node.openai.responses"
    model = Responses.model
    call_name = "responses"
    cut_class = Responses.cut_class

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return Responses().arguments(ask)


class NodeEmbeddings(NodeOpenAI):
    """`client.embeddings.create`."""

    name = "node.openai.embeddings"
    model = Embeddings.model
    call_name = "embeddings"
    cannot = Embeddings.cannot

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return Embeddings().arguments(ask)


class NodeMessages(NodeSdk):
    """`client.messages.create` and `client.messages.stream`."""

    name = "node.anthropic.messages"
    script = "anthropic.mjs"
    dialect = "anthropic"
    model = Messages.model
    call_name = "messages"
    classes = Messages.classes
    cut_class = "APIError"
    timeout_class = "APIConnectionTimeoutError"

    def arguments(self, ask: Ask) -> dict[str, Any]:
        return messages_arguments(ask, self.model)
