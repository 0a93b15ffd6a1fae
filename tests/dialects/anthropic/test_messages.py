"""Reading a messages request: one reading, nothing unbounded, nothing re-serialised."""

import json
from typing import Any

import pytest

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE, Request
from s4fw.dialects.anthropic import measure, messages
from s4fw.errors import Refusal
from tests.dialects.anthropic.bodies import BASE, read, saying
from tests.dialects.reading import forwarded, measured
from tests.samples import sample

SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def test_read_sample_finds_what_moves_money() -> None:
    """A real request with a cached system prompt, a tool and thinking."""
    request = read(sample("anthropic_messages/request.json"))
    assert ("claude-sonnet-4-5", True, 1, 2048, CACHE_1H, 1) == (
        request.model,
        request.stream,
        request.choices,
        request.output_tokens_max,
        request.cache,
        request.input_turns,
    )
    assert {"metadata.user_id": "cust-42"} == request.labels
    texts, _ = measured(request)
    assert "Where is order A-1009?" in texts
    assert any("lookup_order" in text for text in texts)
    assert any(text.startswith("You are the support assistant") for text in texts)
    assert (request.body,) == request.pieces()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        # Numbers that size the hold are plain integers.
        ({"max_tokens": None}, "invalid_request_error"),
        ({"max_tokens": 1.0}, "invalid_request_error"),
        ({"max_tokens": True}, "invalid_request_error"),
        ({"max_tokens": "5"}, "invalid_request_error"),
        ({"max_tokens": -1}, "invalid_request_error"),
        ({"max_tokens": 2**31}, "invalid_request_error"),
        ({"stream": 1}, "invalid_request_error"),
        ({"service_tier": "gold"}, "invalid_request_error"),
        ({"speed": "ultra"}, "invalid_request_error"),
        ({"speed": 1}, "invalid_request_error"),
        ({"inference_geo": 1}, "invalid_request_error"),
        ({"model": None}, "invalid_request_error"),
        ({"model": ["claude-a", "claude-b"]}, "invalid_request_error"),
        ({"model": "claude\u2011opus"}, "invalid_request_error"),
        ({"messages": {}}, "invalid_request_error"),
        ({"messages": None}, "invalid_request_error"),
        ({"system": 5}, "invalid_request_error"),
        ({"system": {"type": "text", "text": "hi"}}, "invalid_request_error"),
        ({"tools": {}}, "invalid_request_error"),
        ({"tools": ["web_search"]}, "invalid_request_error"),
        # Names that another reader might take for a metered one.
        ({"MAX_TOKENS": 1}, "ambiguous_field"),
        ({"maxTokens": 1}, "ambiguous_field"),
        ({"Model": "claude-opus-5"}, "ambiguous_field"),
        ({"\uff4dodel": "claude-opus-5"}, "ambiguous_field"),
        ({"Speed": "fast"}, "ambiguous_field"),
        ({"fallBacks": "default"}, "ambiguous_field"),
        ({"max_completion_tokens": 9}, "ambiguous_field"),
        ({"max_tokens_to_sample": 9}, "ambiguous_field"),
        ({"n": 8}, "ambiguous_field"),
        ({"models": ["a", "b"]}, "ambiguous_field"),
        ({"api_base": "http://169.254.169.254"}, "ambiguous_field"),
        # What nobody bounds.
        ({"fallbacks": "default"}, "unbounded_request"),
        ({"fallbacks": [{"model": "claude-opus-5"}]}, "unbounded_request"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "unbounded_request"),
        ({"container": "container_1"}, "unbounded_request"),
        ({"container": {"skills": [{"skill_id": "pptx"}]}}, "unbounded_request"),
        ({"mcp_servers": [{"url": "https://example.com"}]}, "unbounded_request"),
        ({"compaction": {"type": "summary"}}, "unbounded_request"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "unbounded_request"),
        ({"context_management": {"edits": [5]}}, "unbounded_request"),
        ({"context_management": {"edits": 5}}, "unbounded_request"),
        ({"context_management": {"compact": True}}, "unbounded_request"),
        ({"context_management": "auto"}, "unbounded_request"),
    ],
)
def test_read_what_is_ambiguous_or_unbounded_is_refused(fields: dict[str, Any], code: str) -> None:
    """One reading only, and a bound on everything that is billed."""
    with pytest.raises(Refusal) as refused:
        read(fields)
    assert code == refused.value.code.name


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
def test_read_without_a_required_field_is_refused(missing: str) -> None:
    """The provider refuses it too, and nothing else bounds the output."""
    with pytest.raises(Refusal) as refused:
        read({}, without=(missing,))
    assert "invalid_request_error" == refused.value.code.name


