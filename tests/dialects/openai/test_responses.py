"""Reading a responses request: what is not in its body is held at the context, or refused."""

import json
from typing import Any

import pytest

from s4fw.core.request import CACHE_12H, CACHE_30M, Request
from s4fw.dialects.openai import measure
from s4fw.dialects.openai.chains import CHAINS
from s4fw.errors import Refusal
from tests.dialects.reading import exchange, forwarded, measured
from tests.samples import sample

BASE: dict[str, Any] = {"model": "gpt-5.5", "input": "hi"}


def read(body: bytes | dict[str, Any]) -> Request:
    """Read a body, given as bytes or as what it says beside a model and a text."""
    return exchange("/v1/responses", body if isinstance(body, bytes) else BASE | body).request


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """A body with one message of these parts."""
    return {"input": [{"role": "user", "content": list(parts)}]}


def test_read_sample_finds_what_moves_money() -> None:
    """A real request with instructions, a tool and a bound."""
    request = read(sample("openai_responses/request.json"))
    assert ("gpt-5.5", True, 1, 400, False) == (
        request.model,
        request.stream,
        request.choices,
        request.output_tokens_max,
        request.is_context_bound,
    )
    texts, _ = measured(request)
    assert "Where is order A-1009?" in texts
    assert any("lookup_order" in text for text in texts)
    assert any(text.startswith("You are the support assistant") for text in texts)
    assert request.edits is None
    assert {"safety_identifier": "cust-42", "metadata.feature": "support"} == request.labels


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, None), ({"max_output_tokens": None}, None), ({"max_output_tokens": 64}, 64)],
)
def test_read_output_bound_is_the_field(fields: dict[str, Any], expected: int | None) -> None:
    """Reasoning is inside it; nothing else bounds the output."""
    assert expected == read(fields).output_tokens_max


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"max_output_tokens": 1.0}, "invalid_request_error"),
        ({"max_output_tokens": True}, "invalid_request_error"),
        ({"max_output_tokens": "5"}, "invalid_request_error"),
        ({"max_output_tokens": -1}, "invalid_request_error"),
        ({"max_output_tokens": 2**31}, "invalid_request_error"),
        ({"max_tool_calls": 1.5}, "invalid_request_error"),
        ({"max_tool_calls": True}, "invalid_request_error"),
        ({"max_tool_calls": 10**6}, "invalid_request_error"),
        ({"stream": "true"}, "invalid_request_error"),
        ({"service_tier": "gold"}, "invalid_request_error"),
        ({"model": None}, "invalid_request_error"),
        ({"model": ["gpt-5.5", "o1"]}, "invalid_request_error"),
        ({"model": "gpt-5.5\u0000"}, "invalid_request_error"),
        ({"input": {}}, "invalid_request_error"),
        ({"input": 7}, "invalid_request_error"),
        ({"tools": {}}, "invalid_request_error"),
        ({"tools": [7]}, "invalid_request_error"),
        ({"tools": [{"name": "f"}]}, "invalid_request_error"),
        ({"previous_response_id": 7}, "invalid_request_error"),
        ({"reasoning": "high"}, "invalid_request_error"),
        ({"background": 1}, "invalid_request_error"),
        # Names that another reader might take for a metered one.
        ({"Max_Output_Tokens": 1}, "ambiguous_field"),
        ({"maxOutputTokens": 1}, "ambiguous_field"),
        ({"max_tokens": 1}, "ambiguous_field"),
        ({"max_completion_tokens": 1}, "ambiguous_field"),
        ({"n": 5}, "ambiguous_field"),
        ({"messages": []}, "ambiguous_field"),
        ({"Background": True}, "ambiguous_field"),
        ({"previousResponseId": "resp_1"}, "ambiguous_field"),
        ({"reasoning": {"Mode": "pro"}}, "ambiguous_field"),
        ({"models": ["a", "b"]}, "ambiguous_field"),
        ({"api_base": "http://169.254.169.254"}, "ambiguous_field"),
        # Costs that nobody bounds.
        ({"background": True}, "unbounded_request"),
        ({"context_management": [{"type": "compaction"}]}, "unbounded_request"),
        ({"reasoning": {"mode": "pro"}}, "unbounded_request"),
        ({"reasoning": {"mode": 1}}, "unbounded_request"),
        ({"prompt": {"id": "pmpt_1"}}, "unbounded_request"),
        ({"prompt": {"id": "pmpt_1"}, "tool_choice": "auto"}, "unbounded_request"),
        ({"modalities": ["audio"]}, "unbounded_request"),
        ({"tools": [{"type": "web_search"}]}, "unbounded_request"),
        ({"tools": [{"type": "web_search"}], "max_tool_calls": 0}, "unbounded_request"),
        ({"tools": [{"type": "file_search"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "code_interpreter"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "image_generation"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "mcp", "server_url": "x"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "tool_search"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "shell"}], "max_tool_calls": 2}, "unbounded_request"),
        ({"tools": [{"type": "of_tomorrow"}], "max_tool_calls": 2}, "unbounded_request"),
        (
            {"tools": [{"type": "namespace", "tools": [{"type": "web_search"}]}]},
            "unbounded_request",
        ),
    ],
)
def test_read_refuses_what_has_two_readings_or_no_bound(fields: dict[str, Any], code: str) -> None:
    """Each of these is a way around a hold that is made from the body."""
    with pytest.raises(Refusal) as refused:
        read(fields)
    assert code == refused.value.code.name


