"""Recorded lines: what each shape stands for, and what stands for nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from s4fw.replay import lines, records
from s4fw.replay.records import CHAT, MESSAGES, RESPONSES, Asked, BadRecord

_USER = {"role": "user", "content": "hi"}
_SAID = {"role": "assistant", "content": "hello"}


def asked(document: Any) -> list[Asked]:
    """The requests of a line."""
    return list(records.read(json.dumps(document).encode()).requests)


def test_transcript_is_the_requests_that_its_agent_sent() -> None:
    """Each call is a prefix of the transcript, with the session's name and its time."""
    document = {
        "session": "s-1", "model": "gpt-4o", "t": [1.5, 4],
        "messages": [_USER, _SAID, _USER, _SAID], "calls": [1, 3],
    }  # fmt: skip
    first, second = asked(document)
    assert {"model": "gpt-4o", "messages": [_USER]} == json.loads(first.body)
    assert [_USER, _SAID, _USER] == json.loads(second.body)["messages"]
    assert (CHAT, b"s-1", 1500, 4000) == (
        first.path, first.headers[b"x-session-id"], first.at_ms, second.at_ms,
    )  # fmt: skip
    assert (True, False) == (first.begins, second.begins)


def test_transcript_without_calls_has_one_for_each_answer() -> None:
    """Exports of chats know roles only."""
    document = {"session": "s", "messages": [_USER, _SAID, _USER, _SAID]}
    assert [1, 3] == [len(json.loads(one.body)["messages"]) for one in asked(document)]


def test_request_with_the_name_of_its_session_is_one_request() -> None:
    """A flat log line looks like a transcript, but it ends with what waits for an answer."""
    (one,) = asked({"session": "s", "model": "gpt-4o", "messages": [_USER, _SAID, _USER]})
    assert (3, False) == (len(json.loads(one.body)["messages"]), one.begins)


@pytest.mark.parametrize(
    ("document", "path", "tokens_out"),
    [
        ({"model": "gpt-4o", "messages": [_USER]}, CHAT, 0),
        ({"model": "gpt-4o", "input": "hi"}, RESPONSES, 0),
        ({"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [_USER]}, MESSAGES, 0),
        ({"model": "m", "system": "be", "messages": [_USER]}, MESSAGES, 0),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            MESSAGES,
            0,
        ),
        (
            {"custom_id": "1", "url": "/v1/responses", "body": {"model": "m", "input": []}},
            RESPONSES,
            0,
        ),
        ({"custom_id": "1", "params": {"model": "claude-x", "messages": [_USER]}}, MESSAGES, 0),
        (
            {
                "path": "https://gateway/openai/v1/chat/completions?x=1",
                "request": {"model": "claude-behind-openai", "messages": [_USER]},
                "response": {"body": {"usage": {"completion_tokens": 7}}},
            },
            CHAT,
            7,
        ),
    ],
)
def test_request_is_found_in_its_wrapping(document: Any, path: bytes, tokens_out: int) -> None:
    """Batches, gateways and plain logs hold the same bodies."""
    (one,) = asked(document)
    assert (path, tokens_out) == (one.path, one.tokens_out)


def test_headers_are_kept_but_never_a_credential() -> None:
    """They tell tenants and sessions; keys are nobody's business here."""
    headers = {"X-S4FW-Tenant": "acme", "Authorization": "Bearer secret"}
    (one,) = asked({"headers": headers, "body": {"model": "m", "messages": [_USER]}})
    assert {b"x-s4fw-tenant": b"acme"} == dict(one.headers)


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        (1_700_000_000, 1_700_000_000_000),
        (1_700_000_000_123, 1_700_000_000_123),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("yesterday", None),
        (True, None),
    ],
)
def test_time_is_read_in_its_usual_forms(said: Any, at_ms: int | None) -> None:
    """Gaps between requests tell a patient poll from a runaway."""
    (one,) = asked({"timestamp": said, "body": {"model": "m", "messages": [_USER]}})
    assert at_ms == one.at_ms


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [], "calls": [1]}',
        b'{"messages": [1], "calls": ["1"]}',
        b'{"model": 1, "input": "x"}',
    ],
)
def test_line_without_a_request_says_why(line: bytes) -> None:
    """It is counted and left out; its content is not repeated."""
    with pytest.raises(BadRecord, match=r"^(is|has|holds|names) "):
        list(records.read(line).requests)


def test_lines_are_the_same_packed_or_not(tmp_path: Path) -> None:
    """Logs are kept packed; the progress is that of the file."""
    text = b'{"a": 1}\n\n{"b": 2}'
    seen = []
    for name, content in (("plain", text), ("packed", gzip.compress(text))):
        path = tmp_path / name
        path.write_bytes(content)
        counts: list[int] = []
        assert [b'{"a": 1}\n', b'{"b": 2}'] == list(lines.lines_of(path, counts.append))
        seen.append(sum(counts) == len(content))
    assert [True, True] == seen


def test_line_that_is_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by a line, and a line has a bound."""
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 16)
    path = tmp_path / "log"
    path.write_bytes(b"a" * 50 + b"\nshort\n")
    assert [None, b"short\n"] == list(lines.lines_of(path))


def test_packed_file_that_is_cut_raises(tmp_path: Path) -> None:
    """Half a log is not the whole."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-12])
    with pytest.raises(EOFError):
        list(lines.lines_of(path))
