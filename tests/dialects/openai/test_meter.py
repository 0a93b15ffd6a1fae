"""Reading usage out of answers while they pass, whole and in every possible split."""

import json

import orjson
import pytest

from s4fw.core.usage import Usage
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.openai.meter import StreamMeter, usage_of
from tests.samples import sample

EXPECTED = json.loads(sample("openai_chat/expected_usage.json"))
STREAMS = [name for name in EXPECTED if name.endswith(".sse")]


def buckets(usage: Usage | None) -> dict[str, int]:
    """The buckets that the samples state."""
    assert usage is not None
    names = ("uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    return {name: getattr(usage, name) for name in (*names, "reasoning")}


def drive(meter: StreamMeter, chunks: list[bytes]) -> bytes:
    """Feed all chunks and the end; what the caller would see."""
    return b"".join([*(meter.feed(chunk) for chunk in chunks), meter.end()])


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10**6])
def test_stream_in_any_split_passes_unchanged_and_is_metered(name: str, step: int) -> None:
    """The network cuts where it likes; neither bytes nor money may depend on it."""
    stream = sample(f"openai_chat/{name}")
    meter = StreamMeter(hides_usage=False)
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert stream == drive(meter, chunks)
    assert EXPECTED[name] == buckets(meter.usage)
    assert meter.is_complete


@pytest.mark.parametrize("step", [1, 5, 300, 10**6])
def test_stream_with_hidden_usage_loses_exactly_the_usage_event(step: int) -> None:
    """A caller that did not ask must not meet a chunk without choices: its code would crash."""
    stream = sample("openai_chat/stream.sse")
    events = stream.split(b"\n\n")
    expected = b"\n\n".join(e for e in events if b'"choices":[]' not in e)
    meter = StreamMeter(hides_usage=True)
    got = drive(meter, [stream[at : at + step] for at in range(0, len(stream), step)])
    assert expected == got
    assert EXPECTED["stream.sse"] == buckets(meter.usage)


def test_stream_hidden_usage_is_what_a_caller_sees_who_did_not_ask() -> None:
    """The recorded view of such a caller differs only in the null usage members."""
    got = drive(StreamMeter(hides_usage=True), [sample("openai_chat/stream.sse")])
    seen = sample("openai_chat/stream_client_view_no_usage.sse")
    assert seen == got.replace(b',"usage":null', b"")


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_stream_with_other_line_ends_is_metered(line_end: bytes) -> None:
    """CRLF and CR end lines as well as LF (WHATWG HTML 9.2.5)."""
    stream = sample("openai_chat/stream.sse").replace(b"\n", line_end)
    meter = StreamMeter(hides_usage=False)
    assert stream == drive(meter, [stream[at : at + 11] for at in range(0, len(stream), 11)])
    assert EXPECTED["stream.sse"] == buckets(meter.usage)


def test_stream_cut_before_its_end_is_not_complete_and_has_no_usage() -> None:
    """A silent cut must be noticed: no SDK raises for it."""
    meter = StreamMeter(hides_usage=True)
    stream = sample("openai_chat/stream_cut_no_done.sse")
    assert stream == drive(meter, [stream])
    assert not meter.is_complete
    assert meter.usage is None


def test_stream_error_event_is_noticed() -> None:
    """A provider reports a failure inside a 200; it must not look like a normal end."""
    meter = StreamMeter(hides_usage=True)
    drive(meter, [sample("openai_chat/stream_midstream_error.sse")])
    assert meter.saw_error


def test_stream_text_that_looks_like_usage_is_not_metered() -> None:
    """What a model writes is content, whatever it resembles."""
    lie = '"usage":{"prompt_tokens":0,"completion_tokens":0} data: [DONE]\n\ndata: [DONE]'
    chunk = {"choices": [{"delta": {"content": lie}}], "usage": None}
    event = b"data: " + orjson.dumps(chunk) + b"\n\n"
    meter = StreamMeter(hides_usage=True)
    assert event == drive(meter, [event])
    assert meter.usage is None
    assert not meter.is_complete


