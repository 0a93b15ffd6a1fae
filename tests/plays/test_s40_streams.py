"""Streams pass chunk by chunk, byte for byte, and end honestly."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import openai
import pytest

from tests.harness import (
    Firewall,
    Simulator,
    chat_request,
    exchange_raw,
    fetch,
    openai_client,
    quiesce,
)
from tests.harness.client import chat_body
from tests.harness.quote import quote_of

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]
STREAM = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 40}


def body_of(data: bytes) -> bytes:
    """The body of one raw chunked answer."""
    _, _, rest = data.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize("fault", ["", "chunk_split", "crlf", "comments", "usage_twice"])
def test_stream_arrives_byte_for_byte_and_is_settled(
    fault: str, simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """However the provider cuts its bytes, the caller gets the same ones."""
    proxy = firewall(budgets=ALL, server={"workers": 1})
    simulator.faults(fault or None)
    answers = [
        fetch(f"{url}/chat/completions", "POST", chat_body(model="gpt-4o", **STREAM))
        for url in (simulator.base_url, proxy.base_url)
    ]
    direct, relayed = (_without_ids(answer.body) for answer in answers)
    assert direct == relayed
    ledger = simulator.wait_billed(2)
    assert ledger["rows"][-1]["cost_nusd"] == quiesce(proxy).one("all")["spent_nusd"]


def _without_ids(body: bytes) -> list[bytes]:
    """A stream without what differs between two calls: the answer's id, time, and caching."""
    import re

    body = re.sub(rb'"id":"[^"]*"|"created":\d+|"obfuscation":"[^"]*"', b"", body)
    return re.sub(rb'"cached_tokens":\d+', b"", body).splitlines()


def test_first_chunk_arrives_while_the_rest_is_still_to_come(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Time to first token is the provider's, not ours."""
    proxy = firewall(budgets=ALL, server={"workers": 1})
    request = chat_request(chat_body(model="mock-hang_stream", stream=True))
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as sock:
        started = time.monotonic()
        sock.sendall(request)
        received = b""
        while received.count(b"data: ") < 2:
            received += sock.recv(65536)
        assert time.monotonic() - started < 2
    assert b"[DONE]" not in received


@pytest.mark.parametrize("model", ["mock-cut", "mock-reset_stream", "mock-end_early"])
def test_stream_that_breaks_raises_in_the_sdk_and_is_charged_at_worst_case(
    model: str, simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A stream that is only cut raises nothing in any SDK: an agent would take half for whole."""
    proxy = firewall(budgets=ALL, server={"workers": 1})
    with openai_client(proxy.base_url) as client, pytest.raises(openai.APIError):
        list(
            client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "Where is my order?"}],
                max_tokens=40,
                stream=True,
            )
        )
    entry = quiesce(proxy).one("all")
    assert 0 == entry["spent_nusd"]
    assert quote_of(model=model, max_tokens=40, stream=True) == entry["accrued_nusd"]


def test_broken_stream_has_no_clean_end_on_the_wire(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Without the final chunk every HTTP client can tell that the answer is not whole."""
    proxy = firewall(budgets=ALL, server={"workers": 1})
    raw = exchange_raw(
        proxy.host, proxy.port, chat_request(chat_body(model="mock-cut", stream=True))
    )
    assert raw.is_closed
    assert not raw.data.endswith(b"0\r\n\r\n")
    assert b'"code":"upstream_cut"' in raw.data


def test_caller_that_leaves_mid_stream_is_charged_the_truth(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The provider bills on; the rest of the answer is read to learn how much."""
    proxy = firewall(budgets=ALL, server={"workers": 1})
    simulator.faults("drip:1")
    request = chat_request(chat_body(stream=True, max_tokens=2))
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as sock:
        sock.sendall(request)
        while b"data: " not in sock.recv(4096):
            pass
    charged = simulator.wait_billed(1)["total_nusd"]
    entry = quiesce(proxy, timeout_s=10).one("all")
    assert (charged, 0) == (entry["spent_nusd"], entry["accrued_nusd"])
