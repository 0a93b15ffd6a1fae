"""Reading a Converse request: one reading, nothing unbounded, nothing re-serialised."""

from typing import Any

import pytest

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE
from s4fw.errors import Refusal
from tests.dialects.bedrock.calls import BEDROCK, bound, exchange, read, saying
from tests.dialects.reading import measured
from tests.samples import sample

POINT = {"cachePoint": {"type": "default"}}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}


@pytest.mark.parametrize(("operation", "is_stream"), [("converse", 0), ("converse-stream", 1)])
def test_read_sample_finds_what_moves_money(operation: str, is_stream: int) -> None:
    """A real request with a cached system prompt and a tool."""
    request = read(sample("bedrock_converse/request.json"), operation)
    assert (2048, 1, CACHE_1H, "default", bool(is_stream)) == (
        request.output_tokens_max,
        request.choices,
        request.cache,
        request.tier,
        request.stream,
    )
    assert {"requestMetadata.feature": "support", "requestMetadata.tenant": "acme"} == (
        request.labels
    )
    texts, _ = measured(request)
    assert "Where is order A-1009?" in texts
    assert any("lookup_order" in text for text in texts)
    assert any(text.startswith("You are the support assistant") for text in texts)
    assert (request.body,) == request.pieces()


@pytest.mark.parametrize(
    ("tokens", "members"),
    [
        (None, {}),
        (None, {"inferenceConfig": None}),
        (None, {"inferenceConfig": {"temperature": 1}}),
        (None, {"inferenceConfig": {"maxTokens": None}}),
        (None, {"inferenceConfig": {"maxTokens": 0}}),
        (7, {"inferenceConfig": {"maxTokens": 7}}),
        # A model might obey its own name instead: the largest counts, and only beside maxTokens.
        (None, {"additionalModelRequestFields": {"max_tokens": 7}}),
        (
            9,
            {
                "inferenceConfig": {"maxTokens": 7},
                "additionalModelRequestFields": {"max_tokens": 9},
            },
        ),
        (
            7,
            {
                "inferenceConfig": {"maxTokens": 7},
                "additionalModelRequestFields": {"inferenceConfig": {"maxTokenCount": 3}},
            },
        ),
    ],
)
def test_read_output_bound_is_the_largest_that_any_model_obeys(
    tokens: int | None, members: dict[str, Any]
) -> None:
    """Without one a model writes as long as it can."""
    assert tokens == read(saying(**members)).output_tokens_max


@pytest.mark.parametrize(
    ("code", "members"),
    [
        # Numbers that size the hold are plain integers.
        ("invalid_request_error", {"inferenceConfig": {"maxTokens": 1.0}}),
        ("invalid_request_error", {"inferenceConfig": {"maxTokens": True}}),
        ("invalid_request_error", {"inferenceConfig": {"maxTokens": "5"}}),
        ("invalid_request_error", {"inferenceConfig": {"maxTokens": -1}}),
        ("invalid_request_error", {"inferenceConfig": {"maxTokens": 2**31}}),
        ("invalid_request_error", {"inferenceConfig": [7]}),
        ("invalid_request_error", {"additionalModelRequestFields": {"max_tokens": 1e3}}),
        ("invalid_request_error", {"additionalModelRequestFields": []}),
        ("invalid_request_error", {"messages": {}}),
        ("invalid_request_error", {"messages": None}),
        ("invalid_request_error", {"system": "be brief"}),
        ("invalid_request_error", {"serviceTier": {"type": "gold"}}),
        ("invalid_request_error", {"serviceTier": "flex"}),
        ("invalid_request_error", {"performanceConfig": {"latency": "warp"}}),
        # Names that another reader might take for a metered one.
        ("ambiguous_field", {"Messages": []}),
        ("ambiguous_field", {"inference_config": {"maxTokens": 9}}),
        ("ambiguous_field", {"max_tokens": 9}),
        ("ambiguous_field", {"modelId": "anthropic.claude-opus-5-5"}),
        ("ambiguous_field", {"inferenceConfig": {"maxtokens": 9}}),
        ("ambiguous_field", {"inferenceConfig": {"max_tokens": 9}}),
        ("ambiguous_field", {"additionalModelRequestFields": {"Max-Tokens": 9}}),
        ("ambiguous_field", {"additionalModelRequestFields": {"a": {"MAX_GEN_LEN": 9}}}),
        # What nothing bounds.
        ("unbounded_request", {"additionalModelRequestFields": {"maxLength": 9}}),
        ("unbounded_request", {"additionalModelRequestFields": {"max_output_tokens": 9}}),
        ("unbounded_request", {"additionalModelRequestFields": {"mcp_servers": [{}]}}),
        ("unbounded_request", {"additionalModelRequestFields": {"x": {"container": "c"}}}),
        ("unbounded_request", {"additionalModelRequestFields": {"tools": [{"type": "web_x_1"}]}}),
        (
            "unbounded_request",
            {"additionalModelRequestFields": {"anthropic_beta": ["context-1m-2025-08-07"]}},
        ),
        ("unbounded_request", {"guardrailConfig": {"guardrailIdentifier": "g"}}),
        ("unbounded_request", {"promptVariables": {"name": {"text": "x"}}}),
        ("unbounded_request", {"performanceConfig": {"latency": "optimized"}}),
    ],
)
def test_read_what_has_two_readings_or_no_bound_is_refused(
    code: str, members: dict[str, Any]
) -> None:
    """Whatever slips through here is spent without having been held."""
    with pytest.raises(Refusal) as refused:
        read(saying(**members) | members)
    assert code == refused.value.code.name


