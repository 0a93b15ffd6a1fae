"""Reading usage out of responses while they pass: untouched bytes, whatever the network cuts."""

import json
from typing import Any

import orjson
import pytest

from s4fw.core.usage import Usage
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.openai.chains import CHAINS
from s4fw.dialects.openai.responsemeter import ResponseMeter, Teller
from s4fw.dialects.openai.usage import usage_of_response
from tests.samples import sample

EXPECTED = json.loads(sample("openai_responses/expected_usage.json"))
STREAMS = [name for name in EXPECTED if name.endswith(".sse")]


def buckets(usage: Usage | None) -> dict[str, int]:
    """The buckets that the samples state."""
    assert usage is not None
    names = ("uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    return {name: getattr(usage, name) for name in (*names, "reasoning")}


def drive(meter: ResponseMeter, chunks: list[bytes]) -> list[bytes]:
    """Feed all chunks and the end; what the caller sees after each."""
    return [*(meter.feed(chunk) for chunk in chunks), meter.end()]


def event(kind: str, **members: Any) -> bytes:
    """One event of a stream."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind} | members))


@pytest.mark.parametrize("name", STREAMS)
def test_stream_cut_at_every_byte_passes_at_once_and_is_metered(name: str) -> None:
    """Neither bytes nor money may depend on where the network cuts; nothing is held back."""
    stream = sample(f"openai_responses/{name}")
    for at in range(1, len(stream)):
        meter = ResponseMeter(usage_of_response)
        chunks = [stream[:at], stream[at:]]
        assert [*chunks, b""] == drive(meter, chunks)
        assert EXPECTED[name] == buckets(meter.usage)
        assert meter.is_complete
        assert not meter.saw_error


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_stream_in_small_pieces_is_metered(name: str, step: int, line_end: bytes) -> None:
    """One byte at a time, and with every line end that the format knows."""
    stream = sample(f"openai_responses/{name}").replace(b"\n", line_end)
    meter = ResponseMeter(usage_of_response)
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert [*chunks, b""] == drive(meter, chunks)
    assert EXPECTED[name] == buckets(meter.usage)


def test_document_passes_unchanged_and_is_metered() -> None:
    """The same usage stands in an answer that is no stream."""
    body = sample("openai_responses/response.json")
    meter = DocumentMeter(usage_of_response)
    assert [body[:99], body[99:], b""] == [
        meter.feed(body[:99]),
        meter.feed(body[99:]),
        meter.end(),
    ]
    assert EXPECTED["response.json"] == buckets(meter.usage)
    assert meter.usage is not None
    assert ("gpt-5.5-2026-04-23", "default") == (meter.usage.model, meter.usage.tier)


def test_stream_cut_before_its_last_event_has_no_usage() -> None:
    """A silent cut must be noticed: the SDK raises nothing."""
    stream = sample("openai_responses/stream.sse")
    meter = ResponseMeter(usage_of_response)
    drive(meter, [stream[: stream.rindex(b"event: response.completed")]])
    assert (False, None) == (meter.is_complete, meter.usage)
    assert 9 == meter.next_number()


@pytest.mark.parametrize("size", [3 * 1024 * 1024])
def test_stream_last_event_of_megabytes_is_passed_as_it_comes(size: int) -> None:
    """The last event repeats the whole answer: it is neither held back nor cut short."""
    usage = {"input_tokens": 3, "output_tokens": 4}
    output = [{"type": "message", "content": [{"type": "output_text", "text": "a" * size}]}]
    last = event("response.completed", response={"output": output, "usage": usage})
    meter = ResponseMeter(usage_of_response)
    for at in range(0, len(last), 65_536):
        chunk = last[at : at + 65_536]
        assert chunk is meter.feed(chunk)
    assert meter.usage is not None
    assert (3, 4) == (meter.usage.uncached_input, meter.usage.output)


def test_stream_failed_response_is_an_error_with_or_without_usage() -> None:
    """Its usage may be null: then it is charged at worst case, as a failure."""
    meter = ResponseMeter(usage_of_response)
    failed = {"status": "failed", "error": {"code": "server_error"}, "usage": None}
    drive(meter, [event("response.failed", response=failed, sequence_number=3)])
    assert (True, True, None) == (meter.is_complete, meter.saw_error, meter.usage)


@pytest.mark.parametrize(
    "told",
    [
        event("error", code="server_error", message="m", param=None, sequence_number=4),
        b'data: {"error":{"message":"m"}}\n\n',
    ],
)
def test_stream_error_event_is_noticed(told: bytes) -> None:
    """Both forms: the documented one, and the one at which the SDK raises."""
    meter = ResponseMeter(usage_of_response)
    drive(meter, [event("response.created", response={"error": None}), told])
    assert meter.saw_error
    assert not meter.is_complete


def test_stream_text_that_looks_like_the_end_is_not_metered() -> None:
    """What a model writes is content, whatever it resembles."""
    lie = 'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n"error"'
    told = event("response.output_text.delta", delta=lie)
    meter = ResponseMeter(usage_of_response)
    assert [told, b""] == drive(meter, [told])
    assert (False, False, None) == (meter.is_complete, meter.saw_error, meter.usage)


def test_usage_of_a_written_cache_is_split_by_how_long_it_is_kept() -> None:
    """The longer one costs twice."""
    inside = {
        "cached_tokens": 10,
        "cache_write_tokens": 50,
        "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 30},
    }
    usage = {"input_tokens": 100, "output_tokens": 1, "input_tokens_details": inside}
    got = usage_of_response({"usage": usage})
    assert got is not None
    assert (40, 10, 20, 30) == (
        got.uncached_input,
        got.cache_read,
        got.cache_write_30m,
        got.cache_write_12h,
    )


USAGE = {"input_tokens": 100, "output_tokens": 5}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 0),
        ({"tool_usage": {"web_search": {"num_requests": 3}}}, 3),
        ({"output": [{"type": "web_search_call"}, {"type": "message"}]}, 1),
        ({"output": [{"type": "web_search_call", "action": {"type": "search"}}] * 2}, 2),
        ({"output": [{"type": "web_search_call", "action": {"type": "open_page"}}]}, 0),
        (
            {
                "tool_usage": {"web_search": {"num_requests": 0}},
                "output": [{"type": "web_search_call"}],
            },
            0,
        ),
    ],
)
def test_usage_counts_the_searches_that_are_billed(more: dict[str, Any], expected: int) -> None:
    """A search has a fee beside its tokens."""
    got = usage_of_response({"usage": USAGE} | more)
    assert got is not None
    assert expected == got.web_searches


@pytest.mark.parametrize(
    "usage",
    [
        [],
        {"input_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": "1", "output_tokens": 1},
        {"input_tokens": 10**10, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "input_tokens_details": 7},
    ],
)
def test_usage_that_is_none_is_implausible(usage: Any) -> None:
    """What cannot be believed is charged at worst case."""
    meter = ResponseMeter(usage_of_response)
    drive(meter, [event("response.completed", response={"usage": usage})])
    assert meter.is_implausible
    assert meter.usage is None


def test_teller_remembers_where_a_chain_ends() -> None:
    """The next request of the chain has all of it as input."""
    Teller("gpt-5.5", False).usage_of({"id": "resp_t1", "usage": USAGE})
    assert 105 == CHAINS.tokens("resp_t1", "gpt-5.5")
    assert CHAINS.tokens("resp_t1", "gpt-4o") is None


def test_teller_forgets_a_chain_with_searches() -> None:
    """What was read in them may be in the next input without having been billed in this one."""
    searched = {"id": "resp_t2", "usage": USAGE, "output": [{"type": "web_search_call"}]}
    Teller("gpt-5.5", False).usage_of(searched)
    assert CHAINS.tokens("resp_t2", "gpt-5.5") is None
