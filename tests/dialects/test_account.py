"""How meters keep a usage, and listen to streams that pass: the part of all wire shapes."""

from typing import Any

import orjson
import pytest

from s4fw.core.usage import Usage
from s4fw.dialects.account import DOCUMENT_BYTES_MAX, DocumentMeter, count, required_count
from s4fw.dialects.openai.responsemeter import ResponseMeter
from s4fw.dialects.sse import EVENT_BYTES_MAX


def usage_of(answer: dict[str, Any]) -> Usage | None:
    """A usage that is one count."""
    return Usage(count(answer["n"])) if "n" in answer else None


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 10**10, [], {}])
def test_count_that_is_none_is_a_value_error(value: Any) -> None:
    """A usage is believed only if it is made of counts."""
    with pytest.raises(ValueError, match="count"):
        count(value)


def test_count_absent_is_nothing_unless_it_is_required() -> None:
    """Details may be left out, the totals may not."""
    assert 0 == count(None)
    with pytest.raises(ValueError, match="without"):
        required_count(None)


@pytest.mark.parametrize("body", [b"", b"[1]", b"7", b'{"n":', b'"n"'])
def test_document_that_is_no_object_is_not_complete(body: bytes) -> None:
    """Then nobody knows what was charged."""
    meter = DocumentMeter(usage_of)
    meter.feed(body)
    meter.end()
    assert (False, None) == (meter.is_complete, meter.usage)


def test_document_beyond_the_limit_passes_and_is_forgotten() -> None:
    """Memory is bounded, whatever an upstream sends."""
    meter = DocumentMeter(usage_of)
    chunk = b" " * 1024 * 1024
    for _ in range(DOCUMENT_BYTES_MAX // len(chunk) + 1):
        assert chunk is meter.feed(chunk)
    meter.feed(b'{"n":1}')
    meter.end()
    assert meter.usage is None


def event(**members: Any) -> bytes:
    """An event that a response's meter listens to."""
    return b"data: " + orjson.dumps({"type": "response.completed"} | members) + b"\n\n"


def test_listener_hears_marked_events_in_every_cut() -> None:
    """What stands around them needs no parsing and gets none."""
    first, second = event(response={"n": 2}), event(response={"n": 3})
    stream = b'data: {"a":1}\n\n' + first + b": hi\n\n" + second + b'data: {"n":4}\n\n'
    for at in range(len(stream)):
        meter = ResponseMeter(usage_of)
        assert stream == meter.feed(stream[:at]) + meter.feed(stream[at:]) + meter.end()
        assert Usage(3) == meter.usage


def test_listener_last_event_without_a_blank_line_is_heard() -> None:
    """A server may close the stream right after its last line."""
    meter = ResponseMeter(usage_of)
    meter.feed(event(response={"n": 2}).rstrip())
    assert meter.usage is None
    assert b"" == meter.end()
    assert Usage(2) == meter.usage


@pytest.mark.parametrize("data", [b'{"n":', b'["n"]', b"n", b'\xff"n"', b'"n"'])
def test_listener_event_that_is_no_object_is_passed_over(data: bytes) -> None:
    """It is the caller's to complain."""
    meter = ResponseMeter(usage_of)
    told = b'data: ["response.completed",' + data + b"]\n\n"
    assert told == meter.feed(told)
    meter.end()
    assert (False, None) == (meter.is_complete, meter.usage)


def test_listener_event_beyond_the_limit_passes_and_is_forgotten() -> None:
    """Memory is bounded, whatever an upstream sends."""
    meter = ResponseMeter(usage_of)
    chunk = b"a" * 4 * 1024 * 1024
    meter.feed(b'data: {"type":"response.completed","response":{"n":1,"a":"')
    for _ in range(EVENT_BYTES_MAX // len(chunk) + 1):
        assert chunk is meter.feed(chunk)
    assert b'"}}\n\n' == meter.feed(b'"}}\n\n')
    assert b"" == meter.end()
    assert meter.usage is None
