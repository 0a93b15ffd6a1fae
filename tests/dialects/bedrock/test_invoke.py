"""Reading an invoke: the body is the model's own, and so are its bounds."""

import json
from typing import Any

import pytest

from s4fw.core.request import CACHE_1H
from s4fw.dialects.bedrock.content import CONTEXT
from s4fw.errors import Refusal
from tests.dialects.bedrock.calls import CLAUDE, bound, read
from tests.dialects.reading import measured
from tests.samples import sample

NOVA = "us.amazon.nova-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-2402-v1:0"
COHERE = "cohere.command-text-v14"
OSS = "openai.gpt-oss-120b-1:0"
VECTOR = "amazon.titan-embed-text-v2:0"
PICTURE = "iVBORw0KGgo" * 1000


def said(*blocks: Any) -> dict[str, Any]:
    """One message of a caller."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def claude(**members: Any) -> dict[str, Any]:
    """A body of Claude's."""
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        **members,
    }


@pytest.mark.parametrize("operation", ["invoke", "invoke-with-response-stream"])
def test_read_claude_sample_finds_what_moves_money(operation: str) -> None:
    """A body of Anthropic's, without model and stream."""
    request = read(sample("bedrock_invoke/request.json"), operation)
    assert (CLAUDE, 2048, CACHE_1H, "default", operation != "invoke") == (
        request.model,
        request.output_tokens_max,
        request.cache,
        request.tier,
        request.stream,
    )
    texts, _ = measured(request)
    assert "Where is order A-1009?" in texts
    assert any("lookup_order" in text for text in texts)
    assert (request.body,) == request.pieces()


@pytest.mark.parametrize(
    ("tokens", "model", "body"),
    [
        (100, CLAUDE, claude()),
        (40, "anthropic.claude-v2:1", {"prompt": "hi", "max_tokens_to_sample": 40}),
        (99, CLAUDE, claude(max_tokens=99, note='"max_tokens_to_sample" is old')),
        (40, NOVA, {"inferenceConfig": {"maxTokens": 40}}),
        (40, NOVA, {"inferenceConfig": {"max_new_tokens": 40}}),
        (50, NOVA, {"inferenceConfig": {"maxTokens": 40, "max_new_tokens": 50}}),
        (None, NOVA, {"max_tokens": 1}),
        (None, NOVA, {"inferenceConfig": {"maxTokenCount": 1}}),
        (40, TITAN, {"inputText": "hi", "textGenerationConfig": {"maxTokenCount": 40}}),
        (None, TITAN, {"inputText": "hi", "maxTokenCount": 40}),
        (40, LLAMA, {"prompt": "hi", "max_gen_len": 40}),
        (60, LLAMA, {"prompt": "hi", "max_gen_len": 40, "max_tokens": 60}),
        (None, LLAMA, {"prompt": "hi", "max_tokens": 1}),
        (40, MISTRAL, {"prompt": "hi", "max_tokens": 40}),
        (40, COHERE, {"prompt": "hi", "max_tokens": 40}),
        (40, "ai21.j2-mid-v1", {"prompt": "hi", "maxTokens": 40}),
        (40, "ai21.jamba-1-5-mini-v1:0", {"messages": [], "max_tokens": 40}),
        (40, "us.deepseek.r1-v1:0", {"prompt": "hi", "max_tokens": 40}),
        (40, OSS, {"messages": [], "max_completion_tokens": 40}),
        (None, OSS, {"messages": [], "max_completion_tokens": 0}),
        (None, VECTOR, {"inputText": "hi"}),
        (None, "us.newvendor.model-v1:0", {"prompt": "hi", "max_tokens": 1}),
    ],
)
def test_read_output_bound_is_what_the_maker_calls_it(
    tokens: int | None, model: str, body: dict[str, Any]
) -> None:
    """A name of another maker's is ignored by the model, which then writes as long as it can."""
    assert tokens == read(body, "invoke", model).output_tokens_max


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (CLAUDE, claude(messages=[{"role": "user", "content": "needle"}])),
        (NOVA, {"messages": [{"role": "user", "content": [{"text": "needle"}]}]}),
        (NOVA, {"system": [{"text": "needle"}], "messages": []}),
        (
            NOVA,
            {"toolConfig": {"tools": [{"toolSpec": {"name": "needle"}}]}, "messages": []},
        ),
        (TITAN, {"inputText": "needle"}),
        (LLAMA, {"prompt": "needle"}),
        (COHERE, {"chat_history": [{"role": "USER", "message": "needle"}]}),
        (COHERE, {"documents": [{"title": "needle"}]}),
        (OSS, {"messages": [{"role": "user", "content": "needle"}]}),
        (OSS, {"tools": [{"type": "function", "function": {"name": "needle"}}]}),
        (OSS, {"response_format": {"json_schema": {"name": "needle"}}}),
        (OSS, {"needle": 1}),
        (VECTOR, {"inputText": "needle"}),
        ("cohere.embed-v4:0", {"texts": ["needle", "needle"]}),
    ],
)
def test_read_any_body_counts_its_texts(model: str, body: dict[str, Any]) -> None:
    """There is no common shape, so whatever is there is counted."""
    request = read(body, "invoke", model)
    assert len("needle") <= bound(request)
    assert any("needle" in text for text in measured(request)[0]) or "needle" in body


