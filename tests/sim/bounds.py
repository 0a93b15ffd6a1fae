"""What the firewall would reserve for the input of a body, as its quote stage adds it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from s4fw.core.request import Request
from s4fw.tokens import BYTES, TokenCounter

# What the quote adds for a model without a public tokenizer: 64 flat, 700 for a hidden prompt that
# explains tools.  Stated once more: a quote that adds less has to be compared anew.
BYTES_EXTRA = 64 + 700

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
NAME = st.text("abcdefghij_", min_size=1, max_size=20)
SCHEMA = st.builds(
    lambda names: {"type": "object", "properties": {name: {"type": "string"} for name in names}},
    st.lists(NAME, max_size=3),
)
THOROUGH = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def bound_of(
    counter: TokenCounter, read: Callable[[Request], None], model: str, body: dict[str, Any]
) -> int:
    """Input tokens that would be held for a body."""
    request = Request(b"POST", b"/", b"", {})
    request.model = model
    request.body = orjson.dumps(body)
    read(request)
    encoding = counter.encoding_for(request.model) or BYTES
    counted = sum(counter.count(encoding, request.body, run, 0, 0) for run in request.runs)
    return counted + request.tokens_extra + (BYTES_EXTRA if encoding is BYTES else 0)
