"""Reading usage out of Bedrock's answers while they pass, whole and in every possible split."""

import base64
import json
from typing import Any

import pytest

from s4fw.core.dialect import Meter
from s4fw.core.request import CACHE_1H, CACHE_5M
from s4fw.dialects import eventstream
from tests.dialects.bedrock.calls import BEDROCK, CLAUDE, buckets, exchange
from tests.samples import sample

EXPECTED = {
    folder: json.loads(sample(f"{folder}/expected_usage.json"))
    for folder in ("bedrock_converse", "bedrock_invoke")
}
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
FIELDS = {
    name.lower().encode(): value.encode()
    for name, value in json.loads(sample("bedrock_invoke/response_headers.json")).items()
}


def meter(
    operation: str,
    *,
    is_stream: bool,
    model: str = CLAUDE,
    fields: dict[bytes, bytes] | None = None,
    cache: int = CACHE_5M,
) -> Meter:
    """The meter of an answer to a call of that operation."""
    x = exchange(b"{}", operation, model)
    x.request.model = model
    x.request.cache = cache
    made = BEDROCK.meter(x, 200, is_stream, fields or {})
    assert made is not None
    return made


def drive(meter: Meter, answer: bytes, step: int = 10**9) -> bytes:
    """Feed an answer in pieces, and its end; what the caller would see."""
    chunks = [answer[at : at + step] for at in range(0, len(answer), step)]
    return b"".join([*(meter.feed(chunk) for chunk in chunks), meter.end()])


def chunk(native: dict[str, Any]) -> bytes:
    """A frame with one native event."""
    encoded = base64.b64encode(json.dumps(native).encode()).decode()
    return eventstream.event("chunk", json.dumps({"bytes": encoded, "p": "abc"}).encode())


STREAMS = [
    ("converse-stream", "bedrock_converse"),
    ("invoke-with-response-stream", "bedrock_invoke"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000, 10**6])
@pytest.mark.parametrize(("operation", "folder"), STREAMS)
def test_stream_in_any_split_passes_unchanged_and_is_metered(
    operation: str, folder: str, step: int
) -> None:
    """The network cuts where it likes; neither bytes nor money may depend on it."""
    stream = sample(f"{folder}/stream.bin")
    metered = meter(operation, is_stream=True)
    assert stream == drive(metered, stream, step)
    assert EXPECTED[folder]["stream.bin"] == buckets(metered.usage)
    assert metered.is_complete
    assert not metered.saw_error
    assert not metered.is_implausible


@pytest.mark.parametrize(("operation", "folder"), STREAMS)
def test_stream_cut_at_every_byte_has_no_usage_before_its_last_events(
    operation: str, folder: str
) -> None:
    """Half a stream was billed for more than it told."""
    stream = sample(f"{folder}/stream.bin")
    for at in range(0, len(stream), 5):
        metered = meter(operation, is_stream=True)
        assert stream[:at] == drive(metered, stream[:at])
        if metered.usage is not None:
            assert EXPECTED[folder]["stream.bin"] == buckets(metered.usage)
        assert not metered.is_complete or metered.usage is not None


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("converse-stream", "bedrock_converse/stream_throttled.bin"),
        ("invoke-with-response-stream", "bedrock_invoke/stream_model_error.bin"),
    ],
)
def test_stream_with_an_exception_passes_and_says_so(operation: str, name: str) -> None:
    """The SDK raises for it; without a usage it is charged at worst case."""
    stream = sample(name)
    metered = meter(operation, is_stream=True)
    assert stream == drive(metered, stream, 9)
    assert metered.saw_error
    assert metered.usage is None


def test_stream_cut_sample_is_incomplete() -> None:
    """boto3 would end it silently; somebody has to notice."""
    metered = meter("converse-stream", is_stream=True)
    drive(metered, sample("bedrock_converse/stream_cut.bin"))
    assert (None, False, False) == (metered.usage, metered.is_complete, metered.saw_error)


def test_stream_damaged_after_the_usage_keeps_it_and_before_has_none() -> None:
    """What the provider told in whole frames is the truth, whatever follows."""
    stream = sample("bedrock_converse/stream.bin")
    metered = meter("converse-stream", is_stream=True)
    assert stream + b"garbage of more than twelve bytes" == drive(
        metered, stream + b"garbage of more than twelve bytes"
    )
    assert EXPECTED["bedrock_converse"]["stream.bin"] == buckets(metered.usage)
    metered = meter("converse-stream", is_stream=True)
    drive(metered, b"garbage of more than twelve bytes" + stream)
    assert metered.usage is None