@pytest.mark.parametrize(
    ("tokens", "model", "body"),
    [
        (5_000, NOVA, {"messages": [{"content": [{"image": {"source": {"bytes": PICTURE}}}]}]}),
        (17_000, LLAMA, {"prompt": "hi", "images": [PICTURE]}),
        (34_000, LLAMA, {"prompt": "hi", "images": [PICTURE, PICTURE]}),
        (
            17_000,
            "mistral.pixtral-large-2502-v1:0",
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]},
        ),
        (17_000, OSS, said({"type": "image", "source": {"type": "url", "url": "https://a"}})),
        (17_000, OSS, said({"type": "input_image", "image_url": "https://a"})),
        (CONTEXT, OSS, said({"type": "document", "source": {"type": "url", "url": "https://a"}})),
        (CONTEXT, OSS, said({"type": "document_url", "document_url": "https://a"})),
        (CONTEXT, OSS, said({"type": "video_url", "video_url": {"url": "https://a"}})),
        (5_000, NOVA, {"messages": [{"content": [{"x": 1}]}]}),
        (45_000, NOVA, {"messages": [{"content": [{"x": 1}] * 9}]}),
        (5_000, NOVA, {"system": [{"x": 1}], "messages": []}),
        (CONTEXT, NOVA, {"messages": [{"content": [{"video": {"source": {"bytes": "QQ"}}}]}]}),
        (CONTEXT, NOVA, {"messages": [{"content": [{"document": {"source": {"bytes": "QQ"}}}]}]}),
    ],
)
def test_read_what_is_no_text_is_bounded_by_rule(
    tokens: int, model: str, body: dict[str, Any]
) -> None:
    """Base64 is never text."""
    assert tokens <= bound(read(body, "invoke", model)) < tokens + 500


