"""Counts, not content: a canary in every field, on every way an exchange can end, is kept nowhere.

Looked for in the file of the table (cells, values, leases, journal), in journal rows as records and
in log lines, those of exceptions included.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.observe.log import JsonLines
from tests.playbook import Play
from tests.samples import sample

CANARY = "kAnArI-7f3"
BUDGETS = [{"id": "all", "per": [], "window": "total", "limit_usd": 100}]
# Every member that chat requests may have, with a shape of its own kind around each text.
REQUEST: dict[str, Any] = {
    **json.loads(sample("openai_chat/request.json")),
    "model": "mock-small",
    "messages": [
        {"role": "system", "content": "text", "name": "text"},
        {"role": "user", "content": [{"type": "text", "text": "text"}]},
        {
            "role": "assistant",
            "content": None,
            "refusal": "text",
            "tool_calls": [
                {"id": "text", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "text", "content": "text"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "text",
                "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
            },
        }
    ],
    "metadata": {"text": "text"},
    "user": "text",
    "stop": ["text"],
    "response_format": {"type": "text"},
    "safety_identifier": "text",
    "prompt_cache_key": "text",
    "unknown_member": {"text": ["text"]},
    "max_tokens": 5,
}
Path_ = tuple[str | int, ...]


def leaves(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The way to each text, number and name of a member."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*at, name)
            yield from leaves(member, (*at, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*at, i))
    else:
        yield at


def planted(value: Any, way: Path_, as_name: bool = False) -> Any:
    """A copy with the canary as the value at the end of the way, or as the name of it."""
    if not way:
        return CANARY
    if as_name and len(way) == 1 and isinstance(value, dict):
        return {(CANARY if name == way[0] else name): member for name, member in value.items()}
    if isinstance(value, dict):
        assert isinstance(way[0], str)
        return {**value, way[0]: planted(value[way[0]], way[1:], as_name)}
    assert isinstance(way[0], int)
    return [planted(x, way[1:], as_name) if i == way[0] else x for i, x in enumerate(value)]


class Witness:
    """A play whose log is kept, and that looks for the canary afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stream = io.StringIO()
        self.play = Play(folder, BUDGETS)
        self.tail = 0

    def finish(self, x: Exchange, reason: Reason = Reason.USAGE) -> None:
        """End an exchange that was not refused."""
        if x.block is None:
            self.play.end(x, reason)
        self.drain()

    def drain(self) -> None:
        """Rows as the steward gets them; their bytes stay in the file."""
        table = self.play.table
        rows, self.tail = table.drain(0, self.tail, 64)
        assert CANARY.encode() not in rows
        table.advance_tail(0, self.tail)

    def look(self) -> None:
        """The canary is nowhere, and all rows were looked at."""
        self.drain()
        assert CANARY.encode() not in (self.folder / "table").read_bytes()
        assert self.tail > 0
        assert self.play.table.slots()[0].dropped == 0
        assert CANARY not in self.stream.getvalue()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """All loggers write through the formatter, at the finest level."""
    made = Witness(tmp_path)
    handler = logging.StreamHandler(made.stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    root.setLevel(logging.DEBUG)
    root.handlers[:] = [handler]
    with made.play:
        yield made
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_canary_is_seen_where_it_may_be_kept(witness: Witness) -> None:
    """A test of the test: a label that the caller names is kept, and would be found."""
    witness.finish(witness.play.ask(headers={"x-s4fw-session": CANARY}))
    with pytest.raises(AssertionError):
        witness.look()


@pytest.mark.parametrize("as_name", [False, True], ids=["value", "name"])
def test_canary_in_every_field_of_a_request_is_kept_nowhere(
    witness: Witness, as_name: bool
) -> None:
    """As a text, as the name of a member, in the place of a number: accepted or refused."""
    refused = 0
    for way in leaves(REQUEST):
        x = witness.play.ask(body=json.dumps(planted(REQUEST, way, as_name)).encode())
        refused += x.block is not None
        if x.block is None:
            witness.play.send(x)
            repr(x)
            logging.getLogger("s4fw.tested").error("failed: %s", x, extra={"request": x})
        witness.finish(x, Reason.CLIENT_GONE)
    assert refused >= 5
    witness.look()


@pytest.mark.parametrize("body", [b'{"%s' % CANARY.encode(), CANARY.encode(), b'{"a":1,"a":"%s"}'])
def test_canary_in_a_body_that_cannot_be_read_is_kept_nowhere(
    witness: Witness, body: bytes
) -> None:
    """A parser's complaint quotes what it met: ours must not."""
    x = witness.play.ask(body=body.replace(b"%s", CANARY.encode()))
    assert x.block is not None
    assert CANARY not in x.block.message
    witness.look()


def test_canary_in_headers_and_path_is_kept_nowhere(witness: Witness) -> None:
    """Credentials and agents of callers, and what they think a label may be."""
    for name in ("authorization", "x-api-key", "user-agent", "cookie", "x-s4fw-tenant"):
        value = f"Bearer {CANARY}" if name == "authorization" else f"{CANARY} \x7f"
        witness.finish(witness.play.ask(headers={name: value}))
    witness.look()


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 504])
def test_canary_in_every_field_of_an_answer_is_kept_nowhere(witness: Witness, status: int) -> None:
    """Answers, error bodies, and what is no JSON at all."""
    answer = json.loads(sample("openai_chat/response.json"))
    error = {"error": {"message": "m", "type": "t", "param": None, "code": "c"}}
    whole = answer if status == 200 else error
    bodies = [json.dumps(planted(whole, way)).encode() for way in leaves(whole)]
    for body in [*bodies, CANARY.encode(), b'{"usage": "%s' % CANARY.encode()]:
        x = witness.play.ask(max_tokens=5)
        witness.play.answer(x, body, status=status)
        witness.finish(x)
    witness.look()


@pytest.mark.parametrize("reason", [Reason.USAGE, Reason.UPSTREAM_CUT, Reason.CLIENT_GONE])
def test_canary_in_every_event_of_a_stream_is_kept_nowhere(
    witness: Witness, reason: Reason
) -> None:
    """Each event in turn, cut in the middle of the canary as well."""
    lines = sample("openai_chat/stream_text.sse").splitlines(keepends=True)
    for i, line in enumerate(lines):
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        for way in leaves(event):
            changed = b"data: " + json.dumps(planted(event, way)).encode() + b"\n"
            x = witness.play.ask(max_tokens=5, stream=True)
            chunks = [*lines[:i], changed[:-9], changed[-9:], *lines[i + 1 :]]
            witness.play.answer(x, *chunks)
            witness.finish(x, reason)
    witness.look()
