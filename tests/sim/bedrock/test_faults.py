"""Faults in Bedrock's shape: what is reported, how streams break, what is billed."""

from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from tests.harness import Simulator, wait_until
from tests.harness.sdks import bedrock_client, drained


def _events(simulator: Simulator, fault: str) -> list[Any]:
    """The events that the SDK gives before it ends or breaks."""
    simulator.faults(fault)
    client = bedrock_client(simulator.url)
    try:
        messages = [{"role": "user", "content": [{"text": "Where is it?"}]}]
        stream = client.converse_stream(modelId="mock-small", messages=messages)["stream"]
        return drained(stream)
    finally:
        client.close()


def _usages(events: list[Any]) -> list[int]:
    return [e["metadata"]["usage"]["outputTokens"] for e in events if "metadata" in e]


@pytest.mark.parametrize(
    ("fault", "reported"),
    [
        ("huge_usage:1000000", [1_000_000]),
        ("negative_usage", [-64]),
        ("usage_mid", [64]),
        ("usage_twice", [32, 64]),
        ("no_usage", []),
    ],
)
def test_wrong_usage_is_reported_and_the_truth_is_billed(
    simulator: Simulator, fault: str, reported: list[int]
) -> None:
    """The simulator lies to the caller, never in its ledger."""
    assert reported == _usages(_events(simulator, fault))
    assert [row["output"] for row in simulator.wait_billed(1)["rows"]] == [64]


def test_error_event_is_an_exception_frame(simulator: Simulator) -> None:
    """The SDK raises it by its name."""
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        _events(simulator, "error_event:4")
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["output"], row["outcome"]) == (3, "error_event")


def test_end_early_ends_silently(simulator: Simulator) -> None:
    """No metadata, no error: the truth is only in the ledger."""
    events = _events(simulator, "end_early:4")
    assert (len(events), _usages(events)) == (4, [])
    assert [row["output"] for row in simulator.wait_billed(1)["rows"]] == [3]


@pytest.mark.parametrize("fault", ["cut:4", "reset_stream:4"])
def test_broken_connection_bills_what_was_generated(simulator: Simulator, fault: str) -> None:
    """In the middle of a stream of frames."""
    with pytest.raises(Exception, match=r"[Cc]onnection|prematurely"):
        _events(simulator, fault)
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["output"], row["outcome"]) == (3, fault.partition(":")[0])


def test_endless_goes_on_until_the_caller_leaves(simulator: Simulator) -> None:
    """And bills what it said until then, within what was allowed."""
    simulator.faults("endless")
    client = bedrock_client(simulator.url)
    messages = [{"role": "user", "content": [{"text": "Where is it?"}]}]
    bound = {"maxTokens": 9}
    stream = client.converse_stream(modelId="mock-small", messages=messages, inferenceConfig=bound)[
        "stream"
    ]
    for _ in zip(range(30), stream, strict=False):
        pass
    stream.close()
    client.close()
    wait_until(lambda: simulator.ledger()["billed"] == 1, "the call is billed")
    assert [row["output"] for row in simulator.ledger()["rows"]] == [9]
