"""Refusals and broken streams as Anthropic's SDKs read them."""

import json
from typing import Any

import pytest

from s4fw import errors
from s4fw.core.verdict import Block
from s4fw.dialects.anthropic import envelope
from tests.samples import sample


def test_refusal_over_budget_is_exactly_the_recorded_one() -> None:
    """Status, headers and body as measured against the real SDKs: it raises once, typed."""
    recorded: dict[str, Any] = json.loads(sample("anthropic_messages/budget_exceeded.json"))
    error = recorded["body"]["error"]
    detail = dict(error["s4fw"])
    for name in ("decision", "code", "request_id"):
        del detail[name]
    message = error["message"].removeprefix("S4 Firewall: ").removesuffix(" (request fw_01ABC)")
    block = Block(errors.BUDGET_EXCEEDED, message, detail)
    status, headers, body = envelope.refusal(block, "fw_01ABC")
    assert (recorded["status"], recorded["headers"], recorded["body"]) == (
        status,
        dict(headers),
        json.loads(body),
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (errors.BUDGET_EXCEEDED, 402, "billing_error"),
        (errors.LOOP_DETECTED, 403, "permission_error"),
        (errors.UNBOUNDED_REQUEST, 403, "permission_error"),
        (errors.UNKNOWN_MODEL, 403, "permission_error"),
        (errors.ENDPOINT_NOT_GOVERNED, 403, "permission_error"),
        (errors.INVALID_API_KEY, 401, "authentication_error"),
        (errors.REQUEST_TOO_LARGE, 413, "request_too_large"),
        (errors.INVALID_REQUEST, 400, "invalid_request_error"),
        (errors.DUPLICATE_KEY, 400, "invalid_request_error"),
        (errors.METHOD_NOT_ALLOWED, 405, "invalid_request_error"),
        (errors.RATE_LIMITED, 429, "rate_limit_error"),
        (errors.UPSTREAM_UNREACHABLE, 502, "api_error"),
        (errors.UPSTREAM_TIMEOUT, 504, "timeout_error"),
        (errors.FIREWALL_DRAINING, 503, "api_error"),
        (errors.FIREWALL_UNAVAILABLE, 503, "api_error"),
        (errors.INTERNAL_ERROR, 500, "api_error"),
    ],
)
def test_refusal_has_the_status_and_type_of_its_code(
    code: errors.Code, status: int, kind: str
) -> None:
    """The SDKs choose the exception by status; people read the type."""
    got, headers, body = envelope.refusal(Block(code, "no."), "fw_1")
    answer = json.loads(body)
    assert (status, "error", kind, "fw_1") == (
        got,
        answer["type"],
        answer["error"]["type"],
        answer["request_id"],
    )
    assert code.name == answer["error"]["s4fw"]["code"]
    told = dict(headers)
    assert ("fw_1", "block", code.name) == (
        told["request-id"],
        told["x-s4fw-decision"],
        told["x-s4fw-reason"],
    )
    assert (code.retry is errors.Retry.NEVER) is (told.get("x-should-retry") == "false")
    assert (code.retry is errors.Retry.LATER) is ("retry-after" in told)


def test_refusal_for_now_says_when_to_come_again() -> None:
    """Whole seconds for everybody, milliseconds for the SDKs, which prefer them."""
    block = Block(errors.RATE_LIMITED, "too fast", retry_after_ms=1500)
    told = dict(envelope.refusal(block, "fw_1")[1])
    assert ("2", "1500") == (told["retry-after"], told["retry-after-ms"])


def test_error_event_has_the_event_line_without_which_sdks_pass_over_it() -> None:
    """A stream that only ends raises nothing in the SDKs."""
    event = envelope.error_event(errors.UPSTREAM_CUT, "the upstream closed the connection")
    first, second, *rest = event.split(b"\n")
    assert (b"event: error", [b"", b""]) == (first, rest)
    data = json.loads(second.removeprefix(b"data: "))
    assert {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "S4 Firewall: the upstream closed the connection",
        },
    } == data
