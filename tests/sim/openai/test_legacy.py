"""The completions API, as the real SDK sees it."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.harness import Simulator, openai_client

MODEL = "gpt-3.5-turbo-instruct"


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai_client(simulator.base_url) as client:
        yield client


@pytest.mark.parametrize(
    ("prompt", "tokens", "answers"),
    [("hello", 1, 1), (["hello", "hello hello"], 3, 2), ([1, 2, 3], 3, 1), ([[1, 2], [3]], 3, 2)],
)
def test_create_counts_every_kind_of_prompt(
    client: openai.OpenAI, simulator: Simulator, prompt: Any, tokens: int, answers: int
) -> None:
    """16 tokens for each prompt unless told otherwise."""
    answer = client.completions.create(model=MODEL, prompt=prompt)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (tokens, 16 * answers)
    assert len(answer.choices) == answers
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["shape"], row["cost_nusd"]) == (
        "completions",
        tokens * 1_500 + 16 * answers * 2_000,
    )


def test_create_with_best_of_bills_what_is_not_shown(client: openai.OpenAI) -> None:
    """The provider generates more than it returns."""
    answer = client.completions.create(model=MODEL, prompt="x", n=2, best_of=5, max_tokens=10)
    assert answer.usage is not None
    assert (len(answer.choices), answer.usage.completion_tokens) == (2, 50)


def test_create_with_echo_repeats_the_prompt(client: openai.OpenAI) -> None:
    """The prompt stands before each answer and is billed once, as input."""
    answer = client.completions.create(model=MODEL, prompt="hello", echo=True, max_tokens=3)
    assert answer.choices[0].text.startswith("hello")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_stream_says_what_the_whole_answer_says(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """With the usage where it was asked for, in an extra chunk."""
    asked: Any = {"model": MODEL, "prompt": "x", "max_tokens": 9, "n": 2}
    whole = client.completions.create(**asked)
    chunks = list(
        client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    texts = ["", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert [choice.text for choice in whole.choices] == texts
    assert chunks[-1].usage == whole.usage
    assert [row["output"] for row in simulator.wait_billed(2)["rows"]] == [18, 18]
