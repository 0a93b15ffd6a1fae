"""What the content of a Converse request is bounded by: texts in bytes, everything else by rule."""

import base64
from typing import Any

import pytest

from s4fw.dialects.bedrock import content, families
from s4fw.errors import Refusal
from tests.dialects.bedrock.calls import bound, read, saying
from tests.dialects.reading import measured

PICTURE = base64.b64encode(bytes(9000)).decode()


def image(**source: Any) -> dict[str, Any]:
    """An image block."""
    return {"image": {"format": "png", "source": source or {"bytes": PICTURE}}}


def document(kind: str, **source: Any) -> dict[str, Any]:
    """A document block."""
    return {"document": {"format": kind, "name": "a", "source": source or {"bytes": PICTURE}}}


@pytest.mark.parametrize(
    ("tokens", "model"),
    [
        (1_600, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (1_600, "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        (1_600, "anthropic.claude-opus-4-20250514-v1:0"),
        (1_600, "us.anthropic.claude-opus-4-6-v1"),
        (4_800, "us.anthropic.claude-opus-4-7"),
        (4_800, "anthropic.claude-opus-5-5"),
        (4_800, "anthropic.claude-new"),
        (5_000, "eu.amazon.nova-pro-v1:0"),
        (17_000, "us.meta.llama4-maverick-17b-instruct-v1:0"),
        (17_000, "qwen.qwen3-vl-235b-a22b"),
    ],
)
def test_image_costs_at_most_what_its_model_sees(tokens: int, model: str) -> None:
    """Its base64 is no text, and its size says nothing."""
    assert tokens == families.image_tokens(model)
    more = bound(read(saying({"text": "hi"}, image()), model=model)) - bound(
        read(saying({"text": "hi"}), model=model)
    )
    assert tokens <= more <= tokens + 100


@pytest.mark.parametrize(
    "block",
    [
        {"text": "needle"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": ["needle"]}}},
        {"toolResult": {"toolUseId": "t", "content": [{"text": "needle"}]}},
        {"toolResult": {"toolUseId": "t", "content": [{"json": {"s3Location": "needle"}}]}},
        {"reasoningContent": {"reasoningText": {"text": "needle", "signature": "s"}}},
        {"guardContent": {"text": {"text": "needle"}}},
        {"citationsContent": {"content": [{"text": "needle"}], "citations": []}},
        {"searchResult": {"source": "s", "title": "t", "content": [{"text": "needle"}]}},
        {"document": {"name": "needle", "format": "pdf", "source": {"bytes": ""}}},
        document("txt", text="needle"),
        document("txt", content=[{"text": "needle"}]),
        document("md", bytes=base64.b64encode(b"no needle").decode() + "needle"),
        {"somethingNew": {"deep": ["needle"]}},
    ],
)
def test_block_of_any_kind_counts_its_texts(block: dict[str, Any]) -> None:
    """Whatever the model may read is counted, known or not."""
    texts, _ = measured(read(saying(block)))
    assert any("needle" in text for text in texts)


@pytest.mark.parametrize(
    "block",
    [
        document("pdf"),
        document("docx"),
        document("xls"),
        {"video": {"format": "mp4", "source": {"bytes": PICTURE}}},
        {"audio": {"format": "mp3", "source": {"bytes": PICTURE}}},
    ],
)
def test_block_that_is_compressed_is_bounded_by_the_context(block: dict[str, Any]) -> None:
    """No size of a file bounds its pages; the quote cuts at the model's context."""
    _, tokens = measured(read(saying(block)))
    assert content.CONTEXT <= tokens


def test_document_with_citations_counts_its_text_twice() -> None:
    """The provider puts a mark to each sentence."""
    block = document("txt", text="x" * 1000)
    block["document"]["citations"] = {"enabled": True}
    assert bound(read(saying(block))) > 2000


@pytest.mark.parametrize(
    "block",
    [
        image(s3Location={"uri": "s3://b/k"}),
        document("pdf", s3Location={"uri": "s3://b/k"}),
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        {"somethingNew": {"s3Location": {"uri": "s3://b/k"}}},
        {"videoClip": {"id": 1}},
        {"fileReference": "f"},
        {"toolResult": {"content": [image(s3Location={})]}},
        {"document": {"name": "a", "s3Location": "x", "source": {"text": "hi"}}},
    ],
)
def test_block_that_stands_for_something_elsewhere_is_refused(block: dict[str, Any]) -> None:
    """What is not here has no bound here."""
    with pytest.raises(Refusal) as refused:
        measured(read(saying(block)))
    assert "unbounded_request" == refused.value.code.name


S3 = {"s3Location": {"uri": "s3://needle/k", "bucketOwner": "1"}}


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (document("pdf", **S3), content.DOCUMENT_TOKENS + 70),
        ({"video": {"format": "mp4", "source": S3}}, 70),
        ({"audio": {"format": "mp3", "source": S3}}, 70),
        (image(**S3), 1_600),
        ({"toolResult": {"content": [image(**S3)]}}, 1_600 + 16 + 4),
    ],
)
def test_block_in_s3_costs_what_the_operator_says(block: dict[str, Any], tokens: int) -> None:
    """An image is one wherever it is; of a file, nothing else bounds the tokens."""
    of_message = content.message_measure(1_600, 70)
    texts, more = of_message({"role": "user", "content": [block]})
    assert content.MESSAGE_TOKENS + content.BLOCK_TOKENS + tokens == more
    assert not any("needle" in text for text in texts)


@pytest.mark.parametrize(
    "block",
    [
        {"somethingNew": S3},
        {"document": {"name": "a", **S3, "source": {"text": "hi"}}},
        {"video": {"format": "mp4", "source": S3 | {"uri": "s3://b/l"}}},
        document("pdf", uri="https://example.com"),
    ],
)
def test_block_elsewhere_with_a_bound_of_files_is_refused_where_it_is_none(
    block: dict[str, Any],
) -> None:
    """Only what is known to be one file has the bound of one."""
    with pytest.raises(Refusal):
        content.message_measure(1_600, 70)({"role": "user", "content": [block]})


@pytest.mark.parametrize(
    "block",
    ["hi", {"text": 5}, {"image": {}}, {"image": {"source": "x"}}, {"toolResult": []}],
)
def test_block_malformed_is_invalid(block: Any) -> None:
    """The provider would refuse it as well, for nothing."""
    with pytest.raises(Refusal) as refused:
        measured(read(saying(block)))
    assert "invalid_request_error" == refused.value.code.name


def test_tools_are_counted_as_their_json_and_system_tools_refused() -> None:
    """A tool that the provider runs bills what nothing here bounds."""
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {"description": "needle"}}}}
    texts, _ = measured(read(saying(toolConfig={"tools": [spec]})))
    assert any("needle" in text for text in texts)
    for tool in ({"systemTool": {"name": "nova_grounding"}}, {**spec, "systemTool": {}}):
        with pytest.raises(Refusal) as refused:
            measured(read(saying(toolConfig={"tools": [tool]})))
        assert "unbounded_request" == refused.value.code.name


def test_runs_of_a_grown_transcript_share_the_digests_of_its_beginning() -> None:
    """Each turn then costs the counting of what is new only."""
    turn = {"role": "user", "content": [{"text": "one"}]}
    short = read({"messages": [turn, turn]})
    long = read({"messages": [turn, turn, turn], "inferenceConfig": {"maxTokens": 5}})
    assert list(short.runs[0].digests) == list(long.runs[0].digests)[:2]
    assert short.runs[0].name == long.runs[0].name
