"""Reading a legacy completions request: every prompt is an answer, however the list is written."""

import json
from typing import Any

import pytest

from s4fw.core.request import Request
from s4fw.errors import Refusal
from tests.dialects.reading import exchange, forwarded, measured

BASE: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "hi"}


def read(body: bytes | dict[str, Any]) -> Request:
    """Read a body, given as bytes or as what it says beside a model and a prompt."""
    return exchange("/v1/completions", body if isinstance(body, bytes) else BASE | body).request


def own(fields: dict[str, Any]) -> tuple[list[str], int]:
    """The texts of a request, and the tokens that are exact: beside those of an empty prompt."""
    texts, tokens = measured(read(fields))
    return texts, tokens - read(fields).tokens_extra


@pytest.mark.parametrize(
    ("prompt", "texts", "tokens", "choices"),
    [
        ("hi", ["hi"], 0, 1),
        (["a", "b", "c"], ["a", "b", "c"], 0, 3),
        ([1, 2, 3], [], 3, 1),
        ([[1, 2, 3], [4]], [], 4, 2),
        (["a", [1, 2]], ["a"], 2, 2),
        ([], [], 0, 1),
        (None, [], 0, 1),
    ],
)
def test_read_prompt_in_every_form_is_counted_and_multiplies_the_output(
    prompt: Any, texts: list[str], tokens: int, choices: int
) -> None:
    """A list of prompts is as many answers; a list of token ids is one prompt of its length."""
    assert (texts, tokens) == own({"prompt": prompt})
    assert choices == read({"prompt": prompt}).choices


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"n": 2, "best_of": 5}, 5),
        ({"best_of": 5, "prompt": ["a", "b"]}, 10),
        ({"n": None, "best_of": None}, 1),
    ],
)
def test_read_choices_are_the_larger_of_both_for_each_prompt(
    fields: dict[str, Any], expected: int
) -> None:
    """`best_of` generates and bills what it throws away."""
    assert expected == read(fields).choices


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"prompt": {}}, "invalid_request_error"),
        ({"prompt": 7}, "invalid_request_error"),
        ({"prompt": [1.5]}, "invalid_request_error"),
        ({"prompt": [True]}, "invalid_request_error"),
        ({"prompt": [-1]}, "invalid_request_error"),
        ({"prompt": [1, "a"]}, "invalid_request_error"),
        ({"prompt": ["a", 1]}, "invalid_request_error"),
        ({"prompt": [[1], ["a"]]}, "invalid_request_error"),
        ({"prompt": [[[1]]]}, "invalid_request_error"),
        ({"prompt": [None]}, "invalid_request_error"),
        ({"max_tokens": True}, "invalid_request_error"),
        ({"max_tokens": 1.0}, "invalid_request_error"),
        ({"max_tokens": -1}, "invalid_request_error"),
        ({"max_tokens": 2**31}, "invalid_request_error"),
        ({"n": 1000}, "invalid_request_error"),
        ({"n": 0}, "invalid_request_error"),
        ({"best_of": 1000}, "invalid_request_error"),
        ({"best_of": "2"}, "invalid_request_error"),
        ({"echo": 1}, "invalid_request_error"),
        ({"suffix": 7}, "invalid_request_error"),
        ({"stream": 1}, "invalid_request_error"),
        ({"model": None}, "invalid_request_error"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "invalid_request_error"),
        ({"Best_Of": 20}, "ambiguous_field"),
        ({"bestOf": 20}, "ambiguous_field"),
        ({"max_completion_tokens": 20}, "ambiguous_field"),
        ({"messages": []}, "ambiguous_field"),
        ({"prompt_embeds": "AAAA"}, "ambiguous_field"),
        ({"api_base": "http://169.254.169.254"}, "ambiguous_field"),
    ],
)
def test_read_refuses_what_has_two_readings_or_no_bound(fields: dict[str, Any], code: str) -> None:
    """The older endpoint is no way around what is refused in the newer one."""
    with pytest.raises(Refusal) as refused:
        measured(read(fields))
    assert code == refused.value.code.name


def test_read_duplicate_key_is_refused() -> None:
    """First-wins and last-wins parsers would see two multipliers."""
    with pytest.raises(Refusal) as refused:
        read(b'{"model":"davinci-002","prompt":"a","best_of":1,"best\\u005fof":20}')
    assert "duplicate_key" == refused.value.code.name


def test_read_suffix_is_input() -> None:
    """The model reads it."""
    texts, _ = own({"suffix": "the end"})
    assert "the end" in texts


def test_read_stream_asks_for_usage_and_changes_nothing_else() -> None:
    """Without it a stream has no usage, as with chats."""
    request = read({"stream": True})
    assert request.hides_usage
    expected = BASE | {"stream": True, "stream_options": {"include_usage": True}}
    assert expected == forwarded(request)


def test_read_long_list_of_token_ids_is_exact() -> None:
    """The largest input of a model as ids: the count is the length."""
    body = json.dumps(BASE | {"prompt": list(range(16_384))}).encode()
    request = read(body)
    _, tokens = measured(request)
    assert 16_384 == tokens - request.tokens_extra
