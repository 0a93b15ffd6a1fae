"""One recorded line: a session's transcript, or a request as a log keeps it.

Known shapes, each a JSON object a line:

transcript   {"messages": [...], "calls": [2, 4, ...], "session", "model"}: request i is
             messages[:calls[i]], of a chat; where `calls` is absent and the last message is the
             assistant's, each message of the assistant was a call's answer; "t": seconds of each
             call
request      the body of a request of OpenAI's (chat, responses) or Anthropic's API
wrapped      such a body under "body", "request" or "params", beside "url" or "path", "headers",
             "session", "timestamp", "response" (whose usage tells the output tokens): the input
             files of both batch APIs, and what gateways log
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

CHAT = b"/v1/chat/completions"
RESPONSES = b"/v1/responses"
MESSAGES = b"/v1/messages"
GAP_MS = 1_000  # between requests whose times are not known
# Between sessions of which each has a line: what they have in common is no storm of one moment.
SESSIONS_GAP_MS = 3_600_000

_BODIES = ("body", "request", "params")
_SESSIONS = ("session", "session_id", "conversation_id", "trace_id")
_TIMES = ("timestamp", "created_at", "created", "time", "t")
_BLOCKS = frozenset({"tool_use", "tool_result", "thinking"})


class BadRecord(Exception):
    """A line that stands for no request; the sentence says why, without its content."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.  `at_ms` counts from anywhere; None where the time is not known."""

    path: bytes
    body: bytes
    model: str
    headers: Mapping[bytes, bytes]
    at_ms: int | None = None
    tokens_out: int = 0  # as the recorded answer says
    call: int = 0  # its place in its session, where one line holds a session
    begins: bool = False  # a session that lies by itself in its line


@dataclass(frozen=True, slots=True)
class Record:
    """What one line holds: a session, or one request (`is_whole` False)."""

    session: str  # empty where the line does not say
    is_whole: bool
    requests: Iterator[Asked]
    members: Mapping[str, Any] = field(default_factory=dict)


def read(line: bytes) -> Record:
    """Read a line.  Raises BadRecord."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadRecord("is not JSON") from None
    if not isinstance(document, dict):
        raise BadRecord("is no object")
    if _is_transcript(document):
        return _transcript(document)
    body = next((document[k] for k in _BODIES if isinstance(document.get(k), dict)), document)
    if not isinstance(body.get("messages", body.get("input")), list | str):
        raise BadRecord("holds neither messages nor input")
    return _logged(document, body)


# -- transcripts ---


def _is_transcript(document: Mapping[str, Any]) -> bool:
    """Whether a line holds a session: it says where its calls were, or it ends with an answer, as
    no request of an agent does."""
    messages = document.get("messages")
    if not isinstance(messages, list):
        return False
    if isinstance(document.get("calls"), list):
        return True
    last = messages[-1] if messages else None
    ends_answered = isinstance(last, dict) and last.get("role") == "assistant"
    return ends_answered and _named(document) != ""


def _transcript(document: Mapping[str, Any]) -> Record:
    session = _named(document)
    calls = document.get("calls")
    messages = document["messages"]
    if calls is None:
        calls = [
            at
            for at, message in enumerate(messages)
            if isinstance(message, dict) and message.get("role") == "assistant"
        ]
    if not all(isinstance(end, int) and 0 < end <= len(messages) for end in calls):
        raise BadRecord("has calls that are no places in its messages")
    return Record(session, True, _growing(document, session, messages, calls), document)


def _growing(
    document: Mapping[str, Any], session: str, messages: list[Any], calls: list[int]
) -> Iterator[Asked]:
    """The requests of a transcript: each message is written once, each body put together."""
    model = str(document.get("model") or "")
    headers = _headers(document, session)
    times = document.get("t")
    written = [orjson.dumps(message) for message in messages]
    head = b'{"model":%b,"messages":[' % orjson.dumps(model)
    for call, end in enumerate(calls):
        at = times[call] if isinstance(times, list) and call < len(times) else None
        at_ms = int(at * 1000) if isinstance(at, int | float) else None
        body = b"%b%b]}" % (head, b",".join(written[:end]))
        yield Asked(CHAT, body, model, headers, at_ms, 0, call, call == 0)


# -- requests ---


def _logged(document: Mapping[str, Any], body: Mapping[str, Any]) -> Record:
    session = _named(document)
    model = body.get("model")
    if not isinstance(model, str):
        raise BadRecord("names no model")
    asked = Asked(
        _path(document, body),
        orjson.dumps(body),
        model,
        _headers(document, session),
        _time_ms(document),
        _tokens_out(document),
    )
    return Record(session, False, iter((asked,)), {})


def _path(document: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    """Where the request went: as the log says, else by its shape."""
    said = document.get("url") or document.get("path")
    if isinstance(said, str):
        for path in (CHAT, RESPONSES, MESSAGES):
            if said.partition("?")[0].endswith(path.decode()[3:]):
                return path
    if "messages" not in body:
        return RESPONSES
    return MESSAGES if _is_of_anthropic(body) else CHAT


def _is_of_anthropic(body: Mapping[str, Any]) -> bool:
    if "system" in body or "anthropic_version" in body or str(body["model"]).startswith("claude"):
        return True
    for message in body["messages"]:
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict) and block.get("type") in _BLOCKS:
                return True
    return False


def _named(document: Mapping[str, Any]) -> str:
    for name in _SESSIONS:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _headers(document: Mapping[str, Any], session: str) -> dict[bytes, bytes]:
    """The recorded header fields, and the session as one where the line names it."""
    given = document.get("headers")
    headers: dict[bytes, bytes] = {}
    if isinstance(given, dict):
        for name, value in given.items():
            if isinstance(value, str) and "authorization" not in name.lower():
                headers[name.lower().encode()] = value.encode()
    for name in ("tenant", "feature"):
        value = document.get(name)
        if isinstance(value, str) and value:
            headers[b"x-s4fw-" + name.encode()] = value.encode()
    if session:
        headers.setdefault(b"x-session-id", session.encode())
    return headers


def _time_ms(document: Mapping[str, Any]) -> int | None:
    for name in _TIMES:
        value = document.get(name)
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            return int(value) if value > 1e11 else int(value * 1000)  # milliseconds, or seconds
        if isinstance(value, str):
            try:
                return int(datetime.fromisoformat(value).timestamp() * 1000)
            except ValueError:
                continue
    return None


def _tokens_out(document: Mapping[str, Any]) -> int:
    """Output tokens, where the log holds the answer's usage."""
    answer = document.get("response")
    if isinstance(answer, dict) and isinstance(answer.get("body"), dict):
        answer = answer["body"]
    for holder in (answer, document):
        usage = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(usage, dict):
            for name in ("completion_tokens", "output_tokens"):
                if isinstance(usage.get(name), int):
                    return int(usage[name])
    return 0