def test_stream_chunk_with_usage_and_choices_is_kept() -> None:
    """Some compatible servers put the usage on a content chunk; the content must arrive."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    event = b"data: " + orjson.dumps({"choices": [{"delta": {}}], "usage": usage}) + b"\n\n"
    meter = StreamMeter(hides_usage=True)
    assert event == drive(meter, [event])
    assert meter.usage is not None
    assert 4 == meter.usage.output


def event_of(**members: object) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(members) + b"\n\n"


def told(tokens_out: int) -> dict[str, int]:
    """A usage."""
    return {"prompt_tokens": 3, "completion_tokens": tokens_out}


CONTENT = [{"delta": {"content": "a"}}]


def test_stream_usage_beside_content_is_the_total_only_when_the_stream_ends() -> None:
    """Servers that count as they go: what was told before a cut is not what is billed."""
    meter = StreamMeter(hides_usage=True)
    for count in (1, 2, 3):
        meter.feed(event_of(choices=CONTENT, usage=told(count)))
    assert meter.usage is None
    meter.feed(b"data: [DONE]\n\n")
    assert meter.usage is not None
    assert 3 == meter.usage.output


def test_stream_usage_of_its_own_chunk_beats_what_was_told_on_the_way() -> None:
    """The last chunk is the account; the others were on the way to it."""
    meter = StreamMeter(hides_usage=True)
    zeros = {"prompt_tokens": 0, "completion_tokens": 0}
    for usage in (zeros, told(1)):
        meter.feed(event_of(choices=CONTENT, usage=usage))
    meter.feed(event_of(choices=[], usage=told(9)) + b"data: [DONE]\n\n")
    assert meter.usage is not None
    assert 9 == meter.usage.output


@pytest.mark.parametrize("choices", [{"choices": []}, {"choices": None}, {}])
def test_stream_usage_chunk_is_hidden_however_it_says_that_it_has_no_choices(
    choices: dict[str, object],
) -> None:
    """Code that takes the first choice fails on each of them."""
    meter = StreamMeter(hides_usage=True)
    assert b"" == meter.feed(event_of(**choices, usage=told(2)))
    assert meter.usage is not None


def test_stream_error_with_a_usage_reaches_the_caller() -> None:
    """Hidden, the stream would end as if all were well."""
    event = event_of(error={"message": "x"}, choices=[], usage=told(2))
    meter = StreamMeter(hides_usage=True)
    assert event == meter.feed(event)
    assert meter.saw_error
    assert meter.usage is not None


@pytest.mark.parametrize(
    ("inside", "has_12h", "expected"),
    [
        ({"cache_write_tokens": 10}, False, (10, 0)),
        ({"cache_write_tokens": 10}, True, (0, 10)),
        (
            {
                "cache_write_tokens": 10,
                "cache_write_tokens_details": {"ttl_30m_tokens": 4, "ttl_12h_tokens": 6},
            },
            True,
            (4, 6),
        ),
    ],
)
def test_usage_tells_writes_by_how_long_they_are_kept(
    inside: dict[str, object], has_12h: bool, expected: tuple[int, int]
) -> None:
    """Twelve hours cost twice as much; an answer that does not tell means what was asked for."""
    usage = usage_of({"usage": told(1) | {"prompt_tokens_details": inside}}, has_12h)
    assert usage is not None
    assert expected == (usage.cache_write_30m, usage.cache_write_12h)


def test_stream_empty_choices_without_usage_is_kept() -> None:
    """Azure's first chunk has no choices and no usage; it is the caller's."""
    event = b'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n'
    assert event == drive(StreamMeter(hides_usage=True), [event])


def test_stream_without_hiding_never_holds_a_byte_back() -> None:
    """Time to first token: a partial event passes at once."""
    meter = StreamMeter(hides_usage=False)
    assert b'data: {"cho' == meter.feed(b'data: {"cho')


def test_stream_with_hiding_holds_only_the_event_that_is_open() -> None:
    """Only what may turn out to be the usage event waits."""
    meter = StreamMeter(hides_usage=True)
    assert b"data: {}\n\n" == meter.feed(b"data: {}\n\ndata: {")
    assert b"data: {}\n\n" == meter.feed(b"}\n\n")


def test_stream_last_usage_wins() -> None:
    """A provider that reports twice means the later, larger total."""
    events = [
        b"data: "
        + orjson.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": n}})
        + b"\n\n"
        for n in (1, 9)
    ]
    meter = StreamMeter(hides_usage=False)
    drive(meter, events)
    assert meter.usage is not None
    assert 9 == meter.usage.output


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": "7"},
        {"prompt_tokens": 1, "completion_tokens": True},
        {"prompt_tokens": 1, "completion_tokens": 1.5},
        {"prompt_tokens": 10**10, "completion_tokens": 1},
        {"completion_tokens": 1},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": 9, "completion_tokens": None},
        {},
        "7",
    ],
)
def test_document_with_an_implausible_usage_is_marked_and_not_settled(usage: object) -> None:
    """A usage that is none must not settle at zero."""
    meter = DocumentMeter(usage_of)
    meter.feed(orjson.dumps({"model": "gpt-4o", "usage": usage}))
    meter.end()
    assert meter.is_implausible
    assert meter.usage is None


def test_document_is_metered_and_passed_unchanged() -> None:
    """The body bytes belong to the caller."""
    body = sample("openai_chat/response.json")
    meter = DocumentMeter(usage_of)
    assert body == meter.feed(body[:100]) + meter.feed(body[100:]) + meter.end()
    assert EXPECTED["response.json"] == buckets(meter.usage)
    assert meter.usage is not None
    assert "gpt-4o-2024-08-06" == meter.usage.model
    assert "default" == meter.usage.tier


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"not json", b"[]", b'{"usage":null}'),
        b'{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}',  # not counted
    ],
)
def test_document_without_usage_has_none(body: bytes) -> None:
    """No usage is no usage, and no fault."""
    meter = DocumentMeter(usage_of)
    meter.feed(body)
    meter.end()
    assert meter.usage is None
    assert not meter.is_implausible


def test_usage_subtracts_once_and_never_below_zero() -> None:
    """OpenAI's cached tokens are inside its input; a wrong account must not go negative."""
    usage = usage_of(
        {
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
            }
        }
    )
    assert usage is not None
    assert (0, 8, 4, 5) == (
        usage.uncached_input,
        usage.cache_read,
        usage.cache_write_30m,
        usage.output,
    )
