"""Frames, as botocore reads them."""

from botocore.eventstream import EventStreamBuffer

from s4fw.sim.bedrock.frames import event, frame


def _read(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


def test_event_is_read_back_by_the_sdk() -> None:
    """Lengths, checksums and headers are those of the format."""
    ((headers, payload),) = _read(event("messageStart", b'{"role":"assistant"}'))
    assert headers == {
        ":event-type": "messageStart",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert payload == b'{"role":"assistant"}'


def test_exception_is_named_as_one() -> None:
    """The SDK raises it by this header."""
    ((headers, _),) = _read(event("throttlingException", b"{}"))
    assert (headers[":message-type"], headers[":exception-type"]) == (
        "exception",
        "throttlingException",
    )


def test_frame_with_nothing_in_it_is_sixteen_bytes() -> None:
    """The least a frame can be: two lengths and two checksums."""
    assert len(frame({}, b"")) == 16
    assert _read(frame({}, b"")) == [({}, b"")]
