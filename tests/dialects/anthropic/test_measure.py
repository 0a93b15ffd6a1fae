"""Measuring the content of messages: every text, a bound for what is none, nothing elsewhere."""

from typing import Any

import pytest

from s4fw.core.request import Measure
from s4fw.dialects.anthropic import measure
from s4fw.errors import Refusal

PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def of(block: Any, of_message: Measure = measure.of_message) -> tuple[list[str], int]:
    """One message with this block: its texts, and its tokens beyond those of an empty one."""
    empty = of_message({"role": "user", "content": []})[1]
    texts, tokens = of_message({"role": "user", "content": [block]})
    return texts, tokens - empty


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "needle"},
        {"type": "thinking", "thinking": "needle", "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "needle"},
        {"type": "redacted_thinking", "data": "needle"},
        {"type": "tool_use", "id": "a", "name": "needle", "input": {}},
        {"type": "tool_use", "id": "a", "name": "b", "input": {"needle": [1]}},
        {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {"q": "needle"}},
        {"type": "tool_result", "tool_use_id": "a", "content": "needle"},
        {"type": "tool_result", "content": [{"type": "text", "text": "needle"}]},
        {"type": "web_search_tool_result", "content": [{"encrypted_content": "needle"}]},
        {"type": "search_result", "source": "https://a", "content": [{"text": "needle"}]},
        {"type": "document", "source": {"type": "text", "data": "needle"}},
        {"type": "document", "source": {"type": "content", "content": "needle"}},
        {"type": "document", "source": {"type": "content", "content": [{"text": "needle"}]}},
        {"type": "document", "source": PDF, "title": "needle"},
        {"type": "document", "source": PDF, "context": "needle"},
        {"type": "image", "source": {"type": "url", "url": "u"}, "caption": "needle"},
        {"type": "compaction", "content": "needle"},
        {
            "type": "tool_addition",
            "tool": {"type": "tool_definition", "definition": {"name": "needle"}},
        },
        {"type": "block_of_tomorrow", "deep": {"er": ["needle"]}},
        {"needle": 1},
        "needle",
    ],
)
def test_of_message_every_text_is_counted(block: Any) -> None:
    """What is walked over would be input that nobody held."""
    assert any("needle" in text for text in of(block)[0])


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
            4800,
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://example.com"}}, 4800),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, 4800),
        ({"type": "document", "source": PDF}, 600 * (3000 + 4800)),
        (
            {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url"}}] * 3},
            3 * 4800,
        ),
    ],
)
def test_of_message_what_is_no_text_has_a_bound(block: dict[str, Any], tokens: int) -> None:
    """An image is scaled down, whatever it is; a PDF fills any context at worst."""
    texts, more = of(block)
    assert tokens == more
    assert not any("JVBERi0" in text or "https" in text for text in texts)


def test_of_message_of_older_models_bounds_smaller_images() -> None:
    """Models up to 4.6 see at most 1,568 pixels along the longer edge."""
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    assert 1600 == of(image, measure.ContentWalk(measure.IMAGE_TOKENS_46).of_message)[1]


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        ({"type": "document", "source": {"type": "url", "url": "needle"}}, 70),
        ({"type": "document", "source": {"type": "file", "file_id": "needle"}}, 70),
        (
            {
                "type": "document",
                "source": {"type": "file", "file_id": "needle"},
                "citations": {"enabled": True},
            },
            1140,
        ),
        ({"type": "document", "source": PDF}, 600 * (3000 + 4800)),
        ({"type": "image", "source": {"type": "file", "file_id": "needle"}}, 4800),
    ],
)
def test_of_message_document_elsewhere_costs_what_the_operator_says(
    block: dict[str, Any], tokens: int
) -> None:
    """And nothing else does: what is here, or is an image, has its own bound."""
    texts, more = of(block, measure.ContentWalk(4800, 70).of_message)
    assert tokens == more
    assert not any("needle" in text for text in texts)


def test_of_message_with_a_bound_of_files_still_refuses_what_is_none() -> None:
    """A container, a tool or a video is no document."""
    for block in (
        {"type": "container_upload", "file_id": "f"},
        {"type": "video", "source": {"type": "url", "url": "u"}},
        {"type": "document", "source": {"type": "s3"}},
    ):
        with pytest.raises(Refusal):
            of(block, measure.ContentWalk(4800, 70).of_message)


def test_of_message_that_may_be_cited_is_counted_with_its_marks() -> None:
    """Each sentence gets a mark that it can be cited by."""
    document = {"type": "document", "source": {"type": "text", "data": "A. B."}}
    texts, tokens = of(document | {"citations": {"enabled": True}})
    assert (2, 1000) == (texts.count("A. B."), tokens)


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ({"type": "document", "source": {"type": "url", "url": "u"}}, "unbounded_request"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "unbounded_request"),
        ({"type": "document", "source": {"type": "s3"}}, "invalid_request_error"),
        ({"type": "document", "source": {"type": "base64", "data": "A"}}, "invalid_request_error"),
        ({"type": "document"}, "invalid_request_error"),
        ({"type": "image"}, "invalid_request_error"),
        ({"type": "image", "source": {"type": "text", "data": "long"}}, "invalid_request_error"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "application/pdf"}},
            "invalid_request_error",
        ),
        ({"type": "container_upload", "file_id": "file_1"}, "unbounded_request"),
        ({"type": "code_execution_output", "file_id": "file_1"}, "unbounded_request"),
        ({"type": "audio", "data": "A"}, "unbounded_request"),
        ({"type": "video", "source": {"type": "base64"}}, "unbounded_request"),
        ({"type": "file", "file": {}}, "unbounded_request"),
        ({"image_url": {"url": "u"}}, "unbounded_request"),
        ({"source": {"type": "url", "url": "u"}}, "unbounded_request"),
        (
            {
                "type": "tool_addition",
                "tool": {
                    "type": "tool_definition",
                    "definition": {"type": "web_search_20250305", "max_uses": 1},
                },
            },
            "unbounded_request",
        ),
        (
            {
                "type": "compaction",
                "tool_changes": [
                    {"tool": {"type": "tool_definition", "definition": {"type": "mcp_toolset"}}}
                ],
            },
            "unbounded_request",
        ),
    ],
)
def test_of_message_what_is_elsewhere_is_refused(block: dict[str, Any], code: str) -> None:
    """Its own text says nothing about the input that it stands for."""
    for wrapped in (block, {"type": "tool_result", "content": [block]}):
        with pytest.raises(Refusal) as refused:
            of(wrapped)
        assert code == refused.value.code.name


def test_of_message_that_is_no_object_is_refused() -> None:
    """A text in the place of a message has no role; servers differ in what they make of it."""
    with pytest.raises(Refusal):
        measure.of_message("hi")
