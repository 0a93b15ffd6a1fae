"""Tools: how many a request offers, and which, for the ledger.  Only where a ledger is kept.

Agents send the same tools with every call, so what they are is remembered by the digest that the
reader of the body made of them.  Names go into the shared table as one value of at most 128 bytes:
in order, as many as fit, and how many more there are.
"""

from __future__ import annotations

import re
from time import monotonic
from typing import Any, Final

import orjson

from s4fw.core.exchange import Exchange
from s4fw.core.request import Run
from s4fw.core.stage import Stage
from s4fw.core.verdict import Verdict
from s4fw.ledger.budgets import Budgets

# Runs of a body that are its tools: one value for each, or all in one value (Bedrock's).
_LISTS: Final = frozenset({b"t", b"T", b"at"})
_WHOLE: Final = b"bt"
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")  # what providers take, and no more
_BYTES_MAX: Final = 128
_MOST: Final = 65_535
REMEMBERED_MAX: Final = 10_000
# Ids that nobody uses for hours are given to others: those here are asked for again before.
REMEMBERED_S: Final = 600.0


class Tools(Stage):
    """Counts tools, and keeps their names where the configuration says so."""

    name = "tools"

    def __init__(self, budgets: Budgets, keeps_names: bool) -> None:
        self._budgets = budgets
        self._keeps_names = keeps_names
        self._known: dict[bytes, tuple[int, int]] = {}  # digest -> how many, value id
        self._known_until_s = 0.0

    def admit(self, x: Exchange) -> Verdict:
        """Fill `tools` and `tools_id`; refuses nothing."""
        for run in x.request.runs:
            if run.name in _LISTS or run.name == _WHOLE:
                count, value_id = self._counted(run, x.request.body)
                x.tools = min(_MOST, x.tools + count)
                x.tools_id = value_id or x.tools_id
        return None

    def _counted(self, run: Run, body: bytes | bytearray) -> tuple[int, int]:
        if not run.digests:
            return 0, 0
        if run.name != _WHOLE and not self._keeps_names:
            return len(run.spans), 0
        now_s = monotonic()
        if now_s > self._known_until_s or len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
            self._known_until_s = now_s + REMEMBERED_S
        digest = run.name + run.digests[-1]
        known = self._known.get(digest)
        if known is None:
            known = self._known[digest] = self._read(run, body)
        return known

    def _read(self, run: Run, body: bytes | bytearray) -> tuple[int, int]:
        values = [orjson.loads(memoryview(body)[start:end]) for start, end in run.spans]
        tools = _listed(values[0]) if run.name == _WHOLE else values
        if not self._keeps_names or not tools:
            return len(tools), 0
        text = joined(sorted({name_of(tool) for tool in tools}))
        return len(tools), self._budgets.tools_id(text)


def _listed(config: Any) -> list[Any]:
    """The tools of Bedrock's `toolConfig`."""
    tools = config.get("tools") if isinstance(config, dict) else None
    return tools if isinstance(tools, list) else []


def name_of(tool: Any) -> str:
    """What a tool is called in any dialect; its kind where it has no name, `?` for neither."""
    if not isinstance(tool, dict):
        return "?"
    inner = tool.get("function") or tool.get("toolSpec") or tool.get("custom")
    named = inner if isinstance(inner, dict) else tool
    name = named.get("name") or tool.get("type")
    return name if isinstance(name, str) and _NAME.fullmatch(name) is not None else "?"


def joined(names: list[str]) -> bytes:
    """The names with commas between, as many as fit; `+3` at the end: so many more."""
    text = ",".join(names)
    kept = len(names)
    while len(text) > _BYTES_MAX:
        kept -= 1
        text = ",".join([*names[:kept], f"+{len(names) - kept}"])
    return text.encode()
