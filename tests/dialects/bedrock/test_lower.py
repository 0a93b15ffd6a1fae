"""Lowering the bound of the output: in the one place that every model of the shape obeys."""

import json
from typing import Any

import pytest

from tests.dialects.bedrock.calls import BEDROCK, exchange, saying

LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"


def lowered(
    body: dict[str, Any], tokens: int, operation: str = "converse", **options: Any
) -> tuple[bool, dict[str, Any], int | None]:
    """Whether it was lowered, what is forwarded, and the bound that is then held."""
    x = exchange(body, operation, **options)
    BEDROCK.read(x)
    done = BEDROCK.lower_output(x, tokens)
    forwarded = json.loads(b"".join(map(bytes, x.request.pieces())))
    return done, forwarded, x.request.output_tokens_max


@pytest.mark.parametrize(
    ("config", "members"),
    [
        ({"maxTokens": 50}, {}),
        ({"maxTokens": 50}, {"inferenceConfig": None}),
        ({"topP": 1, "maxTokens": 50}, {"inferenceConfig": {"topP": 1}}),
        ({"maxTokens": 50, "topP": 1}, {"inferenceConfig": {"maxTokens": 500, "topP": 1}}),
    ],
)
def test_lower_converse_changes_max_tokens_only(
    config: dict[str, Any], members: dict[str, Any]
) -> None:
    """Everything else is forwarded as it came."""
    body = saying(**members)
    done, forwarded, bound = lowered(body, 50)
    assert (True, 50) == (done, bound)
    assert {**body, "inferenceConfig": config} == forwarded


def test_lower_converse_that_is_low_enough_changes_nothing() -> None:
    """A caller's own bound is never raised."""
    body = saying(inferenceConfig={"maxTokens": 5})
    assert (True, body, 5) == lowered(body, 50)


@pytest.mark.parametrize(
    "additional",
    [{"max_tokens": 500}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}],
)
def test_lower_converse_with_a_native_bound_is_left_alone(additional: dict[str, Any]) -> None:
    """The model might obey the other one, or refuse thinking beyond the bound."""
    body = saying(additionalModelRequestFields=additional)
    done, forwarded, _ = lowered(body, 50)
    assert (False, body) == (done, forwarded)


def test_lower_invoke_of_claude_changes_max_tokens() -> None:
    """Its body is Anthropic's."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert (True, {**body, "max_tokens": 50}, 50) == lowered(body, 50, "invoke")


def test_lower_invoke_of_others_is_left_alone() -> None:
    """Each has a bound of its own in a place of its own."""
    body = {"prompt": "hi", "max_gen_len": 500}
    assert (False, body, 500) == lowered(body, 50, "invoke", model=LLAMA)


def test_lower_to_nothing_is_left_alone() -> None:
    """An answer of nothing is no answer: the budget blocks it instead."""
    assert not lowered(saying(), 0)[0]


def test_rename_model_is_not_done_in_the_path() -> None:
    """The path is the route's."""
    assert not BEDROCK.rename_model(exchange(saying()), "us.amazon.nova-lite-v1:0")
