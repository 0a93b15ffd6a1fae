"""Every fault mode, seen from the caller's side of the wire."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import h11
import pytest

from s4fw.sim.faults import MODES
from tests.harness import (
    Answer,
    Raw,
    Simulator,
    chat_body,
    chat_request,
    exchange_raw,
    fetch,
    parallel,
    post_chat,
    send_all,
    wait_until,
)

STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def _post(simulator: Simulator, fault: str, **body: Any) -> Answer:
    return post_chat(simulator.base_url, {"x-sim-fault": fault}, **body)


def _raw(simulator: Simulator, fault: str, *, timeout_s: float = 5.0, **body: Any) -> Raw:
    request = chat_request(chat_body(**body), {"x-sim-fault": fault})
    return exchange_raw(simulator.host, simulator.port, request, timeout_s=timeout_s)


def _row(simulator: Simulator) -> dict[str, Any]:
    """The one row of the ledger, once it is written."""
    row: dict[str, Any] = simulator.wait_billed(1)["rows"][-1]
    return row


def _contents(data: bytes) -> int:
    """How many deltas with text are in a stream."""
    return data.count(b'"delta":{"content":"')


def test_every_mode_has_a_test() -> None:
    """A mode without a test is a promise nobody keeps."""
    folder = Path(__file__).parent
    text = "".join(path.read_text() for path in folder.rglob("test_*.py"))
    assert [] == [mode for mode in MODES if f'"{mode}' not in text]


# Before the answer


def test_latency_delays_the_answer(simulator: Simulator) -> None:
    """The answer comes, later."""
    started = time.monotonic()
    assert _post(simulator, "latency:150").status == 200
    assert time.monotonic() - started >= 0.15


def test_hold_answers_nobody_until_released(simulator: Simulator) -> None:
    """Many decisions can be watched while not one answer is out."""
    simulator.faults("hold")
    answers = parallel(2, lambda index: _held(simulator, index))
    assert [200, 200, 200] == [status for item in answers for status in _statuses(item)]


def _held(simulator: Simulator, index: int) -> list[Answer | Exception] | int:
    if index == 0:
        return send_all(simulator.host, simulator.port, [chat_request()] * 3)
    simulator.wait_held(3)
    assert simulator.ledger()["billed"] == 0
    return simulator.release()


def _statuses(item: Any) -> list[int]:
    return [answer.status for answer in item] if isinstance(item, list) else []


def test_hold_with_a_number_releases_when_so_many_are_held(simulator: Simulator) -> None:
    """No test needs to count by itself."""
    requests = [chat_request(headers={"x-sim-fault": "hold:5"})] * 5
    answers = send_all(simulator.host, simulator.port, requests)
    assert [200] * 5 == _statuses(answers)


def test_hang_never_answers_and_bills_in_full(simulator: Simulator) -> None:
    """The worst case: everything was generated and nothing came."""
    assert _raw(simulator, "hang", timeout_s=0.2) == Raw(b"", False, False)
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (64, "gone")


def test_drop_closes_without_a_byte(simulator: Simulator) -> None:
    """FIN after the request was read."""
    assert _raw(simulator, "drop") == Raw(b"", True, False)
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (64, "drop")


def test_reset_resets(simulator: Simulator) -> None:
    """RST after the request was read."""
    assert _raw(simulator, "reset") == Raw(b"", True, True)
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (64, "reset")


def test_garbage_is_no_http(simulator: Simulator) -> None:
    """A parser must refuse it."""
    answer = send_all(
        simulator.host, simulator.port, [chat_request(headers={"x-sim-fault": "garbage"})]
    )[0]
    assert isinstance(answer, h11.RemoteProtocolError)
    assert _row(simulator)["outcome"] == "garbage"


def test_raw_answers_the_given_bytes(simulator: Simulator) -> None:
    """Any answer at all, byte for byte, then the end of the connection."""
    simulator.raw_answer(b"HTTP/1.1 200 OK\r\n\r\n\x00\xff", times=1)
    answer = exchange_raw(simulator.host, simulator.port, chat_request())
    assert answer == Raw(b"HTTP/1.1 200 OK\r\n\r\n\x00\xff", True, False)
    assert post_chat(simulator.base_url).status == 200
    assert _raw(simulator, "raw:test") == answer
    assert simulator.ledger()["unbilled"] == 2


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_status_is_answered_in_the_envelope_and_unbilled(simulator: Simulator, status: int) -> None:
    """By header and by model name."""
    for answer in (
        _post(simulator, f"status:{status}"),
        post_chat(simulator.base_url, model=f"mock-status-{status}"),
    ):
        assert answer.status == status
        assert {"message", "type", "param", "code"} == set(answer.json()["error"])
        assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert (simulator.ledger()["billed"], simulator.ledger()["unbilled"]) == (0, 2)


def test_early_hints_come_before_the_answer(simulator: Simulator) -> None:
    """Interim answers are legal and must not be taken for the answer."""
    assert _raw(simulator, "early_hints").statuses == [100, 103, 200]


def test_header_bomb_and_header_flood_are_big(simulator: Simulator) -> None:
    """One header of 300 kB, or 20,000 headers."""
    assert len(_raw(simulator, "header_bomb").data) > 300_000
    assert _raw(simulator, "header_flood").data.count(b"x-flood-") == 20_000


# What is generated and reported


def test_full_generates_all_that_is_allowed(simulator: Simulator) -> None:
    """The worst case of a reservation is reached exactly."""
    assert _post(simulator, "full").json()["usage"]["completion_tokens"] == 4096


def test_overrun_bills_more_than_allowed(simulator: Simulator) -> None:
    """A provider that does not keep its own bound."""
    usage = _post(simulator, "overrun:3", max_tokens=10).json()["usage"]
    assert (usage["completion_tokens"], _row(simulator)["output"]) == (30, 30)


def test_dearer_model_answers_and_bills_another_model(simulator: Simulator) -> None:
    """The bill follows the model that ran."""
    assert _post(simulator, "dearer_model", **STREAM).events()[0]["model"] == "mock-large"
    row = _row(simulator)
    tokens_in = row["uncached_input"]
    assert row["cost_nusd"] == tokens_in * 10_000 + 64 * 20_000


def test_tier_is_what_really_ran(simulator: Simulator) -> None:
    """Asked for the cheap tier, served and billed in the dear one."""
    answer = _post(simulator, "tier:priority", model="gpt-4o", service_tier="flex").json()
    plain = _post(simulator, "", model="gpt-4o").json()
    dear, cheap = simulator.wait_billed(2)["rows"]
    assert (answer["service_tier"], dear["tier"]) == ("priority", "priority")
    assert (plain["service_tier"], cheap["tier"]) == ("default", "default")
    assert dear["cost_nusd"] > cheap["cost_nusd"]


def test_no_usage_reports_none(simulator: Simulator) -> None:
    """Neither whole nor streamed."""
    assert "usage" not in _post(simulator, "no_usage").json()
    events = _post(simulator, "no_usage", **STREAM).events()
    assert not any("usage" in chunk for chunk in events[:-1])
    assert events[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("fault", "reported"),
    [("huge_usage", 10**15), ("negative_usage", -64), ("string_usage", "64")],
)
def test_wrong_usage_is_reported_and_the_truth_is_billed(
    simulator: Simulator, fault: str, reported: Any
) -> None:
    """The simulator lies to the caller, never in its ledger."""
    assert _post(simulator, fault).json()["usage"]["completion_tokens"] == reported
    last = _post(simulator, fault, **STREAM).events()[-2]
    assert last["usage"]["completion_tokens"] == reported
    assert [row["output"] for row in simulator.wait_billed(2)["rows"]] == [64, 64]


def test_usage_mid_comes_once_with_choices(simulator: Simulator) -> None:
    """In the middle of the stream, not at its end."""
    events = _post(simulator, "usage_mid", **STREAM).events()[:-1]
    at = [index for index, chunk in enumerate(events) if chunk.get("usage")]
    assert len(at) == 1
    assert 2 < at[0] < len(events) - 2
    assert events[at[0]]["choices"]


def test_usage_twice_ends_with_the_truth(simulator: Simulator) -> None:
    """Two accounts, the last one counts."""
    events = _post(simulator, "usage_twice", **STREAM).events()[:-1]
    seen = [chunk["usage"]["completion_tokens"] for chunk in events if chunk.get("usage")]
    assert seen == [32, 64]


def test_endless_goes_on_until_the_caller_leaves(simulator: Simulator) -> None:
    """And bills what it said until then, within what was allowed."""
    answer = _raw(simulator, "endless", timeout_s=0.3, max_tokens=9, **STREAM)
    assert not answer.is_closed
    assert _contents(answer.data) > 20
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (9, "gone")


def test_big_makes_one_big_message(simulator: Simulator) -> None:
    """Bytes without tokens, in one event when streamed."""
    answer = _post(simulator, "big:3")
    assert len(answer.body) > 3 << 20
    assert answer.json()["usage"]["completion_tokens"] == 64
    events = _post(simulator, "big:1", **STREAM).events()
    assert max(len(json.dumps(event)) for event in events) > 1 << 20


# How it is delivered


def test_cut_breaks_the_stream_and_bills_what_was_generated(simulator: Simulator) -> None:
    """The opening event and 4 words, then FIN without the last chunk."""
    answer = _raw(simulator, "cut:5", **STREAM)
    assert (answer.is_closed, _contents(answer.data)) == (True, 4)
    assert not answer.data.endswith(b"0\r\n\r\n")
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (4, "cut")


def test_cut_breaks_a_body_in_its_middle(simulator: Simulator) -> None:
    """Content-length promises more than comes; everything was generated."""
    head, _, body = _raw(simulator, "cut").data.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() not in head
    assert body.startswith(b'{"id"')
    assert not body.endswith(b"}")
    assert _row(simulator)["output"] == 64


def test_reset_stream_resets_after_events(simulator: Simulator) -> None:
    """RST in the middle of a stream."""
    answer = _raw(simulator, "reset_stream:3", **STREAM)
    assert (answer.is_closed, answer.is_reset) == (True, True)
    assert _row(simulator)["output"] == 2


def test_end_early_ends_without_done(simulator: Simulator) -> None:
    """HTTP is content; the stream is not."""
    events = _post(simulator, "end_early:3", **STREAM).events()
    assert len(events) == 3
    assert "[DONE]" not in events
    assert _row(simulator)["output"] == 2


def test_hang_stream_falls_silent(simulator: Simulator) -> None:
    """Some events, then nothing and no end."""
    answer = _raw(simulator, "hang_stream:3", timeout_s=0.3, **STREAM)
    assert (answer.is_closed, answer.data.count(b"data: ")) == (False, 3)
    assert _row(simulator)["output"] == 2


def test_error_event_ends_the_stream_with_an_error(simulator: Simulator) -> None:
    """An error after 200."""
    events = _post(simulator, "error_event:3", **STREAM).events()
    assert len(events) == 4
    assert events[-1]["error"]["type"] == "server_error"
    assert "error" in _post(simulator, "error_event").json()


def test_drip_and_chunk_split_send_byte_by_byte(simulator: Simulator) -> None:
    """Each byte in a chunk of its own, inside characters too; the text is the same."""
    whole = post_chat(simulator.base_url, max_tokens=5, **STREAM)
    for fault in ("drip:0", "chunk_split"):
        raw = _raw(simulator, fault, max_tokens=5, **STREAM)
        assert raw.data.count(b"\r\n1\r\n") > 500
        split = _post(simulator, fault, max_tokens=5, **STREAM)
        assert _texts(whole) == _texts(split)


def _texts(answer: Answer) -> list[str]:
    deltas = [choice["delta"] for event in answer.events()[:-1] for choice in event["choices"]]
    return [delta["content"] for delta in deltas if "content" in delta]


def test_drip_takes_its_time(simulator: Simulator) -> None:
    """Each byte at least a millisecond after the one before."""
    started = time.monotonic()
    url = simulator.base_url + "/models/mock-small"
    body = fetch(url, headers={"x-sim-fault": "drip:1"}).body
    assert time.monotonic() - started >= len(body) / 1000


@pytest.mark.parametrize(("fault", "end"), [("crlf", b"\r\n\r\n"), ("cr", b"\r\r")])
def test_crlf_and_cr_end_lines_otherwise(simulator: Simulator, fault: str, end: bytes) -> None:
    """All three line ends are legal in an event stream."""
    answer = _post(simulator, fault, **STREAM)
    assert answer.body.endswith(b"data: [DONE]" + end)
    assert answer.events()[-1] == "[DONE]"


def test_comments_stand_before_events(simulator: Simulator) -> None:
    """Comments keep a connection warm and mean nothing."""
    body = _post(simulator, "comments", **STREAM).body
    assert body.count(b": still here\n\n") == body.count(b"data: ")


def test_gzip_compresses_unasked(simulator: Simulator) -> None:
    """A body the caller did not ask to be compressed."""
    answer = _post(simulator, "gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert "usage" in json.loads(gzip.decompress(answer.body))
    assert "content-encoding" not in _post(simulator, "gzip", **STREAM).headers


def test_two_answers_sends_bytes_after_the_end(simulator: Simulator) -> None:
    """What follows an answer belongs to nobody."""
    request = chat_request(headers={"x-sim-fault": "two_answers"}, close=False)
    answer = exchange_raw(simulator.host, simulator.port, request, idle_s=0.3)
    assert answer.data.count(b"HTTP/1.1 200") == 2
    assert answer.data.endswith(b"unfair")


def test_close_after_closes_a_kept_alive_connection(simulator: Simulator) -> None:
    """No `connection: close` was said."""
    request = chat_request(headers={"x-sim-fault": "close_after"}, close=False)
    answer = exchange_raw(simulator.host, simulator.port, request)
    assert (answer.statuses, answer.is_closed) == ([200], True)
    assert b"connection: close" not in answer.data.lower()


# How faults are chosen


def test_model_name_chooses_a_fault(simulator: Simulator) -> None:
    """It reaches the provider through any proxy."""
    assert len(post_chat(simulator.base_url, model="mock-end_early-3", **STREAM).events()) == 3


def test_mark_in_the_message_chooses_a_fault(simulator: Simulator) -> None:
    """For real model names."""
    body: dict[str, Any] = {"model": "gpt-4o", "content": "[[fault status:503]]"}
    assert post_chat(simulator.base_url, **body).status == 503


def test_faults_for_all_calls_last_as_often_as_told(simulator: Simulator) -> None:
    """Twice, then well again; a header decides alone."""
    simulator.faults("status:500", times=3)
    answers = [post_chat(simulator.base_url), _post(simulator, "latency:0")]
    answers += [post_chat(simulator.base_url) for _ in range(3)]
    assert [answer.status for answer in answers] == [500, 200, 500, 500, 200]


def test_unknown_fault_is_refused(simulator: Simulator) -> None:
    """A misspelt fault must not look like a healthy provider."""
    assert _post(simulator, "explode").json()["error"]["code"] == "unknown_fault"


def test_caller_that_leaves_a_whole_answer_is_billed_for_it(simulator: Simulator) -> None:
    """The provider does not stop what it has begun to answer in one piece."""
    assert _raw(simulator, "latency:500", timeout_s=0.1).data == b""
    wait_until(lambda: simulator.state()["in_flight"] == 0, "the call has ended")
    assert (_row(simulator)["output"], _row(simulator)["outcome"]) == (64, "gone")
