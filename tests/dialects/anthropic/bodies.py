"""Requests as the tests of this folder write them: what they say beside a model and a message."""

import json
from typing import Any

from s4fw.core.request import Request
from s4fw.dialects.anthropic import messages

BASE: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}


def read(body: bytes | dict[str, Any], without: tuple[str, ...] = ()) -> Request:
    """Read a body, given as bytes or as what it says beside the base."""
    request = Request(b"POST", b"/v1/messages", b"", {})
    if isinstance(body, bytes):
        request.body = body
    else:
        whole = {name: value for name, value in (BASE | body).items() if name not in without}
        request.body = json.dumps(whole).encode()
    messages.read(request)
    return request


def saying(*blocks: Any) -> dict[str, Any]:
    """A request of one message with these blocks."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}
