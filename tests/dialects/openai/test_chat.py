"""Reading a chat completions request: one reading, nothing unbounded, nothing re-serialised."""

import json
from typing import Any

import pytest

from s4fw.core.request import CACHE_12H, Request
from s4fw.dialects.openai import chat, measure
from s4fw.errors import Refusal
from tests.dialects.reading import forwarded, measured
from tests.samples import sample

BASE: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def read(body: bytes | dict[str, Any]) -> Request:
    """Read a body, given as bytes or as what it says beside a model and a message."""
    request = Request(b"POST", b"/v1/chat/completions", b"", {})
    request.body = body if isinstance(body, bytes) else json.dumps(BASE | body).encode()
    chat.read(request)
    return request


def test_read_sample_finds_what_moves_money() -> None:
    """A real request with tools and a bound."""
    request = read(sample("openai_chat/request.json"))
    assert ("gpt-4o", False, 1, 300) == (
        request.model,
        request.stream,
        request.choices,
        request.output_tokens_max,
    )
    texts, _ = measured(request)
    assert "Where is order A-1009?" in texts
    assert any("lookup_order" in text for text in texts)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 50, "max_completion_tokens": 9}, 50),
        ({"max_tokens": 0}, None),
        ({"max_tokens": 0, "max_completion_tokens": 9}, 9),
    ],
)
def test_read_output_bound_is_the_larger_of_both_fields(
    fields: dict[str, Any], expected: int | None
) -> None:
    """Models differ in which field they obey; the hold must cover either."""
    assert expected == read(fields).output_tokens_max


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        # Numbers that size the hold are plain integers.
        ({"max_tokens": 1.0}, "invalid_request_error"),
        ({"max_tokens": True}, "invalid_request_error"),
        ({"max_tokens": "5"}, "invalid_request_error"),
        ({"max_tokens": -1}, "invalid_request_error"),
        ({"max_tokens": 2**31}, "invalid_request_error"),
        ({"max_tokens": [5]}, "invalid_request_error"),
        ({"n": 0}, "invalid_request_error"),
        ({"n": 1000}, "invalid_request_error"),
        ({"n": 1.5}, "invalid_request_error"),
        ({"stream": "true"}, "invalid_request_error"),
        ({"stream": 1}, "invalid_request_error"),
        ({"stream": True, "stream_options": [1]}, "invalid_request_error"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "invalid_request_error"),
        ({"stream": True, "stream_options": {"Include_Usage": False}}, "ambiguous_field"),
        ({"service_tier": "gold"}, "invalid_request_error"),
        ({"service_tier": 1}, "invalid_request_error"),
        ({"model": None}, "invalid_request_error"),
        ({"model": ["gpt-4o", "o1"]}, "invalid_request_error"),
        ({"model": "gpt-4o\u0000"}, "invalid_request_error"),
        ({"model": "gpt\u2011 4o"}, "invalid_request_error"),
        ({"model": ""}, "invalid_request_error"),
        ({"messages": {}}, "invalid_request_error"),
        ({"messages": None}, "invalid_request_error"),
        ({"tools": {}}, "invalid_request_error"),
        # Names that another reader might take for a metered one.
        ({"MAX_TOKENS": 1}, "ambiguous_field"),
        ({"maxTokens": 1}, "ambiguous_field"),
        ({"Model": "o1"}, "ambiguous_field"),
        ({"\uff4dodel": "o1"}, "ambiguous_field"),
        ({"max_output_tokens": 1}, "ambiguous_field"),
        ({"best_of": 20}, "ambiguous_field"),
        ({"models": ["a", "b"]}, "ambiguous_field"),
        ({"api_base": "http://169.254.169.254"}, "ambiguous_field"),
        ({"max_tokens_to_sample": 9}, "ambiguous_field"),
        ({"num_predict": 9}, "ambiguous_field"),
        ({"generationConfig": {"maxOutputTokens": 9}}, "ambiguous_field"),
        # What other servers put into the prompt, or bill beside it.
        ({"documents": [{"text": "a book"}]}, "ambiguous_field"),
        ({"chat_template": "a book"}, "ambiguous_field"),
        ({"plugins": [{"id": "web"}]}, "ambiguous_field"),
        # Costs that nobody bounds.
        ({"model": "gpt-4o-search-preview"}, "unbounded_request"),
        ({"model": "gpt-4o-mini-search-preview-2025-03-11"}, "unbounded_request"),
        ({"model": "gpt-5-search-api"}, "unbounded_request"),
        ({"web_search_options": {}}, "unbounded_request"),
        ({"modalities": ["text", "audio"]}, "unbounded_request"),
        ({"audio": {"voice": "x"}}, "unbounded_request"),
    ],
)
def test_read_refuses_what_has_two_readings_or_no_bound(fields: dict[str, Any], code: str) -> None:
    """Each of these was a way around some gateway's budget."""
    with pytest.raises(Refusal) as refused:
        read(fields)
    assert code == refused.value.code.name


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"tools": [{"type": "web_search"}]}, "unbounded_request"),
        ({"tools": [{"function": {}}]}, "unbounded_request"),
        ({"tools": [7]}, "invalid_request_error"),
        ({"messages": ["hi"]}, "invalid_request_error"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "unbounded_request",
        ),
        # What stands for something that nobody here can see: its own text bounds nothing.
        ({"messages": [{"role": "assistant", "audio": {"id": "a1"}}]}, "unbounded_request"),
        *(
            ({"messages": [{"role": "user", "content": [part]}]}, "unbounded_request")
            for part in (
                {"type": "input_image", "image_url": "https://x.test/a.png"},
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
                {"type": "input_file", "file_id": "f1"},
                {"type": "document", "source": {}},
                {"file": {"file_id": "f1"}},
                {"image_url": {"url": "https://x.test/a.png"}},
                {"type": "tool_result", "content": [{"type": "input_image", "file_id": "f1"}]},
            )
        ),
    ],
)
def test_measure_refuses_content_without_a_bound(fields: dict[str, Any], code: str) -> None:
    """Content is looked into only when it is counted for the first time; the rule is the same."""
    with pytest.raises(Refusal) as refused:
        measured(read(fields))
    assert code == refused.value.code.name


