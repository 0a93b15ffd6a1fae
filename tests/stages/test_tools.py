"""What the ledger is told of the tools that a request offers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.request import Request, Run
from s4fw.dialects import ROUTES
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.table import Table
from s4fw.ledger.window import Clock, boot_ns
from s4fw.stages.tools import Tools, joined, name_of

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]


@pytest.fixture
def budgets(tmp_path: Path) -> Iterator[Budgets]:
    with Table.create(tmp_path / "table", slots=2, cells=16, leases=8, values=64, rows=16) as table:
        table.join(0)
        yield Budgets(table, [], Clock(-boot_ns()), "v1")


def exchange(name: bytes, values: list[Any]) -> Exchange:
    """A request whose tools are these; a dialect made runs of them as of any list."""
    request = Request(b"POST", b"/v1/chat/completions", b"", {})
    request.body = json.dumps(values).encode()
    spans, at = [], 1
    for value in values:
        end = at + len(json.dumps(value))
        spans.append((at, end))
        at = end + 2
    digests = [json.dumps(values[: n + 1]).encode() for n in range(len(values))]
    request.runs = [Run(b"m", [(0, 1)], [b"x"], _unused), Run(name, spans, digests, _unused)]
    return Exchange(CHAT, request)


def _unused(value: Any) -> tuple[list[str], int]:
    raise AssertionError


def seen(budgets: Budgets, name: bytes, values: list[Any], *, keeps_names: bool) -> tuple[int, str]:
    x = exchange(name, values)
    assert Tools(budgets, keeps_names).admit(x) is None
    text = budgets._table.value(x.tools_id)[1].decode() if x.tools_id else ""
    return x.tools, text


OPENAI = [{"type": "function", "function": {"name": n}} for n in ("search", "read")]
ANTHROPIC = [{"name": "search", "input_schema": {}}, {"type": "bash_20250124", "name": "bash"}]
BEDROCK = [{"tools": [{"toolSpec": {"name": "search"}}, {"cachePoint": {}}]}]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        (b"t", OPENAI, (2, "read,search")),
        (b"at", ANTHROPIC, (2, "bash,search")),
        (b"bt", BEDROCK, (2, "?,search")),
        (b"T", [{"type": "web_search"}], (1, "web_search")),
        (b"t", [], (0, "")),
    ],
)
def test_tools_are_counted_and_named_in_each_dialect(
    budgets: Budgets, name: bytes, values: list[Any], expected: tuple[int, str]
) -> None:
    """Whoever looks for an agent that grew a tool compares these."""
    assert expected == seen(budgets, name, values, keeps_names=True)
    assert (expected[0], "") == seen(budgets, name, values, keeps_names=False)


def test_name_that_is_no_name_is_not_kept() -> None:
    """A name is the one text of a caller that the ledger may hold: it must not carry a prompt."""
    assert "?" == name_of({"name": "please summarise this: Dear Sir"})
    assert "?" == name_of("search")


def test_names_that_do_not_fit_are_counted() -> None:
    """A value of the table has 128 bytes."""
    names = [f"tool-with-a-long-name-{n:02d}" for n in range(20)]
    text = joined(names).decode()
    assert len(text) <= 128
    kept = text.split(",")
    assert names[: len(kept) - 1] == kept[:-1]
    assert f"+{20 - len(kept) + 1}" == kept[-1]
