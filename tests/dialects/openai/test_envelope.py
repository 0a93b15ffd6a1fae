"""Refusals as OpenAI's SDKs read them."""

import json

import pytest

from s4fw import errors
from s4fw.core.verdict import Block
from s4fw.dialects.openai import envelope


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (errors.BUDGET_EXCEEDED, 402, "insufficient_quota"),
        (errors.INVALID_API_KEY, 401, "authentication_error"),
        (errors.INVALID_SIGNATURE, 401, "authentication_error"),
        (errors.INVALID_REQUEST, 400, "invalid_request_error"),
        (errors.UNKNOWN_MODEL, 403, "policy_violation"),
        (errors.UPSTREAM_CUT, 502, "server_error"),
        (errors.FIREWALL_OVERLOADED, 503, "server_error"),
    ],
)
def test_refusal_has_the_status_and_type_of_its_code(
    code: errors.Code, status: int, kind: str
) -> None:
    """The SDKs choose the exception by status; people read the type."""
    got, headers, body = envelope.refusal(Block(code, "no."), "fw_1")
    error = json.loads(body)["error"]
    assert (status, kind, code.name, "fw_1") == (
        got,
        error["type"],
        error["code"],
        error["s4fw"]["request_id"],
    )
    assert (401 == status) == ("www-authenticate" in dict(headers))
    assert "S4 Firewall: no. (request fw_1)" == error["message"]


@pytest.mark.parametrize(
    ("told", "block"),
    [
        (("1", "1000"), Block(errors.RATE_LIMITED, "slow down")),
        (("7", "7000"), Block(errors.RATE_LIMITED, "slow down", retry_after_s=7)),
        (("3", "2500"), Block(errors.RATE_LIMITED, "slow down", retry_after_ms=2500)),
    ],
)
def test_refusal_for_now_says_when(told: tuple[str, str], block: Block) -> None:
    """Seconds for everyone, milliseconds for the SDKs, which prefer them."""
    headers = dict(envelope.refusal(block, "fw_1")[1])
    assert told == (headers["retry-after"], headers["retry-after-ms"])
    assert "x-should-retry" not in headers


def test_refusal_for_good_says_so() -> None:
    """The SDKs obey the field, whatever the status."""
    headers = dict(envelope.refusal(Block(errors.BUDGET_EXCEEDED, "no."), "fw_1")[1])
    assert "false" == headers["x-should-retry"]
    assert "retry-after" not in headers