@pytest.mark.parametrize("missing", ["model", "input"])
def test_read_without_model_or_input_is_refused(missing: str) -> None:
    """A server that took either from elsewhere would spend what nobody held."""
    with pytest.raises(Refusal) as refused:
        read(json.dumps({k: v for k, v in BASE.items() if k != missing}).encode())
    assert "invalid_request_error" == refused.value.code.name


def test_read_duplicate_key_is_refused_within_reasoning() -> None:
    """First-wins and last-wins parsers would see two modes."""
    with pytest.raises(Refusal) as refused:
        read(b'{"model":"o3","input":"","reasoning":{"mode":"standard","m\\u006fde":"pro"}}')
    assert "duplicate_key" == refused.value.code.name


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_unknown"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}, "tool_choice": "none"},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        user({"type": "input_file", "file_id": "file_1"}),
        user({"type": "input_file", "file_url": "https://x.test/a.pdf"}),
        user({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA"}),
        {"input": [{"type": "compaction", "encrypted_content": "x"}]},
        {"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]},
        {"tools": [{"type": "local_shell"}]},
        {"tools": [{"type": "shell", "environment": {"type": "local"}}]},
        {"tools": [{"type": "computer_use_preview"}]},
        {"tools": [{"type": "code_interpreter"}], "tool_choice": "none"},
    ],
)
def test_read_input_that_is_not_here_is_bound_by_the_context(fields: dict[str, Any]) -> None:
    """The provider bills it as input, and only the model's context says how much it can be."""
    request = read(fields)
    assert request.is_context_bound
    assert 1 == request.input_turns
    texts, _ = measured(request)
    assert not any("AAAA" in text for text in texts)


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": None, "conversation": None, "prompt": None, "tools": None},
        {"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]},
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]},
        {"context_management": [], "background": False, "reasoning": {"mode": "standard"}},
        {"text": {"format": {"type": "text"}}, "instructions": None},
        user({"type": "input_text", "text": '"type":"input_file"'}),
        user({"type": "input_image", "file_id": "file_1", "detail": "low"}),
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
        {"input": [{"type": "apply_patch_call", "operation": {"type": "create_file"}}]},
        {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]},
    ],
)
def test_read_input_that_is_here_is_counted(fields: dict[str, Any]) -> None:
    """A hold of a whole context would refuse what fits."""
    request = read(fields)
    assert not request.is_context_bound
    measured(request)


def test_read_web_search_holds_every_turn_and_every_fee() -> None:
    """With each call the model reads its whole input again."""
    request = read({"tools": [{"type": "web_search_preview"}], "max_tool_calls": 3})
    assert (True, 4, 3) == (request.is_context_bound, request.input_turns, request.searches_max)


def test_read_web_search_that_may_not_be_called_is_one_turn() -> None:
    """The definition is there, the calls are not."""
    request = read({"tools": [{"type": "web_search"}], "tool_choice": "none"})
    assert (True, 1, 0) == (request.is_context_bound, request.input_turns, request.searches_max)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"input": ["hi"]}, "invalid_request_error"),
        ({"input": [{"id": "msg_1"}]}, "unbounded_request"),
        ({"input": [{"type": "additional_tools", "tools": []}]}, "unbounded_request"),
        ({"input": [{"type": "tool_search_output", "tools": []}]}, "unbounded_request"),
        ({"input": [{"type": "compaction_trigger"}]}, "unbounded_request"),
        ({"instructions": ["a"]}, "invalid_request_error"),
        (user({"type": "input_audio", "input_audio": {}}), "unbounded_request"),
        (user({"type": "input_video", "video": {}}), "unbounded_request"),
        (user({"file_id": "file_1"}), "unbounded_request"),
        (user({"image_url": "https://x.test/a.png"}), "unbounded_request"),
        (user({"type": "input_image", "detail": 7}), "invalid_request_error"),
    ],
)
def test_measure_refuses_content_without_a_bound(fields: dict[str, Any], code: str) -> None:
    """Content is looked into only when it is counted for the first time; the rule is the same."""
    with pytest.raises(Refusal) as refused:
        measured(read(fields))
    assert code == refused.value.code.name


