"""Wrong and hostile input: refused in the caller's dialect, nothing sent, nothing held, no echo."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import Firewall, Simulator, exchange_raw, fetch, firewall_config, quiesce

CANARY = "CANARY-7f3a"
ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]
MESSAGE = {"role": "user", "content": CANARY}
GOOD = {"model": "mock-small", "messages": [MESSAGE]}


@pytest.fixture(scope="module")
def proxy(
    simulator_process: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firewall]:
    """One firewall for all cases of this file."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    with Firewall(folder, firewall_config(simulator_process, ALL)) as firewall:
        yield firewall


BODIES = {
    "empty": (b"", 400),
    "no json": (CANARY.encode(), 400),
    "array": (json.dumps([GOOD, GOOD]).encode(), 400),
    "two documents": (json.dumps(GOOD).encode() * 2, 400),
    "duplicate key": (b'{"model":"mock-small","messages":[],"max_tokens":1,"max_tokens":9}', 400),
    "escaped twin": (
        b'{"model":"mock-small","messages":[],"max_\\u0074okens":1,"max_tokens":9}',
        400,
    ),
    "nested duplicate": (
        b'{"model":"mock-small","messages":[],"stream":true,'
        b'"stream_options":{"include_usage":true,"include_usage":false}}',
        400,
    ),
    "utf-16": (json.dumps(GOOD).encode("utf-16"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), 400),
    "bad utf-8": (b'{"model":"mock-small","messages":["\xff"]}', 400),
    "not a number": (b'{"model":"mock-small","messages":[],"max_tokens":NaN}', 400),
    "million digits": (b'{"model":"mock-small","messages":[],"n":' + b"9" * 10**6 + b"}", 400),
    "deep": (b'{"model":"mock-small","messages":' + b"[" * 10**5 + b"]" * 10**5 + b"}", 400),
    "folded": (json.dumps(GOOD | {"MAX_TOKENS": 9}).encode(), 400),
    "float bound": (json.dumps(GOOD | {"max_tokens": 1.0}).encode(), 400),
    "boolean bound": (json.dumps(GOOD | {"max_tokens": True}).encode(), 400),
    "thousand answers": (json.dumps(GOOD | {"n": 1000}).encode(), 400),
    "no model": (json.dumps({"messages": [MESSAGE]}).encode(), 400),
    "list of models": (json.dumps(GOOD | {"model": ["mock-small", "o1"]}).encode(), 400),
    "unknown model": (json.dumps(GOOD | {"model": CANARY}).encode(), 403),
    "homoglyph": (json.dumps(GOOD | {"model": "mоck-small"}).encode(), 400),
    "other destination": (json.dumps(GOOD | {"api_base": "http://169.254.169.254"}).encode(), 400),
    "hosted tool": (json.dumps(GOOD | {"tools": [{"type": "web_search"}]}).encode(), 403),
    "audio": (json.dumps(GOOD | {"modalities": ["audio"]}).encode(), 403),
    "message is text": (json.dumps(GOOD | {"messages": [CANARY]}).encode(), 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_bad_body_is_refused_kindly_and_costs_nothing(
    name: str, proxy: Firewall, simulator: Simulator
) -> None:
    """One reading only; a sentence to act on; never the caller's own bytes in it."""
    body, status = BODIES[name]
    answer = fetch(proxy.base_url + "/chat/completions", "POST", body)
    assert status == answer.status, answer.body
    error = answer.json()["error"]
    assert error["message"].startswith("S4 Firewall: ")
    assert error["s4fw"]["request_id"] == answer.headers["x-s4fw-request-id"]
    assert "block" == answer.headers["x-s4fw-decision"]
    assert CANARY not in answer.body.decode() + str(answer.headers)
    assert 0 == simulator.request_count()
    assert 0 == quiesce(proxy).one("all")["used_nusd"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /v1/chat/completions", 405),
        ("PUT /v1/chat/completions", 405),
        ("POST /v1/batches", 403),
        ("POST /v1/images/generations", 403),
        ("POST /v1/chat/completions%0d%0aX-Evil:1", 400),
        ("POST /v1/models/../chat/completions", 400),
        ("CONNECT provider.test:443", 400),
    ],
)
def test_request_beside_the_governed_ones_is_not_forwarded(
    line: str, status: int, proxy: Firewall, simulator: Simulator
) -> None:
    """What cannot be metered does not pass."""
    data = json.dumps(GOOD).encode()
    head = f"{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    raw = exchange_raw(proxy.host, proxy.port, head.encode() + data)
    assert [status] == raw.statuses
    assert CANARY.encode() not in raw.data
    assert 0 == simulator.request_count()


def test_nothing_of_a_request_is_left_in_state_or_logs(
    proxy: Firewall, simulator: Simulator
) -> None:
    """Counts, not content: not a byte of a prompt, an answer or a key."""
    key = "sk-" + CANARY
    for body in (GOOD, GOOD | {"stream": True}, GOOD | {"model": "mock-cut", "stream": True}):
        with suppress(http.client.IncompleteRead):  # the last one is cut by the provider
            fetch(
                proxy.base_url + "/chat/completions",
                "POST",
                body | {"user": CANARY, "metadata": {"x": CANARY}},
                {"authorization": f"Bearer {key}", "x-s4fw-tenant": "visible-tenant"},
            )
    assert 3 == simulator.request_count()
    quiesce(proxy)
    told = proxy.ask_admin("/metrics").body + proxy.ask_admin("/v1/events").body
    kept = b"".join(path.read_bytes() for path in proxy.folder.rglob("*") if path.is_file())
    assert b"visible-tenant" in kept + told
    assert CANARY.encode() not in kept + told
