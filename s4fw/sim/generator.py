"""Generates answers: words drawn by seed and content, or a call of a tool that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from s4fw.sim.choice import LENGTH, STOP, TOOL, Choice, ToolCall
from s4fw.sim.faults import Faults
from s4fw.sim.orders import Orders
from s4fw.sim.prompt import Prompts
from s4fw.sim.words import words

_CALL_TOKENS = 8  # what surrounds the name and the arguments of a call


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller would run."""

    name: str
    schema: Mapping[str, Any]


@dataclass(slots=True)
class Task:
    """What is to be generated.  `content` identifies the request: the same content, the same words.

    `allowed` is the most tokens of one choice, `thinking` how many it thinks before it speaks,
    `tool` what the request itself demands: a name, empty for any, None for no demand.
    """

    model: str
    content: Any
    allowed: int
    thinking: int = 0
    count: int = 1
    tools: Sequence[Tool] = ()
    tool: str | None = None
    is_tool_barred: bool = False
    prefix: str = "call_"  # of a tool call's id


class Generator:
    """Generates for every API of one simulator; `output_tokens` unless told otherwise."""

    def __init__(self, prompts: Prompts, *, seed: int, output_tokens: int) -> None:
        self._prompts = prompts
        self._seed = seed.to_bytes(8, "big")
        self._output_tokens = output_tokens

    def choices(self, task: Task, orders: Orders, faults: Faults) -> list[Choice]:
        """Generate the answer: `task.count` choices that differ."""
        ordered = orders.number("output")
        wanted = self._output_tokens if ordered is None else ordered
        allowed = task.allowed
        if "full" in faults:
            wanted = allowed
        if "overrun" in faults:
            wanted = allowed = allowed * (faults.number("overrun") or 1)
        seed = self._seed + orjson.dumps([task.model, task.content])
        made = []
        for index in range(task.count):
            digest = blake2b(seed, digest_size=12, salt=index.to_bytes(2, "big")).digest()
            choice = self._tool_choice(task, index, digest, orders, allowed)
            made.append(choice or _text_choice(index, digest, task.thinking, wanted, allowed))
        return made

    def _tool_choice(
        self, task: Task, index: int, digest: bytes, orders: Orders, allowed: int
    ) -> Choice | None:
        """A call of the tool that is asked for; None when none is, or when it does not fit."""
        tool = _tool_asked(task, orders)
        if tool is None:
            return None
        arguments = orjson.dumps(_sample(tool.schema)).decode()
        tokens = self._prompts.text_tokens(task.model, tool.name + arguments) + _CALL_TOKENS
        if tokens > allowed:
            return None
        call = ToolCall(task.prefix + digest.hex(), tool.name, arguments)
        return Choice(index, tokens, TOOL, tool_call=call)


def _tool_asked(task: Task, orders: Orders) -> Tool | None:
    name = orders.tool if task.tool is None else task.tool
    if name == "" and orders.tool:
        name = orders.tool
    if not task.tools or name is None or task.is_tool_barred:
        return None
    return next((tool for tool in task.tools if tool.name == name), task.tools[0])


def _text_choice(index: int, digest: bytes, thinking: int, wanted: int, allowed: int) -> Choice:
    """Words, after thinking; both together stay within what is allowed."""
    visible = max(0, min(wanted, allowed - thinking))
    tokens = min(thinking + visible, allowed)
    finish = LENGTH if thinking + wanted > allowed else STOP
    return Choice(index, tokens, finish, words(digest, visible))


def _sample(schema: Mapping[str, Any]) -> Any:
    """A value that fits a JSON schema well enough for a tool call."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _sample(part) for name, part in properties.items()}
    samples: dict[str, Any] = {"string": "sample", "integer": 1, "number": 1.5, "boolean": True}
    return samples.get(kind, [] if kind == "array" else None)
