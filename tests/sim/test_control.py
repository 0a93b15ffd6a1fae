"""The control API: what was received, byte for byte."""

import pytest

from tests.harness import Simulator, chat_request, exchange_raw, fetch, post_chat


def test_requests_are_shown_as_received(simulator: Simulator) -> None:
    """Tests of a proxy look here for what it forwards: case, order, repetition, bytes."""
    body = b'{"model":"mock-small", "messages":[{"role":"user","content":"\xc3\xa9"}]}'
    head = (
        b"POST /v1/chat/completions?a=%2F HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two:  2 \r\n"
        b"Transfer-Encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    answer = exchange_raw(simulator.host, simulator.port, head + chunked)
    assert answer.statuses == [200]
    (request,) = simulator.requests()
    assert request["head"].encode("latin-1") == head
    assert request["headers"][1:3] == [["X-Two", "1"], ["x-two", "2"]]
    assert request["target"] == "/v1/chat/completions?a=%2F"
    assert request["body"] == body


def test_pipelined_requests_are_answered_in_order(simulator: Simulator) -> None:
    """Each of them is recorded with its own head."""
    first = chat_request(headers={"x-n": "1"}, close=False)
    second = chat_request(headers={"x-n": "2"})
    answer = exchange_raw(simulator.host, simulator.port, first + second)
    assert answer.data.count(b"HTTP/1.1 200") == 2
    assert [r["head"].count("POST") for r in simulator.requests()] == [1, 1]
    assert [["x-n", "1"], ["x-n", "2"]] == [r["headers"][-1] for r in simulator.requests()]


def test_expectation_of_100_is_met(simulator: Simulator) -> None:
    """A caller that waits for 100 gets it before it sends the body."""
    request = chat_request(headers={"expect": "100-continue"})
    head, _, _ = request.partition(b"\r\n\r\n")
    answer = exchange_raw(simulator.host, simulator.port, head + b"\r\n\r\n", timeout_s=0.3)
    assert answer.statuses == [100]


def test_what_is_no_http_is_refused(simulator: Simulator) -> None:
    """The partner of differential tests is strict."""
    answer = exchange_raw(simulator.host, simulator.port, b"GET / HTTP/1.1\r\n\x00: a\r\n\r\n")
    assert (answer.statuses, answer.is_closed) == ([400], True)


def test_reset_forgets_faults_requests_and_charges(simulator: Simulator) -> None:
    """Every test starts with a healthy provider."""
    simulator.faults("status:500")
    post_chat(simulator.base_url)
    simulator.reset()
    assert (simulator.request_count(), simulator.requests()) == (0, [])
    assert post_chat(simulator.base_url).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sim/faults", b'{"faults": "explode"}', 400),
        ("/sim/faults", b"[]", 400),
        ("/sim/faults", b'{"raw": {"a": "*"}}', 400),
        ("/sim/nothing", b"{}", 404),
    ],
)
def test_wrong_control_call_says_so(
    simulator: Simulator, path: str, body: bytes, status: int
) -> None:
    """A mistake in a test must be loud."""
    answer = fetch(simulator.url + path, "POST", body)
    assert answer.status == status
    assert answer.json()["error"]


def test_cache_is_switched_until_the_next_reset(simulator: Simulator) -> None:
    """Tests of cached prompts need no prompt of a thousand tokens."""
    simulator.cache(min_tokens=10)
    cached = [_cached(simulator), _cached(simulator)]
    simulator.cache(on=False)
    cached.append(_cached(simulator))
    simulator.reset()
    cached += [_cached(simulator), _cached(simulator)]
    assert cached == [0, 128, 0, 0, 0]


def _cached(simulator: Simulator) -> int:
    usage = post_chat(simulator.base_url, content=" word" * 150).json()["usage"]
    return int(usage["prompt_tokens_details"]["cached_tokens"])