def test_read_same_name_twice_is_refused() -> None:
    """First wins here, last wins there: the hold would be for one, the bill for the other."""
    with pytest.raises(Refusal) as refused:
        read(b'{"max_tokens":1,"model":"claude-opus-5","messages":[],"max_tokens":100000}')
    assert "duplicate_key" == refused.value.code.name


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5, "top_p": 1, "stop_sequences": ["x"]},
        {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "auto"}},
        {"context_management": None},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        {"mcp_servers": [], "container": None, "fallbacks": None, "tools": None, "system": None},
        {"diagnostics": {"previous_message_id": "msg_1"}},
        {"a_new_field": {"deep": [1, 2]}},
    ],
)
def test_read_what_adds_nothing_to_the_bill_passes_unchanged(fields: dict[str, Any]) -> None:
    """Coding agents send beta fields all the time; only those that bill are refused."""
    request = read(fields)
    assert None is request.edits
    assert 1 == request.input_turns


def test_read_unknown_field_is_counted_as_text() -> None:
    """A field of tomorrow may be read by the model: its bytes bound its tokens."""
    text = "x" * 500
    assert 500 < read({"a_new_field": text}).tokens_extra < 510


def test_read_max_tokens_of_zero_warms_the_cache_only() -> None:
    """Nothing is generated, so nothing is held for output; a write to the cache is."""
    request = read({"max_tokens": 0, "cache_control": SHORT})
    assert (0, CACHE_5M) == (request.output_tokens_max, request.cache)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, CACHE_NONE),
        ({"cache_control": SHORT}, CACHE_5M),
        ({"cache_control": SHORT | {"ttl": "5m"}}, CACHE_5M),
        ({"cache_control": SHORT | {"ttl": None}}, CACHE_5M),
        ({"cache_control": LONG}, CACHE_1H),
        ({"cache_control": SHORT | {"ttl": "24h"}}, CACHE_1H),
        ({"cache_control": SHORT | {"ttl": 3600}}, CACHE_1H),
        ({"system": [{"type": "text", "text": "a", "cache_control": SHORT}]}, CACHE_5M),
        ({"system": [{"type": "text", "text": "a", "cache_control": LONG}]}, CACHE_1H),
        ({"tools": [{"name": "a", "input_schema": {}, "cache_control": LONG}]}, CACHE_1H),
        (saying({"type": "text", "text": "a", "cache_control": LONG}), CACHE_1H),
        (
            saying(
                {"type": "tool_result", "tool_use_id": "a", "cache_control": SHORT},
                {"type": "text", "text": "a", "cache_control": LONG},
            ),
            CACHE_1H,
        ),
        (saying({"type": "text", "text": '"cache_control": {"ttl": "1h"}'}), CACHE_NONE),
    ],
)
def test_read_cache_is_the_dearest_that_is_asked_for_anywhere(
    fields: dict[str, Any], expected: int
) -> None:
    """A write for an hour costs twice the input rate; one such block is enough."""
    assert expected == read(fields).cache


def test_read_cache_asked_for_in_escaped_letters_is_held_at_the_dearest() -> None:
    """JSON may spell any name in escapes; the search in the raw bytes must not be blind to it."""
    body = json.dumps(BASE | {"cache_control": LONG}).replace("cache_", "cach\\u0065_")
    assert CACHE_1H == read(body.encode()).cache


def test_read_text_about_escapes_is_no_escape() -> None:
    """Source code in a prompt holds escaped backslashes; it costs no more for that."""
    assert CACHE_NONE == read(saying({"type": "text", "text": "print('\\u0065')"})).cache


@pytest.mark.parametrize(
    ("fields", "tier", "speed", "geo"),
    [
        ({}, None, None, None),
        ({"service_tier": "auto", "speed": "standard"}, "auto", None, None),
        ({"service_tier": "standard_only"}, "default", None, None),
        ({"speed": "fast", "inference_geo": "us"}, None, "fast", "us"),
        ({"speed": None, "inference_geo": None}, None, None, None),
        ({"inference_geo": "global"}, None, None, None),
        ({"inference_geo": "mars"}, None, None, "us"),
    ],
)
def test_read_tier_speed_and_place_size_the_hold(
    fields: dict[str, Any], tier: str | None, speed: str | None, geo: str | None
) -> None:
    """Each multiplies the rates; what is not known is held at the dearest that is."""
    request = read(fields)
    assert (tier, speed, geo) == (request.tier, request.speed, request.geo)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-3-5-sonnet-20241022", measure.IMAGE_TOKENS_46),
        ("claude-sonnet-4-20250514", measure.IMAGE_TOKENS_46),
        ("claude-opus-4-6", measure.IMAGE_TOKENS_46),
        ("claude-opus-4-6-20260205", measure.IMAGE_TOKENS_46),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", measure.IMAGE_TOKENS_46),
        ("claude-opus-4-7", measure.IMAGE_TOKENS),
        ("claude-opus-4-7-20260416", measure.IMAGE_TOKENS),
        ("claude-opus-4-10", measure.IMAGE_TOKENS),
        ("claude-sonnet-5-5", measure.IMAGE_TOKENS),
        ("claude-fable-5-1", measure.IMAGE_TOKENS),
        ("our-own-alias", measure.IMAGE_TOKENS),
    ],
)
def test_read_images_are_bounded_by_what_the_model_sees(model: str, tokens: int) -> None:
    """From Opus 4.7 on an image is up to three times as many tokens."""
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 4000}}
    before = measured(read({"model": model} | saying()))[1]
    texts, after = measured(read({"model": model} | saying(image)))
    assert tokens == after - before
    assert "A" * 4000 not in texts


