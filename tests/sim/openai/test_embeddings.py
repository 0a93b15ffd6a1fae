"""The embeddings and moderations APIs, as the real SDK sees them."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.harness import Simulator, openai_client

MODEL = "text-embedding-3-small"


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai_client(simulator.base_url) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "tokens", "vectors"),
    [("hello", 1, 1), (["hello", "hello hello"], 3, 2), ([1, 2, 3], 3, 1), ([[1, 2], [3]], 3, 2)],
)
def test_create_counts_every_kind_of_input(
    client: openai.OpenAI, simulator: Simulator, given: Any, tokens: int, vectors: int
) -> None:
    """Only input is billed."""
    answer = client.embeddings.create(model=MODEL, input=given)
    assert (answer.usage.prompt_tokens, len(answer.data)) == (tokens, vectors)
    (row,) = simulator.wait_billed(1)["rows"]
    assert (row["shape"], row["output"], row["cost_nusd"]) == ("embeddings", 0, tokens * 20)


def test_create_in_either_encoding_gives_the_same_vector(client: openai.OpenAI) -> None:
    """The SDK asks for base64 unless told otherwise."""
    encoded = client.embeddings.create(model=MODEL, input="x", dimensions=4)
    plain = client.embeddings.create(model=MODEL, input="x", dimensions=4, encoding_format="float")
    assert encoded.data[0].embedding == plain.data[0].embedding
    assert len(plain.data[0].embedding) == 4


@pytest.mark.parametrize("given", [[], [1, "x"], 7])
def test_create_with_a_wrong_input_is_refused(
    client: openai.OpenAI, simulator: Simulator, given: Any
) -> None:
    """In OpenAI's envelope, unbilled."""
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=MODEL, input=given)
    assert simulator.ledger()["unbilled"] == 1


def test_moderation_is_free(client: openai.OpenAI, simulator: Simulator) -> None:
    """One verdict for each text, and no row."""
    answer = client.moderations.create(input=["a", "b"])
    assert [verdict.flagged for verdict in answer.results] == [False, False]
    assert simulator.ledger()["rows"] == []