def test_stream_text_that_looks_like_usage_is_text() -> None:
    """A model can write anything, also events with a usage in them."""
    forged = {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}
    inside = {"delta": {"text": json.dumps(forged)}, "contentBlockIndex": 0, **forged}
    frames = eventstream.event("contentBlockDelta", json.dumps(inside).encode())
    frames += eventstream.event("contentBlockStart", json.dumps(forged).encode())
    metered = meter("converse-stream", is_stream=True)
    drive(metered, frames)
    assert metered.usage is None
    delta = {"type": "content_block_delta", "delta": {"text": json.dumps(forged)}}
    metered = meter("invoke-with-response-stream", is_stream=True)
    drive(metered, chunk(delta))
    assert metered.usage is None


METRICS = {
    "inputTokenCount": 12,
    "outputTokenCount": 91,
    "cacheReadInputTokenCount": 5,
    "cacheWriteInputTokenCount": 7,
}


@pytest.mark.parametrize(("cache", "written"), [(CACHE_5M, (7, 0)), (CACHE_1H, (0, 7))])
@pytest.mark.parametrize("model", [CLAUDE, LLAMA])
def test_invoke_stream_metrics_are_the_usage_where_nothing_says_more(
    model: str, cache: int, written: tuple[int, int]
) -> None:
    """Every model's last event carries them; how long a write is kept they do not say."""
    metered = meter("invoke-with-response-stream", is_stream=True, model=model, cache=cache)
    drive(metered, chunk({"x": 1}) + chunk({"amazon-bedrock-invocationMetrics": METRICS}))
    usage = metered.usage
    assert usage is not None
    assert (12, 5, *written, 91) == tuple(buckets(usage).values())
    assert metered.is_complete


@pytest.mark.parametrize(
    "metrics", [[], {"inputTokenCount": -1, "outputTokenCount": 1}, {"inputTokenCount": 1}]
)
def test_invoke_stream_metrics_malformed_are_implausible(metrics: Any) -> None:
    """They are charged at worst case, and alarm."""
    metered = meter("invoke-with-response-stream", is_stream=True, model=LLAMA)
    drive(metered, chunk({"amazon-bedrock-invocationMetrics": metrics}))
    assert metered.usage is None
    assert metered.is_implausible


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"{",
        b'{"bytes":5}',
        b'{"bytes":"\xff"}',
        b'{"bytes":"e"}',
        b'{"bytes":"InVzYWdlIg=="}',
    ],
)
def test_invoke_stream_chunk_malformed_is_passed_and_ignored(payload: bytes) -> None:
    """Nothing an upstream writes may break the relay."""
    frame = eventstream.event("chunk", payload)
    metered = meter("invoke-with-response-stream", is_stream=True)
    assert frame == drive(metered, frame)
    assert metered.usage is None


def test_converse_sample_is_metered() -> None:
    """The whole answer at once."""
    metered = meter("converse", is_stream=False)
    answer = sample("bedrock_converse/response.json")
    assert answer == drive(metered, answer, 100)
    assert EXPECTED["bedrock_converse"]["response.json"] == buckets(metered.usage)
    assert metered.usage is not None
    assert ("default", None) == (metered.usage.tier, metered.usage.model)


@pytest.mark.parametrize(
    ("expected", "usage", "cache"),
    [
        ((1, 0, 0, 0, 2), {"inputTokens": 1, "outputTokens": 2}, CACHE_5M),
        (
            (1, 3, 4, 0, 2),
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "cacheReadInputTokens": 3,
                "cacheWriteInputTokens": 4,
            },
            CACHE_5M,
        ),
        ((1, 0, 0, 4, 2), {"inputTokens": 1, "outputTokens": 2, "cacheWriteInputTokens": 4}, 2),
        (
            (1, 0, 3, 2, 2),
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "cacheWriteInputTokens": 5,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 3}],
            },
            CACHE_1H,
        ),
        (
            (1, 0, 0, 9, 2),
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "cacheDetails": [{"ttl": "12h", "inputTokens": 9}],
            },
            CACHE_5M,
        ),
    ],
)
def test_converse_cache_counts_stand_beside_the_input(
    expected: tuple[int, ...], usage: dict[str, Any], cache: int
) -> None:
    """Taking them out of the input again is the classic error of ten times."""
    metered = meter("converse", is_stream=False, cache=cache)
    drive(metered, json.dumps({"usage": usage}).encode())
    assert expected == tuple(buckets(metered.usage).values())