def test_read_body_without_messages_is_refused() -> None:
    """Only a managed prompt would need none."""
    with pytest.raises(Refusal, match="messages"):
        read({"system": [{"text": "hi"}]})


def test_read_same_name_twice_is_refused() -> None:
    """One of two readers takes the first, the other the last."""
    body = b'{"messages":[],"inferenceConfig":{"maxTokens":1,"maxTokens":100000}}'
    with pytest.raises(Refusal) as refused:
        read(body)
    assert "duplicate_key" == refused.value.code.name


@pytest.mark.parametrize(
    "members",
    [
        {"somethingNew": {"x": 1}},
        {"additionalModelResponseFieldPaths": ["/stop_sequence"]},
        {"inferenceConfig": {"maxTokens": 5, "topP": 1, "stopSequences": ["x"]}},
        {"promptVariables": {}},
        {"performanceConfig": {"latency": "standard"}},
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        {"additionalModelRequestFields": {"reasoningConfig": {"maxReasoningEffort": "low"}}},
        {"additionalModelRequestFields": {"tools": [{"type": "computer_20241022"}]}},
        {"additionalModelRequestFields": {"anthropic_beta": ["computer-use-2024-10-22"]}},
        {"outputConfig": {"effort": "low"}},
        {"guardrailConfig": None},
    ],
)
def test_read_harmless_and_unknown_fields_pass(members: dict[str, Any]) -> None:
    """The API grows, and what adds nothing to the bill is none of our business."""
    request = read(saying(**members))
    assert (request.body,) == request.pieces()


def test_read_long_context_beta_on_a_model_that_has_it_anyway_passes() -> None:
    """The price row of a newer model knows its whole context."""
    body = saying(additionalModelRequestFields={"anthropic_beta": ["context-1m-2025-08-07"]})
    assert read(body, model="us.anthropic.claude-opus-4-6-v1").model


@pytest.mark.parametrize(
    ("tier", "asked"),
    [
        ("default", None),
        ("default", "default"),
        ("flex", "flex"),
        ("priority", "priority"),
        ("scale", "reserved"),
    ],
)
def test_read_tier_is_named_as_prices_do(tier: str, asked: str | None) -> None:
    """Saying nothing means default here, and reserved capacity is paid for in advance."""
    members = {} if asked is None else {"serviceTier": {"type": asked}}
    assert tier == read(saying(**members)).tier


@pytest.mark.parametrize(
    ("cache", "body"),
    [
        (CACHE_NONE, saying()),
        (CACHE_NONE, saying({"text": 'a cachePoint, "ttl": "1h"'})),
        (CACHE_5M, saying({"text": "hi"}, POINT)),
        (CACHE_1H, saying({"text": "hi"}, HOUR)),
        (CACHE_5M, saying(system=[POINT])),
        (CACHE_1H, saying(toolConfig={"tools": [HOUR]})),
        (CACHE_1H, b'{"messages":[{"content":[{"cache\\u0050oint":{"t\\u0074l":"1h"}}]}]}'),
        (CACHE_1H, b'{"messages":[{"content":[{"cachePoint":{"ttl":"9h"}}]}]}'),
    ],
)
def test_read_cache_is_the_dearest_write_it_can_trigger(
    cache: int, body: dict[str, Any] | bytes
) -> None:
    """A write for an hour costs twice the input; escapes do not hide one."""
    assert cache == read(body).cache


def test_read_cache_of_other_makers_may_be_written_unasked() -> None:
    """Their newer models cache what they please, and bill the write."""
    assert CACHE_5M == read(saying(), model="us.moonshotai.kimi-k3").cache


def test_read_additional_fields_count_as_text() -> None:
    """They may hold tools and prompts, which the model reads."""
    more = {"additionalModelRequestFields": {"note": "x" * 500}}
    assert bound(read(saying(**more))) > bound(read(saying())) + 500


def test_read_application_profile_is_the_model_of_the_configuration() -> None:
    """The ARN is a name without meaning; everything behind it depends on the model."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    dialect = type(BEDROCK)()
    x = exchange(saying(), model=arn, dialect=dialect)
    with pytest.raises(Refusal) as refused:
        dialect.read(x)
    assert "unknown_model" == refused.value.code.name
    dialect.know_profiles({arn: "eu.amazon.nova-pro-v1:0"})
    dialect.read(x)
    assert "eu.amazon.nova-pro-v1:0" == x.request.model