def test_measure_audio_is_refused_beside_what_the_context_bounds() -> None:
    """The context bounds how many tokens there are, not that audio costs as text does."""
    parts = ({"type": "input_file", "file_id": "f"}, {"type": "input_audio", "input_audio": {}})
    with pytest.raises(Refusal) as refused:
        measured(read(user(*parts)))
    assert "unbounded_request" == refused.value.code.name


@pytest.mark.parametrize("kind", ["input\\u005ffile", "item\\u005freference"])
def test_measure_unseen_kind_written_with_escapes_is_refused(kind: str) -> None:
    """The kind is looked for in the bytes; whoever hides it must not get a smaller hold."""
    body = b'{"model":"o3","input":[{"type":"%b","file_id":"f","id":"m"}]}' % kind.encode()
    request = read(body)
    assert not request.is_context_bound
    with pytest.raises(Refusal):
        measured(request)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"detail": "low"}, measure.IMAGE_TOKENS["low"]),
        ({}, measure.IMAGE_TOKENS["auto"]),
        ({"detail": "of_tomorrow"}, measure.IMAGE_TOKENS["original"]),
    ],
)
def test_measure_image_is_bounded_and_its_bytes_are_no_text(
    part: dict[str, Any], expected: int
) -> None:
    """Base64 counted as text would block what fits."""
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 9000} | part
    texts, tokens = measured(read(user({"type": "input_text", "text": "what is this"}, image)))
    assert "what is this" in texts
    assert not any("AAAA" in text for text in texts)
    assert tokens >= expected


def test_measure_screenshot_is_bounded_as_it_is() -> None:
    """What a computer call returns is shown without scaling."""
    output = {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"}
    item = {"type": "computer_call_output", "call_id": "c1", "output": output}
    texts, tokens = measured(read({"input": [item]}))
    assert tokens >= measure.IMAGE_TOKENS["original"]
    assert not any("AAAA" in text for text in texts)


def test_measure_counts_outputs_of_tools_and_schemas() -> None:
    """Whatever the model is shown costs tokens."""
    schema = {"format": {"type": "json_schema", "name": "s", "schema": {"title": "zz-title"}}}
    item = {"type": "function_call_output", "call_id": "c1", "output": "zz-output"}
    texts, _ = measured(read({"input": [item], "text": schema}))
    assert "zz-output" in texts
    assert any("zz-title" in text for text in texts)


def test_read_previous_response_that_was_relayed_here_is_held_at_its_size() -> None:
    """A chain of known length needs no hold of a whole context."""
    CHAINS.remember("resp_known", "gpt-5.5", 5000)
    known = read({"previous_response_id": "resp_known"})
    assert not known.is_context_bound
    assert known.tokens_extra >= read({}).tokens_extra + 5000
    assert read({"previous_response_id": "resp_known", "model": "gpt-4o"}).is_context_bound


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, CACHE_30M), ({"prompt_cache_options": {"ttl": "12h"}}, CACHE_12H)],
)
def test_read_cache_is_held_at_what_may_be_written(options: dict[str, Any], expected: int) -> None:
    """Newer models write to their cache without being asked."""
    assert expected == read(options).cache


def test_read_labels_are_found_by_their_names() -> None:
    """A caller that cannot set headers says in the body who pays."""
    fields = {
        "user": "u1",
        "prompt_cache_key": "k1",
        "conversation": {"id": "conv_1"},
        "metadata": {"tenant": "acme", "n": 1},
    }
    labels = {"user": "u1", "prompt_cache_key": "k1", "conversation": "conv_1"}
    assert labels | {"metadata.tenant": "acme"} == read(fields).labels


def test_read_unknown_field_is_forwarded() -> None:
    """The firewall must not break what a provider adds tomorrow."""
    assert {"a": 1} == forwarded(read({"brand_new_option": {"a": 1}}))["brand_new_option"]


def test_read_choice_of_many_tools_is_held() -> None:
    """It names each of them."""
    names = [{"type": "function", "name": f"tool_{number}"} for number in range(200)]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": names}
    assert read({"tool_choice": choice}).tokens_extra > read({"tool_choice": "auto"}).tokens_extra