@pytest.mark.parametrize(
    "usage",
    [
        [],
        {},
        {"inputTokens": 1},
        {"inputTokens": -1, "outputTokens": 1},
        {"inputTokens": 1.5, "outputTokens": 1},
        {"inputTokens": "1", "outputTokens": 1},
        {"inputTokens": 1, "outputTokens": 10**10},
        {"inputTokens": 1, "outputTokens": 1, "cacheDetails": {}},
        {"inputTokens": 1, "outputTokens": 1, "cacheDetails": [5]},
    ],
)
def test_converse_usage_that_is_none_is_implausible(usage: Any) -> None:
    """Money out of such counts would be anybody's guess."""
    metered = meter("converse", is_stream=False)
    drive(metered, json.dumps({"usage": usage}).encode())
    assert metered.usage is None
    assert metered.is_implausible


def test_converse_usage_of_nothing_is_no_usage() -> None:
    """No answer costs nothing; a server that does not count says 0."""
    metered = meter("converse", is_stream=False)
    drive(metered, b'{"usage":{"inputTokens":0,"outputTokens":0}}')
    assert (None, False) == (metered.usage, metered.is_implausible)


@pytest.mark.parametrize(
    ("billed", "told"), [("flex", "flex"), ("scale", "reserved"), ("gold", "gold"), (None, 5)]
)
def test_converse_tier_is_the_one_that_ran(billed: str | None, told: Any) -> None:
    """Asked for is not served."""
    metered = meter("converse", is_stream=False)
    answer = {"usage": {"inputTokens": 1, "outputTokens": 1}, "serviceTier": {"type": told}}
    drive(metered, json.dumps(answer).encode())
    assert metered.usage is not None
    assert billed == metered.usage.tier


@pytest.mark.parametrize("fields", [FIELDS, {}])
def test_invoke_sample_is_metered_by_its_body(fields: dict[bytes, bytes]) -> None:
    """Only the body says how long a write is kept; the model it names has no geography."""
    metered = meter("invoke", is_stream=False, fields=fields)
    answer = sample("bedrock_invoke/response.json")
    assert answer == drive(metered, answer, 100)
    assert EXPECTED["bedrock_invoke"]["response.json"] == buckets(metered.usage)
    assert metered.usage is not None
    assert metered.usage.model is None


@pytest.mark.parametrize("model", [CLAUDE, LLAMA])
def test_invoke_head_is_the_usage_where_the_body_tells_none(model: str) -> None:
    """Also where the body is cut: the counts were told before it."""
    metered = meter("invoke", is_stream=False, model=model, fields=FIELDS, cache=CACHE_1H)
    assert b'{"outputs":[' == drive(metered, b'{"outputs":[')
    assert (12, 1800, 0, 248, 91) == tuple(buckets(metered.usage).values())


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"x", b"1" * 13, b"9999999999", b"\xb2"])
def test_invoke_head_malformed_tells_nothing(value: bytes) -> None:
    """An upstream's field is no fault of the caller's."""
    fields = {**FIELDS, b"x-amzn-bedrock-input-token-count": value}
    metered = meter("invoke", is_stream=False, model=LLAMA, fields=fields)
    assert metered.usage is None


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        ((5, 7), {"inputTextTokenCount": 5, "results": [{"tokenCount": 7}]}),
        ((5, 9), {"inputTextTokenCount": 5, "results": [{"tokenCount": 7}, {"tokenCount": 2}]}),
        ((5, 0), {"inputTextTokenCount": 5, "embedding": [0.5]}),
        ((5, 7), {"prompt_token_count": 5, "generation_token_count": 7, "generation": "hi"}),
        ((5, 7), {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}),
        ((5, 7), {"usage": {"inputTokens": 5, "outputTokens": 7}}),
    ],
)
def test_invoke_body_of_other_makers_is_metered_without_a_head(
    expected: tuple[int, int], body: dict[str, Any]
) -> None:
    """Some endpoints tell no counts in the head of an answer."""
    metered = meter("invoke", is_stream=False, model=LLAMA)
    drive(metered, json.dumps(body).encode())
    assert metered.usage is not None
    assert expected == (metered.usage.uncached_input, metered.usage.output)


@pytest.mark.parametrize(
    "body",
    [
        {"inputTextTokenCount": -1},
        {"inputTextTokenCount": 1, "results": 5},
        {"inputTextTokenCount": 1, "results": [{}]},
        {"prompt_token_count": 1},
        {"usage": []},
        {"usage": {"prompt_tokens": "5"}},
    ],
)
def test_invoke_body_of_other_makers_malformed_is_implausible(body: dict[str, Any]) -> None:
    """They are charged at worst case, and alarm."""
    metered = meter("invoke", is_stream=False, model=LLAMA)
    drive(metered, json.dumps(body).encode())
    assert (None, True) == (metered.usage, metered.is_implausible)


@pytest.mark.parametrize("status", [100, 301, 400, 429, 500])
def test_meter_of_a_refusal_is_none(status: int) -> None:
    """It carries no usage."""
    assert BEDROCK.meter(exchange(b"{}"), status, False, {}) is None
