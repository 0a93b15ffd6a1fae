"""What the simulated applications of the load test say: one function for each shape of a request.

Text only; nothing here knows locust or opens a socket.
"""

from __future__ import annotations

import json
import random
from typing import Any

from load.bench.payloads import prose

CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
CLAUDE = "claude-haiku-4-5"
CLAUDE_AT_BEDROCK = "anthropic.claude-haiku-4-5-20251001-v1:0"
CONVERSE_PATH = f"/model/{CLAUDE_AT_BEDROCK}/converse"
DONE = b"data: [DONE]"
STOPPED = b"event: message_stop"

_ASKED = (
    "Where is my order {0}?",
    "Cancel order {0}, please; it has not been shipped.",
    "The parcel of order {0} came, but it was open. What now?",
    "Send the invoice of order {0} to my new address.",
)
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks an order up.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
    },
}


def question(dice: random.Random) -> str:
    """What a person asks; seldom twice the same."""
    return dice.choice(_ASKED).format(dice.randrange(10**6))


def chat(text: str, model: str = "mock-small", **more: Any) -> dict[str, Any]:
    """One question after a system prompt: 0.7 kB."""
    system = {"role": "system", "content": prose(400)}
    user = {"role": "user", "content": text}
    return {"model": model, "max_tokens": 200, **more, "messages": [system, user]}


def message(text: str, *, is_stream: bool = False) -> dict[str, Any]:
    """The same question in Anthropic's shape."""
    body = {"model": CLAUDE, "max_tokens": 200, "system": prose(400)}
    return body | {"messages": [{"role": "user", "content": text}], "stream": is_stream}


def converse(text: str) -> dict[str, Any]:
    """The same question in the shape of Bedrock's Converse."""
    return {
        "system": [{"text": prose(400)}],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": 200},
    }


class Transcript:
    """An agent's conversation, which is sent whole with every turn; results of 1.5 kB."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._messages: list[dict[str, Any]] = [
            {"role": "system", "content": prose(2000)},
            {"role": "user", "content": question(dice)},
        ]
        self.turns = 0

    def body(self) -> dict[str, Any]:
        """The request of this turn."""
        bounds = {"max_tokens": 300, "tools": [_TOOL]}
        return {"model": "mock-small", **bounds, "messages": list(self._messages)}

    def go_on(self) -> None:
        """The model called the tool, and this is what it found."""
        self.turns += 1
        call_id, order = f"call_{self.turns}", str(self._dice.randrange(10**6))
        function = {"name": "look_up", "arguments": json.dumps({"order": order})}
        call = {"id": call_id, "type": "function", "function": function}
        found = f"{order}: {prose(self._dice.randrange(1200, 1800))}"
        self._messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call_id, "content": found},
        ]
