"""Embeddings: input only, counted exactly, and answers that are not kept however long they are."""

import json
from typing import Any

import pytest

from s4fw.core.request import Request
from s4fw.dialects.openai.embeddingsmeter import WHOLE_BYTES_MAX, EmbeddingsMeter
from s4fw.errors import Refusal
from tests.dialects.reading import exchange, measured
from tests.samples import sample

BASE: dict[str, Any] = {"model": "text-embedding-3-small", "input": "hi"}
EXPECTED = json.loads(sample("openai_embeddings/expected_usage.json"))


def read(body: bytes | dict[str, Any]) -> Request:
    """Read a body, given as bytes or as what it says beside a model and a text."""
    return exchange("/v1/embeddings", body if isinstance(body, bytes) else BASE | body).request


def test_read_sample_finds_what_moves_money() -> None:
    """A real request: two texts, no output."""
    request = read(sample("openai_embeddings/request.json"))
    assert ("text-embedding-3-small", 0, False) == (
        request.model,
        request.output_tokens_max,
        request.stream,
    )
    assert ["first text", "second text"] == measured(request)[0]
    assert request.edits is None


@pytest.mark.parametrize(
    ("given", "texts", "tokens"),
    [("hi", ["hi"], 0), (["a", "b"], ["a", "b"], 0), ([1, 2], [], 2), ([[1, 2], [3]], [], 3)],
)
def test_read_input_in_every_form_is_counted(given: Any, texts: list[str], tokens: int) -> None:
    """Token ids cost their number."""
    request = read({"input": given})
    assert (texts, tokens + request.tokens_extra) == measured(request)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"input": None}, "invalid_request_error"),
        ({"input": {}}, "invalid_request_error"),
        ({"input": 7}, "invalid_request_error"),
        ({"input": [1, "a"]}, "invalid_request_error"),
        ({"input": ["a", 1]}, "invalid_request_error"),
        ({"input": [1.5]}, "invalid_request_error"),
        ({"input": [[True]]}, "invalid_request_error"),
        ({"input": [{"image": "x"}]}, "invalid_request_error"),
        ({"model": None}, "invalid_request_error"),
        ({"model": ["a"]}, "invalid_request_error"),
        ({"stream": True}, "unbounded_request"),
        ({"Input": "a"}, "ambiguous_field"),
        ({"messages": []}, "ambiguous_field"),
        ({"max_tokens": 5}, "ambiguous_field"),
        ({"api_key": "x"}, "ambiguous_field"),
    ],
)
def test_read_refuses_what_has_two_readings_or_no_bound(fields: dict[str, Any], code: str) -> None:
    """What this shape does not know may be input to another server."""
    with pytest.raises(Refusal) as refused:
        measured(read(fields))
    assert code == refused.value.code.name


@pytest.mark.parametrize("missing", ["model", "input"])
def test_read_without_model_or_input_is_refused(missing: str) -> None:
    """A server that took either from elsewhere would spend what nobody held."""
    with pytest.raises(Refusal):
        read(json.dumps({k: v for k, v in BASE.items() if k != missing}).encode())


@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_answer_passes_unchanged_and_is_metered(step: int) -> None:
    """The usage has no output: that is no fault here."""
    body = sample("openai_embeddings/response.json")
    meter = EmbeddingsMeter()
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    assert [*chunks, b""] == [*map(meter.feed, chunks), meter.end()]
    assert meter.usage is not None
    assert EXPECTED["response.json"]["uncached_input"] == meter.usage.uncached_input
    assert 0 == meter.usage.output
    assert meter.is_complete


LONG = WHOLE_BYTES_MAX // 8


@pytest.mark.parametrize("step", [1000, 65_536, 10**8])
@pytest.mark.parametrize("vector", [[0.015625] * LONG, "AAAAAAAA" * LONG])
def test_answer_of_megabytes_is_metered_by_its_end(step: int, vector: Any) -> None:
    """As numbers or as base64: it is neither kept nor parsed, and its usage is found."""
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 4000, "total_tokens": 4000, "prompt_tokens_details": None},
    }
    body = json.dumps(answer).encode()
    assert len(body) > WHOLE_BYTES_MAX
    meter = EmbeddingsMeter()
    for at in range(0, len(body), step):
        meter.feed(body[at : at + step])
    meter.end()
    assert meter.usage is not None
    assert (4000, "text-embedding-3-small") == (meter.usage.uncached_input, meter.usage.model)
    assert meter.is_complete


@pytest.mark.parametrize(
    ("size", "end"),
    [(0, b'"usage":{"prompt_tokens":4'), (WHOLE_BYTES_MAX, b'"usage":{"prompt_tokens":4}')],
)
def test_answer_cut_short_is_not_complete(size: int, end: bytes) -> None:
    """What did not end as it must is charged at worst case."""
    meter = EmbeddingsMeter()
    meter.feed(b'{"data":[' + b"0," * size + b"0]," + end)
    meter.end()
    assert (False, None) == (meter.is_complete, meter.usage)


@pytest.mark.parametrize("usage", [{"prompt_tokens": -1}, {"total_tokens": 1}, [4]])
def test_usage_that_is_none_is_implausible(usage: Any) -> None:
    """What cannot be believed is charged at worst case."""
    meter = EmbeddingsMeter()
    meter.feed(json.dumps({"data": [], "usage": usage}).encode())
    meter.end()
    assert meter.is_implausible