@pytest.mark.parametrize(
    ("code", "model", "body"),
    [
        ("invalid_request_error", CLAUDE, claude(model="claude-opus-5-5")),
        ("invalid_request_error", CLAUDE, {"messages": []}),
        ("invalid_request_error", LLAMA, {"prompt": "hi", "max_gen_len": 1.5}),
        ("invalid_request_error", NOVA, {"inferenceConfig": {"maxTokens": "9"}}),
        ("invalid_request_error", OSS, {"messages": [], "n": 0}),
        ("invalid_request_error", OSS, {"messages": [], "n": 1000}),
        ("ambiguous_field", LLAMA, {"prompt": "hi", "MaxGenLen": 9}),
        ("ambiguous_field", OSS, {"messages": [], "N": 9}),
        ("ambiguous_field", NOVA, {"inferenceConfig": {"MaxTokens": 9}}),
        ("unbounded_request", LLAMA, {"prompt": "hi", "max_length": 9}),
        ("unbounded_request", OSS, {"tools": [{"type": "web_search"}]}),
        (
            "unbounded_request",
            NOVA,
            {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
        ),
        (
            "unbounded_request",
            NOVA,
            {"messages": [{"content": [{"image": {"source": {"s3Location": {}}}}]}]},
        ),
        (
            "unbounded_request",
            NOVA,
            {"messages": [{"content": [{"type": "image", "source": {"url": "https://a/b.png"}}]}]},
        ),
        ("unbounded_request", NOVA, {"messages": [{"content": [{"file": {"id": "file-1"}}]}]}),
        ("invalid_request_error", NOVA, {"messages": [{"content": "hi"}]}),
        ("invalid_request_error", NOVA, {"messages": [{"content": [[1, 2, 3]]}]}),
        ("invalid_request_error", NOVA, {"messages": [{"content": [{"text": [""] * 2048}]}]}),
        ("invalid_request_error", NOVA, {"messages": [], "system": "hi"}),
        ("unbounded_request", CLAUDE, claude(anthropic_beta=["context-1m-2025-08-07"])),
        ("unbounded_request", CLAUDE, claude(mcp_servers=[{"url": "x"}])),
        ("unbounded_request", "amazon.titan-embed-image-v1", {"inputImage": PICTURE}),
        ("unbounded_request", "cohere.embed-v4:0", {"images": [PICTURE]}),
        ("unbounded_request", "cohere.embed-v4:0", {"inputs": [{"type": "image", "data": "x"}]}),
    ],
)
def test_read_what_has_two_readings_or_no_bound_is_refused(
    code: str, model: str, body: dict[str, Any]
) -> None:
    """Whatever slips through here is spent without having been held."""
    with pytest.raises(Refusal) as refused:
        measured(read(body, "invoke", model))
    assert code == refused.value.code.name


@pytest.mark.parametrize(
    "body",
    [
        said({"text": "needle"}),
        said({"x": 1}, {"hologram": {"a": "needle"}}),
        said({"image": {"format": "png", "source": {"bytes": PICTURE}}}),
        said({"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}]}}),
        said({"document": {"format": "txt", "name": "a", "source": {"bytes": "QUJD"}}}),
        said({"text": "hi"}, {"cachePoint": {"type": "default"}}),
        {**said({"text": "hi"}), "system": [{"text": "needle"}, {"cachePoint": {}}]},
    ],
)
def test_read_nova_holds_what_converse_holds(body: dict[str, Any]) -> None:
    """It is the same prompt to the same model, whichever operation brings it."""
    assert bound(read(body, "converse", NOVA)) == bound(read(body, "invoke", NOVA))


@pytest.mark.parametrize("name", ["model", "modelId"])
@pytest.mark.parametrize(
    ("model", "said"),
    [
        (OSS, OSS),
        (NOVA, NOVA),
        (NOVA, f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{NOVA}"),
    ],
)
def test_read_model_of_the_path_said_again_in_the_body_passes(
    name: str, model: str, said: str
) -> None:
    """AWS's own samples for gpt-oss say it in both places."""
    body = {"prompt": "hi", "max_tokens": 1, name: said}
    assert model == read(body, "invoke", model).model


@pytest.mark.parametrize("model", [OSS, NOVA, TITAN, LLAMA, MISTRAL, COHERE, VECTOR])
@pytest.mark.parametrize(
    ("code", "members"),
    [
        ("invalid_request_error", {"model": "openai.gpt-oss-20b-1:0"}),
        ("invalid_request_error", {"model": ""}),
        ("invalid_request_error", {"model": None}),
        ("invalid_request_error", {"model": ["a"]}),
        ("invalid_request_error", {"modelId": "openai.gpt-oss-20b-1:0"}),
        ("invalid_request_error", {"inferenceConfig": {"model": "mock-large"}}),
        ("ambiguous_field", {"Model": OSS}),
        ("ambiguous_field", {"model_id": OSS}),
    ],
)
def test_read_another_model_in_the_body_is_refused(
    code: str, members: dict[str, Any], model: str
) -> None:
    """A server on the way that obeys it runs a model whose price was not held."""
    with pytest.raises(Refusal) as refused:
        read({"prompt": "hi", **members}, "invoke", model)
    assert code == refused.value.code.name


@pytest.mark.parametrize(
    ("choices", "model", "body"),
    [
        (3, OSS, {"messages": [], "n": 3}),
        (4, COHERE, {"prompt": "hi", "num_generations": 4}),
        (2, "ai21.j2-mid-v1", {"prompt": "hi", "numResults": 2}),
        (1, LLAMA, {"prompt": "hi"}),
    ],
)
def test_read_number_of_answers_multiplies_the_output(
    choices: int, model: str, body: dict[str, Any]
) -> None:
    """Each is billed."""
    assert choices == read(body, "invoke", model).choices


def test_read_long_context_in_a_text_is_no_beta() -> None:
    """People talk about betas, too."""
    text = [{"role": "user", "content": "context-1m-2025-08-07"}]
    assert 100 == read(claude(messages=text), "invoke").output_tokens_max


@pytest.mark.parametrize(
    ("tier", "headers"),
    [
        ("default", {}),
        ("flex", {"X-Amzn-Bedrock-Service-Tier": "flex"}),
        ("priority", {"X-Amzn-Bedrock-Service-Tier": "priority"}),
        ("scale", {"X-Amzn-Bedrock-Service-Tier": "reserved"}),
        ("default", {"X-Amzn-Bedrock-PerformanceConfig-Latency": "standard"}),
    ],
)
def test_read_tier_stands_in_the_head(tier: str, headers: dict[str, str]) -> None:
    """What Converse has in its body, an invoke has in its header fields."""
    assert tier == read(claude(), "invoke", headers=headers).tier
    assert tier == read({"prompt": "hi"}, "invoke", LLAMA, headers).tier


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("invalid_request_error", {"X-Amzn-Bedrock-Service-Tier": "gold"}),
        ("unbounded_request", {"X-Amzn-Bedrock-PerformanceConfig-Latency": "optimized"}),
        ("unbounded_request", {"X-Amzn-Bedrock-GuardrailIdentifier": "g"}),
        ("unbounded_request", {"X-Amzn-Bedrock-GuardrailVersion": "1"}),
    ],
)
def test_read_head_without_a_price_is_refused(code: str, headers: dict[str, str]) -> None:
    """What nobody knows the price of is not sent."""
    with pytest.raises(Refusal) as refused:
        read(claude(), "invoke", headers=headers)
    assert code == refused.value.code.name


@pytest.mark.parametrize(
    ("labels", "metadata"),
    [
        ({"requestMetadata.tenant": "acme"}, json.dumps({"tenant": "acme", "n": 5, "e": ""})),
        ({}, "[1]"),
        ({}, "{"),
    ],
)
def test_read_metadata_of_the_head_says_who_pays(labels: dict[str, str], metadata: str) -> None:
    """It is the only place for it in an invoke; what is malformed says nothing."""
    headers = {"X-Amzn-Bedrock-Request-Metadata": metadata}
    assert labels == read(claude(), "invoke", headers=headers).labels
