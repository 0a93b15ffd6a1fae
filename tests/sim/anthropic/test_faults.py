"""Faults in Anthropic's shape: what is reported, how streams break, what is billed."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anthropic
import httpx2
import pytest

from tests.harness import Answer, Simulator, fetch
from tests.harness.sdks import anthropic_client

HEADERS = {"anthropic-version": "2023-06-01"}


def _post(simulator: Simulator, fault: str, **more: Any) -> Answer:
    messages = [{"role": "user", "content": "Where is my order?"}]
    body = {"model": "mock-small", "max_tokens": 200, "messages": messages, **more}
    url = simulator.url + "/v1/messages"
    return fetch(url, "POST", body, HEADERS | {"x-sim-fault": fault})


def _usages(answer: Answer) -> list[Any]:
    """The output tokens of each account in a stream."""
    events = answer.events()
    found = [event.get("usage") or event.get("message", {}).get("usage") for event in events]
    return [usage["output_tokens"] for usage in found if usage]


@pytest.mark.parametrize(
    ("fault", "whole", "streamed"),
    [
        ("huge_usage", 10**15, [1, 10**15]),
        ("negative_usage", -64, [1, -64]),
        ("string_usage", "64", [1, "64"]),
        ("usage_mid", 64, [1, 64]),
        ("usage_twice", 64, [1, 32, 64]),
    ],
)
def test_wrong_usage_is_reported_and_the_truth_is_billed(
    simulator: Simulator, fault: str, whole: Any, streamed: list[Any]
) -> None:
    """The simulator lies to the caller, never in its ledger."""
    assert whole == _post(simulator, fault).json()["usage"]["output_tokens"]
    assert streamed == _usages(_post(simulator, fault, stream=True))
    assert [row["output"] for row in simulator.wait_billed(2)["rows"]] == [64, 64]


def test_no_usage_reports_none(simulator: Simulator) -> None:
    """Neither whole nor streamed."""
    assert "usage" not in _post(simulator, "no_usage").json()
    assert _usages(_post(simulator, "no_usage", stream=True)) == []


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("cut:6", pytest.raises(httpx2.TransportError)),
        ("reset_stream:6", pytest.raises(httpx2.TransportError)),
        ("end_early:6", nullcontext()),
        ("error_event:6", pytest.raises(anthropic.APIStatusError, match="overloaded_error")),
    ],
)
def test_broken_stream_bills_what_was_generated(
    simulator: Simulator, fault: str, problem: AbstractContextManager[object]
) -> None:
    """Start, block, ping and 3 words."""
    messages: Any = [{"role": "user", "content": "x"}]
    with anthropic_client(simulator.url, default_headers={"x-sim-fault": fault}) as client, problem:
        for _ in client.messages.create(
            model="mock-small", max_tokens=99, messages=messages, stream=True
        ):
            pass
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["output"], row["outcome"]) == (3, fault.partition(":")[0])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (402, "billing_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_status_is_answered_in_the_envelope(simulator: Simulator, status: int, kind: str) -> None:
    """The type follows from the status; nothing is billed."""
    answer = _post(simulator, f"status:{status}")
    assert (status, kind) == (answer.status, answer.json()["error"]["type"])
    assert ("retry-after" in answer.headers) == (status == 429)
    assert (simulator.ledger()["billed"], simulator.ledger()["unbilled"]) == (0, 1)


def test_dearer_model_answers_and_bills_another_model(simulator: Simulator) -> None:
    """The bill follows the model that ran."""
    answer = _post(simulator, "dearer_model", model="claude-haiku-4-5").json()
    assert answer["model"] == "claude-opus-4-5-20251101"
    (row,) = simulator.wait_billed(1)["rows"]
    assert row["cost_nusd"] == row["uncached_input"] * 5_000 + 64 * 25_000


def test_lines_of_the_stream_end_as_the_fault_says(simulator: Simulator) -> None:
    """CRLF, CR, and comments between events."""
    for fault, end in (("crlf", b"\r\n"), ("cr", b"\r"), ("comments", b"\n")):
        answer = _post(simulator, fault, stream=True, max_tokens=2)
        assert b"event: message_start" + end + b"data: " in answer.body
        assert answer.events()[-1] == {"type": "message_stop"}
