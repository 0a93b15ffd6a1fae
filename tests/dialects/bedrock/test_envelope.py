"""Refusals and broken streams as botocore understands them."""

import json
from typing import Any

import pytest
from botocore.eventstream import (
    ChecksumMismatch,  # type: ignore[import-untyped]
    EventStreamBuffer,
)
from botocore.parsers import create_parser  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from s4fw import errors
from s4fw.core.verdict import Block
from s4fw.dialects import eventstream
from s4fw.dialects.bedrock import envelope
from s4fw.errors import Code
from tests.dialects.bedrock.calls import BEDROCK, exchange
from tests.samples import sample

CODES = [code for code in vars(errors).values() if isinstance(code, Code)]


def botocore_reads(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """What the SDK makes of an answer."""
    operation = Session().get_service_model("bedrock-runtime").operation_model("Converse")
    raw = {"status_code": status, "headers": dict(headers), "body": body}
    parsed = create_parser("rest-json").parse(raw, operation.output_shape)
    assert isinstance(parsed, dict)
    return parsed


def test_refusal_over_budget_is_the_recorded_one() -> None:
    """Verified with boto3: raises ServiceQuotaExceededException, once."""
    recorded = json.loads(sample("bedrock_converse/budget_exceeded.json"))
    message = recorded["body"]["message"].removeprefix("S4 Firewall: ")
    detail = {
        name: value
        for name, value in recorded["body"]["s4fw"].items()
        if name not in ("decision", "code", "request_id")
    }
    block = Block(errors.BUDGET_EXCEEDED, message.removesuffix(" (request fw_01ABC)"), detail)
    status, headers, body = envelope.refusal(block, "fw_01ABC")
    assert recorded["status"] == status
    assert recorded["headers"] == dict(headers)
    assert recorded["body"] == json.loads(body)


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        (400, "ServiceQuotaExceededException", errors.BUDGET_EXCEEDED),
        (403, "AccessDeniedException", errors.LOOP_DETECTED),
        (403, "AccessDeniedException", errors.FROZEN),
        (403, "AccessDeniedException", errors.UNKNOWN_MODEL),
        (403, "AccessDeniedException", errors.MODEL_NOT_ALLOWED),
        (403, "AccessDeniedException", errors.UNBOUNDED_REQUEST),
        (403, "AccessDeniedException", errors.ENDPOINT_NOT_GOVERNED),
        (403, "AccessDeniedException", errors.ATTRIBUTION_CONFLICT),
        (429, "ThrottlingException", errors.RATE_LIMITED),
        (403, "UnrecognizedClientException", errors.INVALID_API_KEY),
        (403, "InvalidSignatureException", errors.INVALID_SIGNATURE),
        (413, "ValidationException", errors.REQUEST_TOO_LARGE),
        (400, "ValidationException", errors.INVALID_REQUEST),
        (400, "ValidationException", errors.DUPLICATE_KEY),
        (405, "ValidationException", errors.METHOD_NOT_ALLOWED),
        (503, "ServiceUnavailableException", errors.UPSTREAM_UNREACHABLE),
        (408, "ModelTimeoutException", errors.UPSTREAM_TIMEOUT),
        (424, "ModelErrorException", errors.UPSTREAM_CUT),
        (424, "ModelErrorException", errors.UPSTREAM_INVALID),
        (503, "ServiceUnavailableException", errors.FIREWALL_DRAINING),
        (503, "ServiceUnavailableException", errors.FIREWALL_UNAVAILABLE),
        (500, "InternalServerException", errors.INTERNAL_ERROR),
    ],
)
def test_refusal_has_the_status_and_class_of_its_kind(status: int, name: str, code: Code) -> None:
    """botocore picks the class by the header field and retries by the status."""
    given, headers, body = envelope.refusal(Block(code, "no."), "fw_1")
    assert status == given
    parsed = botocore_reads(given, headers, body)
    assert name == parsed["Error"]["Code"]
    assert "S4 Firewall: no. (request fw_1)" == parsed["Error"]["Message"]
    assert "fw_1" == parsed["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_refusal_that_cannot_succeed_is_not_repeated_by_botocore(code: Code) -> None:
    """It repeats 429 and 5xx whatever else it is told."""
    status, headers, body = envelope.refusal(Block(code, "no."), "fw_1")
    assert code.name == json.loads(body)["s4fw"]["code"]
    ours = code.source in (errors.Source.POLICY, errors.Source.DOWNSTREAM)
    if ours and code.retry is errors.Retry.NEVER and status < 500:
        assert 429 != status
        assert "retry-after" not in dict(headers)
    if code.source is errors.Source.UPSTREAM and code is not errors.UPSTREAM_UNREACHABLE:
        assert status not in (429, 500, 502, 503, 504)


@pytest.mark.parametrize(
    ("delay", "seconds", "block"),
    [
        ("1000", "1", Block(errors.RATE_LIMITED, "slow down")),
        ("7000", "7", Block(errors.RATE_LIMITED, "slow down", retry_after_s=7)),
        ("2500", "3", Block(errors.RATE_LIMITED, "slow down", retry_after_ms=2500)),
    ],
)
def test_refusal_for_now_says_when_in_the_field_that_boto3_obeys(
    delay: str, seconds: str, block: Block
) -> None:
    """It ignores retry-after in all its modes."""
    _, headers, _ = envelope.refusal(block, "fw_1")
    assert (delay, seconds) == (dict(headers)["x-amz-retry-after"], dict(headers)["retry-after"])


def test_refusal_of_a_method_names_those_allowed() -> None:
    """RFC 9110 15.5.6."""
    block = Block(errors.METHOD_NOT_ALLOWED, "this path takes POST", allow="POST")
    assert ("allow", "POST") in envelope.refusal(block, "fw_1")[1]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("modelStreamErrorException", errors.UPSTREAM_CUT),
        ("serviceUnavailableException", errors.UPSTREAM_TIMEOUT),
    ],
)
def test_error_event_is_an_exception_frame_of_the_model(kind: str, code: Code) -> None:
    """Only a member of the stream's shape becomes a typed error."""
    buffer = EventStreamBuffer()
    buffer.add_data(BEDROCK.error_event(exchange(b"{}"), code, "it broke"))
    (message,) = buffer
    raw = message.to_response_dict()
    assert 400 == raw["status_code"]
    assert ("exception", kind) == (
        message.headers[":message-type"],
        message.headers[":exception-type"],
    )
    assert {"message": "S4 Firewall: it broke"} == json.loads(message.payload)
    members = Session().get_service_model("bedrock-runtime").shape_for("ConverseStreamOutput")
    assert kind in members.members


def test_error_event_within_a_frame_makes_its_checksum_wrong() -> None:
    """A frame that broke off would swallow the exception, and end silently."""
    frame = eventstream.event("contentBlockDelta", b'{"delta":{"text":"hello"}}')
    for at in range(1, len(frame)):
        x = exchange(b"{}", "converse-stream")
        x.meter = BEDROCK.meter(x, 200, True, {})
        assert x.meter is not None
        x.meter.feed(frame[:at])
        buffer = EventStreamBuffer()
        buffer.add_data(frame[:at])
        buffer.add_data(BEDROCK.error_event(x, errors.UPSTREAM_CUT, "it broke"))
        with pytest.raises(ChecksumMismatch):
            list(buffer)


def test_error_event_within_a_huge_frame_is_short() -> None:
    """Nobody is sent megabytes of zeros."""
    assert 1000 > len(envelope.error_event(errors.UPSTREAM_CUT, "it broke", 16 * 1024 * 1024))