def test_measure_image_is_bounded_and_its_bytes_are_no_text() -> None:
    """Base64 counted as text would block what fits."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    content = [{"type": "text", "text": "what is this"}, image]
    texts, tokens = measured(read({"messages": [{"role": "user", "content": content}]}))
    assert "what is this" in texts
    assert not any("AAAA" in text for text in texts)
    assert tokens >= measure.IMAGE_TOKENS["auto"]


def test_measure_image_of_a_mini_model_has_its_dearer_bound() -> None:
    """gpt-4o-mini bills an image up to 33 times as many tokens as gpt-4o."""
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    messages = [{"role": "user", "content": [image]}]
    _, tokens = measured(read({"model": "gpt-4o-mini", "messages": messages}))
    assert tokens >= measure.IMAGE_TOKENS_MINI


@pytest.mark.parametrize(
    "model", ["gpt-4.1-mini", "gpt-5-mini-2025-08-07", "gpt-5.4-mini", "o4-mini"]
)
def test_measure_image_of_a_mini_model_of_patches_has_the_common_bound(model: str) -> None:
    """Only gpt-4o-mini bills so many tokens; its bound would refuse what fits elsewhere."""
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    messages = [{"role": "user", "content": [image]}]
    _, tokens = measured(read({"model": model, "messages": messages}))
    assert measure.IMAGE_TOKENS["auto"] <= tokens < measure.IMAGE_TOKENS_MINI


def test_measure_counts_every_string_wherever_it_stands() -> None:
    """A content part nobody knows yet still costs tokens."""
    message = {"role": "tool", "tool_call_id": "c1", "content": [{"type": "new", "x": {"y": "zz"}}]}
    texts, _ = measured(read({"messages": [message]}))
    assert {"tool", "c1", "new", "zz"} <= set(texts)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "description": "a\n" * 500}}]},
        {"functions": [{"name": "f", "description": "a\n" * 500}]},
    ],
)
def test_measure_tool_holds_the_comment_sign_of_each_line(fields: dict[str, Any]) -> None:
    """The model is shown a description as lines of comments: short lines cost more than as JSON."""
    _, tokens = measured(read(fields))
    _, plain = measured(read(json.loads(json.dumps(fields).replace("\\n", " "))))
    assert 2 * 500 == tokens - plain


def test_measure_counts_names_that_are_not_of_the_wire_format() -> None:
    """A server that shows the model an object shows its names too."""
    message = {"role": "tool", "content": {"a long name that is text": 1}}
    texts, _ = measured(read({"messages": [message]}))
    assert "a long name that is text" in texts
    assert "content" not in texts


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stream_options": None},
        {"stream_options": {}},
        {"stream_options": {"include_usage": False}},
        {"stream_options": {"include_usage": None, "include_obfuscation": False}},
    ],
)
def test_read_stream_asks_for_usage_and_changes_nothing_else(options: dict[str, Any]) -> None:
    """Without it a stream has no usage; whatever else the caller sent must arrive."""
    request = read({"stream": True, "user": "é"} | options)
    assert request.hides_usage
    sent = forwarded(request)
    assert sent["stream_options"].pop("include_usage") is True
    kept = (options.get("stream_options") or {}) | {}
    kept.pop("include_usage", None)
    assert kept == sent.pop("stream_options")
    assert BASE | {"stream": True, "user": "é"} == sent


def test_read_stream_that_asks_itself_is_forwarded_as_it_came() -> None:
    """Then the usage chunk is the caller's own wish."""
    request = read({"stream": True, "stream_options": {"include_usage": True}})
    assert request.edits is None
    assert not request.hides_usage


def test_read_duplicate_key_is_refused_at_any_level() -> None:
    """First-wins and last-wins parsers would see two bounds."""
    body = b'{"model":"gpt-4o","messages":[],"max_tokens":1,"max_\\u0074okens":9}'
    with pytest.raises(Refusal) as refused:
        read(body)
    assert "duplicate_key" == refused.value.code.name


def test_read_unknown_field_is_forwarded() -> None:
    """The firewall must not break what a provider adds tomorrow."""
    request = read({"brand_new_option": {"a": 1}})
    assert {"a": 1} == forwarded(request)["brand_new_option"]


def test_read_prediction_is_held_as_output() -> None:
    """Rejected prediction tokens are billed as output."""
    prediction = {"type": "content", "content": "x" * 500}
    assert read({"prediction": prediction}).output_tokens_extra >= 500


@pytest.mark.parametrize(
    ("options", "expected"),
    [(None, False), ({"ttl": "30m"}, False), ({"ttl": "12h"}, True), ({}, True), ("12h", True)],
)
def test_read_cache_options_tell_whether_the_dearest_write_may_come(
    options: object, expected: bool
) -> None:
    """A cache that is kept for twelve hours costs twice the short one."""
    cache = read({"prompt_cache_options": options}).cache
    assert expected == (cache == CACHE_12H)


def test_read_minified_and_spaced_bodies_read_alike() -> None:
    """Spans, not a re-serialisation: white space must not matter."""
    body = json.dumps(BASE | {"stream": True}, indent=3).encode()
    request = read(b"  \n" + body)
    assert BASE | {"stream": True, "stream_options": {"include_usage": True}} == forwarded(request)
