"""Every OpenAI endpoint through the real SDK: answers arrive, and the account is exact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.harness import Firewall, Simulator, fetch, firewall_config, openai_client, quiesce

BUDGETS = [{"id": "own", "per": ["tenant"], "window": "day", "limit_usd": "100"}]


@dataclass(slots=True)
class Books:
    """What one test spent, as the provider and the firewall see it."""

    simulator: Simulator
    proxy: Firewall
    tenant: str

    def entry(self) -> dict[str, Any]:
        """The test's own budget, when nothing is held any more."""
        return quiesce(self.proxy).one("own", tenant=self.tenant)

    def assert_exact(self, count: int) -> None:
        """The firewall charged what the provider billed, for so many exchanges."""
        charged = self.simulator.wait_billed(count)["total_nusd"]
        entry = self.entry()
        assert charged == entry["spent_nusd"] > 0
        assert 0 == entry["accrued_nusd"]


@pytest.fixture(scope="module")
def proxy(
    simulator_process: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firewall]:
    """A firewall for all tests of this file, with one worker: it sees every chain of responses."""
    config = firewall_config(simulator_process, BUDGETS)
    config["server"] = config.get("server", {}) | {"workers": 1}
    with Firewall(tmp_path_factory.mktemp("shapes"), config) as firewall:
        yield firewall


@pytest.fixture
def books(simulator: Simulator, proxy: Firewall, request: pytest.FixtureRequest) -> Books:
    """Books of the test's own."""
    return Books(simulator, proxy, re.sub(r"[^a-z_]", "", request.node.name)[:100])


@pytest.fixture
def client(books: Books) -> Iterator[openai.OpenAI]:
    """The SDK, as an application would set it up."""
    headers = {"x-s4fw-tenant": books.tenant}
    with openai_client(books.proxy.base_url, default_headers=headers) as client:
        yield client


def test_response_and_its_stream_reach_the_sdk(books: Books, client: openai.OpenAI) -> None:
    """The usage of a stream stands in its last event only."""
    answer = client.responses.create(model="gpt-5.1", input="Where is my order?")
    assert answer.output_text
    kinds = [e.type for e in client.responses.create(model="gpt-5.1", input="Hi", stream=True)]
    assert "response.completed" == kinds[-1]
    books.assert_exact(2)


def test_chain_of_responses_is_billed_with_everything_before(
    books: Books, client: openai.OpenAI
) -> None:
    """Each turn has all earlier ones as input, and none may overrun its hold."""
    previous: Any = openai.omit
    for turn in range(4):
        answer = client.responses.create(
            model="gpt-5.1", input=f"Tell me more, {turn}", previous_response_id=previous
        )
        previous = answer.id
    books.assert_exact(4)


def test_response_that_searches_is_billed_with_its_fees(
    books: Books, client: openai.OpenAI
) -> None:
    """A search costs beside its tokens."""
    client.responses.create(
        model="gpt-5.1", input="Search", tools=[{"type": "web_search"}], max_tool_calls=3
    )
    books.assert_exact(1)


def test_completions_of_many_prompts_reach_the_sdk(books: Books, client: openai.OpenAI) -> None:
    """Texts and token ids, whole and as a stream that did not ask for its usage."""
    model = "gpt-3.5-turbo-instruct"
    answer = client.completions.create(model=model, prompt=["one", "two"], n=2, max_tokens=20)
    assert 4 == len(answer.choices)
    client.completions.create(model=model, prompt=[1, 2, 3], max_tokens=20)
    chunks = list(client.completions.create(model=model, prompt="a", max_tokens=20, stream=True))
    assert all(chunk.choices for chunk in chunks)
    books.assert_exact(3)


def test_embeddings_reach_the_sdk(books: Books, client: openai.OpenAI) -> None:
    """The SDK asks for base64 and decodes it: the bytes must be the provider's."""
    model = "text-embedding-3-small"
    answer = client.embeddings.create(model=model, input=["first text", "second text"])
    assert 2 == len(answer.data)
    client.embeddings.create(model=model, input=[[1, 2, 3], [4]], encoding_format="float")
    books.assert_exact(2)


def test_response_is_looked_at_and_deleted_without_money(
    books: Books, client: openai.OpenAI
) -> None:
    """It tells its usage again; it was charged once."""
    made = client.responses.create(model="gpt-5.1", input="Hi")
    assert made.id == client.responses.retrieve(made.id).id
    assert client.responses.input_items.list(made.id).data
    client.responses.delete(made.id)
    assert client.responses.input_tokens.count(model="gpt-5.1", input="Hi").input_tokens > 0
    assert client.moderations.create(input="Hi").results
    books.assert_exact(1)


def test_response_in_the_background_is_refused_and_nothing_is_sent(
    books: Books, client: openai.OpenAI
) -> None:
    """Nobody would see its usage."""
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.responses.create(model="gpt-5.1", input="Hi", background=True)
    assert "unbounded_request" == refused.value.code
    assert 0 == books.simulator.request_count()


def test_compaction_endpoint_is_not_governed(proxy: Firewall) -> None:
    """A run of a model that nobody bounded."""
    answer = fetch(proxy.base_url + "/responses/compact", "POST", b'{"model":"gpt-5.1"}')
    assert (403, "endpoint_not_governed") == (answer.status, answer.json()["error"]["code"])


@pytest.mark.parametrize("model", ["mock-cut", "mock-reset_stream", "mock-end_early"])
def test_stream_of_a_response_that_breaks_ends_in_a_numbered_error(
    books: Books, client: openai.OpenAI, model: str
) -> None:
    """A stream that is only cut raises nothing in the SDK: half would be taken for whole."""
    events: list[Any] = []
    with suppress(openai.APIConnectionError):  # after the error the body has no proper end
        events.extend(client.responses.create(model=model, input="Tell me", stream=True))
    last = events[-1]
    assert isinstance(last, openai.types.responses.ResponseErrorEvent)
    assert "upstream_cut" == last.code
    assert list(range(len(events))) == [getattr(e, "sequence_number", None) for e in events]
    charged = books.simulator.wait_billed(1)["total_nusd"]
    entry = books.entry()
    assert entry["accrued_nusd"] == entry["used_nusd"] >= charged > 0


def test_response_that_fails_is_charged(books: Books, client: openai.OpenAI) -> None:
    """The provider bills what was generated before the failure."""
    events = list(client.responses.create(model="mock-failed", input="Tell me", stream=True))
    assert "response.failed" == events[-1].type
    charged = books.simulator.wait_billed(1)["total_nusd"]
    assert books.entry()["used_nusd"] >= charged > 0