@pytest.mark.parametrize("system", ["Answer briefly.", [{"type": "text", "text": "Answer."}]])
def test_read_system_is_counted_and_forwarded_as_it_is(system: Any) -> None:
    """A text or blocks: both are input."""
    request = read({"system": system})
    assert any(text.startswith("Answer") for text in measured(request)[0])
    assert (request.body,) == request.pieces()


def test_read_system_as_text_and_as_list_are_remembered_apart() -> None:
    """Counts are remembered by digest: two shapes must never share one."""
    as_text, as_list = (read({"system": system}) for system in ("a", ["a"]))
    (text,), (listed,) = (
        [run.digests[0] for run in request.runs if run.name == b"as"]
        for request in (as_text, as_list)
    )
    assert text != listed


def test_read_schema_of_the_answer_is_counted() -> None:
    """It is put into the prompt."""
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "title": "order"}}}
    assert any("order" in text for text in measured(read({"output_config": form}))[0])


def test_read_tool_that_messages_name_is_read_again_with_each() -> None:
    """Naming a tool in a message puts its whole definition there."""
    tool = {"name": "lookup", "description": "d" * 1000, "input_schema": {}}
    named = {"type": "tool_reference", "tool_name": "lookup"}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [named, named]}
    assert read({"tools": [tool]} | saying(result)).tokens_extra > 2000
    veiled = json.dumps(BASE | {"tools": [tool]} | saying(result)).replace("tool_r", "tool\\u005fr")
    assert read(veiled.encode()).is_context_bound


def test_read_cache_that_may_be_hidden_by_escapes_is_the_dearest() -> None:
    """A search in the raw bytes does not find what is written so."""
    block = {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}
    body = json.dumps(BASE | {"messages": [{"role": "user", "content": [block]}]})
    assert CACHE_5M == read(body.encode()).cache
    assert CACHE_1H == read(body.replace("cache_c", "cache\\u005fc").encode()).cache


def test_read_body_whose_model_is_in_the_path_names_none() -> None:
    """Bedrock takes the same body without a model; one that names two is ambiguous."""
    request = Request(b"POST", b"/", b"", {})
    request.model = "anthropic.claude-opus-4-6-v1"
    request.body = b'{"max_tokens":5,"messages":[],"anthropic_version":"bedrock-2023-05-31"}'
    messages.read(request, is_model_in_path=True)
    assert (5, 0) == (request.output_tokens_max, request.tokens_extra)
    request.body = json.dumps(BASE).encode()
    with pytest.raises(Refusal):
        messages.read(request, is_model_in_path=True)


@pytest.mark.parametrize(
    ("fields", "tokens", "can", "expected"),
    [
        ({"max_tokens": 500}, 100, True, {"max_tokens": 100}),
        ({"max_tokens": 50}, 100, True, {"max_tokens": 50}),
        ({"max_tokens": 500}, 0, False, {"max_tokens": 500}),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000}},
            5000,
            True,
            {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 4999}},
        ),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
            5000,
            True,
            {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000}},
            1000,
            False,
            {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000}},
        ),
    ],
)
def test_lower_output_keeps_the_request_valid(
    fields: dict[str, Any], tokens: int, can: bool, expected: dict[str, Any]
) -> None:
    """Thinking must stay below the bound, or the provider refuses what we changed."""
    request = read(fields)
    assert can is messages.lower_output(request, tokens)
    assert BASE | expected == forwarded(request)
    assert expected["max_tokens"] == request.output_tokens_max


def test_rename_model_changes_the_model_and_the_bound_of_images() -> None:
    """A cheaper model may see larger images."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    request = read({"model": "claude-opus-4-6"} | saying(image))
    before = measured(request)[1]
    assert messages.rename_model(request, "claude-haiku-5-5")
    assert ("claude-haiku-5-5", "claude-haiku-5-5") == (
        request.model,
        forwarded(request)["model"],
    )
    assert measure.IMAGE_TOKENS - measure.IMAGE_TOKENS_46 == measured(request)[1] - before
    assert not messages.rename_model(request, 'x","max_tokens":1')
