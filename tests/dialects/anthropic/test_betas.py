"""Betas in the head and in the body: none may make a request dearer than its hold."""

from __future__ import annotations

import json

import pytest

from s4fw.core.request import Request
from s4fw.dialects.anthropic import messages
from s4fw.errors import Refusal

LONG = "context-1m-2025-08-07"


def read(model: str, beta: str | None = None, **fields: object) -> Request:
    """A request with this beta in its head, and these members in its body."""
    headers = {} if beta is None else {b"anthropic-beta": beta.encode()}
    request = Request(b"POST", b"/v1/messages", b"", headers)
    turns = [{"role": "user", "content": "hi"}]
    body = {"model": model, "max_tokens": 5, "messages": turns, **fields}
    request.body = json.dumps(body).encode()
    messages.read(request)
    return request


@pytest.mark.parametrize(
    "model",
    [
        *("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"),
        *("claude-sonnet-4-0", "claude-opus-4-1", "claude-haiku-4-5", "claude-3-7-sonnet-20250219"),
        *("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4@20250514", "my-own"),
    ],
)
@pytest.mark.parametrize(
    "beta",
    [
        LONG,
        f"prompt-caching-2024-07-31, {LONG}",
        f" {LONG} ",
        LONG.upper(),
        "output-128k-2025-02-19",
    ],
)
def test_beta_that_lengthens_is_refused_where_the_row_is_short(model: str, beta: str) -> None:
    """Five times the input at twice the rate, of which a tenth would have been held."""
    with pytest.raises(Refusal, match="not governed"):
        read(model, beta)
    with pytest.raises(Refusal, match="not governed"):
        read(model, anthropic_beta=beta.split(","))
    with pytest.raises(Refusal, match="not governed"):
        read(model, anthropic_beta=beta.split(",")[-1])


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-opus-5", "claude-sonnet-5-5"])
def test_beta_that_lengthens_passes_where_the_row_is_long(model: str) -> None:
    """Applications go on naming it when the model no longer needs it."""
    assert read(model, LONG, anthropic_beta=[LONG]).model == model


@pytest.mark.parametrize("beta", ["interleaved-thinking-2025-05-14", "", "files-api-2025-04-14"])
def test_other_betas_pass(beta: str) -> None:
    """Most of them cost nothing."""
    assert read("claude-sonnet-4-5", beta).output_tokens_max == 5


@pytest.mark.parametrize("value", [[7], 7, {"a": 1}, [[LONG]]])
def test_beta_that_is_no_text_is_refused(value: object) -> None:
    """What another server makes of it is anybody's guess."""
    with pytest.raises(Refusal, match="list of texts"):
        read("claude-sonnet-4-5", anthropic_beta=value)
