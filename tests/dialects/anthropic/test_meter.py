"""Reading usage out of streamed messages while they pass, whole and in every possible split."""

import json
from typing import Any

import pytest

from s4fw.core.usage import Usage
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.anthropic.meter import StreamMeter
from s4fw.dialects.anthropic.usage import usage_of, usage_of_1h
from tests.samples import sample

EXPECTED = json.loads(sample("anthropic_messages/expected_usage.json"))
STREAM = sample("anthropic_messages/stream.sse")
USAGE = {"input_tokens": 10, "output_tokens": 1}


def buckets(usage: Usage | None, expected: dict[str, int]) -> dict[str, int]:
    """The buckets that a sample states."""
    assert usage is not None
    return {name: getattr(usage, name) for name in expected}


def drive(meter: StreamMeter, stream: bytes, step: int = 10**6) -> bytes:
    """Feed a stream in steps and end it; what the caller would see."""
    seen = b""
    for at in range(0, len(stream), step):
        chunk = stream[at : at + step]
        assert chunk == meter.feed(chunk)  # at once, nothing is held back
        seen += chunk
    return seen + meter.end()


def events(*data: dict[str, Any]) -> bytes:
    """A stream of these events."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (item["type"].encode(), json.dumps(item).encode())
        for item in data
    )


def start(**usage: Any) -> dict[str, Any]:
    """The first event, with this usage beside the usual."""
    return {"type": "message_start", "message": {"model": "claude-a", "usage": USAGE | usage}}


def delta(stop: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    """An event of totals."""
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


STOP = {"type": "message_stop"}


def metered(*data: dict[str, Any]) -> StreamMeter:
    """A meter that heard these events."""
    meter = StreamMeter(usage_of)
    drive(meter, events(*data))
    return meter


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10**6])
def test_stream_in_any_split_passes_at_once_and_is_metered(step: int) -> None:
    """The network cuts where it likes; neither bytes nor money may depend on it."""
    meter = StreamMeter(usage_of)
    assert STREAM == drive(meter, STREAM, step)
    assert EXPECTED["stream.sse"] == buckets(meter.usage, EXPECTED["stream.sse"])
    assert meter.is_complete
    assert not meter.saw_error
    assert meter.usage is not None
    assert ("claude-sonnet-4-5-20250929", "standard") == (meter.usage.model, meter.usage.tier)


def test_stream_split_at_every_byte_is_metered() -> None:
    """One cut, wherever it is."""
    for at in range(1, len(STREAM)):
        meter = StreamMeter(usage_of)
        assert STREAM == meter.feed(STREAM[:at]) + meter.feed(STREAM[at:]) + meter.end()
        assert EXPECTED["stream.sse"] == buckets(meter.usage, EXPECTED["stream.sse"])
        assert meter.is_complete


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_stream_with_other_line_ends_is_metered(line_end: bytes) -> None:
    """CRLF and CR end lines as well as LF (WHATWG HTML 9.2.5)."""
    stream = STREAM.replace(b"\n", line_end)
    meter = StreamMeter(usage_of)
    assert stream == drive(meter, stream, 11)
    assert EXPECTED["stream.sse"] == buckets(meter.usage, EXPECTED["stream.sse"])


@pytest.mark.parametrize("step", [1, 50, 10**6])
@pytest.mark.parametrize(
    ("name", "has_error"), [("stream_cut.sse", False), ("stream_midstream_error.sse", True)]
)
def test_stream_that_breaks_has_no_usage(name: str, has_error: bool, step: int) -> None:
    """Its start told only a placeholder of the output: that must not become the bill."""
    stream = sample(f"anthropic_messages/{name}")
    meter = StreamMeter(usage_of)
    assert stream == drive(meter, stream, step)
    assert (None, False, has_error) == (meter.usage, meter.is_complete, meter.saw_error)


def test_stream_later_totals_replace_earlier_ones_and_the_split_stays() -> None:
    """Tools of the provider make the input grow; null tells nothing."""
    split = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}
    meter = metered(
        start(cache_creation_input_tokens=50, cache_creation=split, inference_geo="us"),
        {"type": "ping"},
        delta(None, output_tokens=4, input_tokens=11, cache_read_input_tokens=None),
        {"type": "an_event_of_tomorrow", "usage": {"output_tokens": 9}},
        delta(output_tokens=7, input_tokens=12, cache_read_input_tokens=3),
        STOP,
    )
    assert (
        Usage(
            uncached_input=12,
            cache_read=3,
            cache_write_5m=20,
            cache_write_1h=30,
            output=7,
            model="claude-a",
            geo="us",
        )
        == meter.usage
    )


def test_stream_totals_before_the_stop_are_not_believed_until_the_end() -> None:
    """A stream that is cut after an account so far was billed for more."""
    so_far = (start(), delta(None, output_tokens=4))
    assert None is metered(*so_far).usage
    assert None is not metered(*so_far, STOP).usage
    assert None is not metered(start(), delta(output_tokens=4)).usage


def test_stream_without_totals_has_no_usage_though_it_ended() -> None:
    """The placeholder of the start is no account."""
    meter = metered(start(), STOP)
    assert (None, True) == (meter.usage, meter.is_complete)


def test_stream_text_that_looks_like_usage_is_text() -> None:
    """A model can be made to write anything; only an event's own member counts."""
    fake = events(delta(output_tokens=0), STOP).decode()
    text = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": fake}}
    spoof = {"type": "content_block_delta", "delta": {"usage": {"output_tokens": 0}}}
    meter = metered(start(), text, spoof, delta(output_tokens=70), STOP)
    assert meter.usage is not None
    assert 70 == meter.usage.output


@pytest.mark.parametrize("usage", [{"output_tokens": -1}, {"output_tokens": "5"}])
def test_stream_lie_about_usage_is_implausible(usage: dict[str, Any]) -> None:
    """It is charged at worst case, not at what it says."""
    assert metered(start(), delta(**usage), STOP).is_implausible


def test_stream_usage_that_is_no_object_is_implausible() -> None:
    """The same for a usage of another shape."""
    assert metered(start(), {"type": "message_delta", "usage": 5}, STOP).is_implausible


def test_stream_last_event_without_its_blank_line_counts() -> None:
    """Some servers close right after the last line."""
    meter = StreamMeter(usage_of)
    drive(meter, STREAM.rstrip(b"\n"))
    assert meter.is_complete


def test_stream_writes_to_a_cache_of_an_hour_without_split_cost_the_hour() -> None:
    """Where the split is missing, the request tells the dearest."""
    meter = StreamMeter(usage_of_1h)
    drive(meter, events(start(cache_creation_input_tokens=9), delta(output_tokens=1), STOP))
    assert meter.usage is not None
    assert (0, 9) == (meter.usage.cache_write_5m, meter.usage.cache_write_1h)


@pytest.mark.parametrize("step", [1, 100, 10**6])
def test_document_passes_and_is_metered(step: int) -> None:
    """The answer without a stream."""
    body = sample("anthropic_messages/response.json")
    meter = DocumentMeter(usage_of)
    passed = b"".join(meter.feed(body[at : at + step]) for at in range(0, len(body), step))
    assert body == passed + meter.end()
    assert EXPECTED["response.json"] == buckets(meter.usage, EXPECTED["response.json"])
