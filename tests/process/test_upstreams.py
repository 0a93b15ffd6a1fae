"""Several upstreams behind one firewall, for real."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.harness import (
    Firewall,
    Simulator,
    fetch,
    firewall_config,
    post_chat,
    quiesce,
    wait_until,
)

Start = Callable[..., Firewall]


def test_two_upstreams_of_one_dialect_by_prefix_and_by_model(
    firewall: Start, simulator: Simulator
) -> None:
    """One firewall in front of several accounts: each has its prices, its key and its budget."""
    dear = {"input_usd_per_mtok": 1000, "output_usd_per_mtok": 1000, "max_output_tokens": 10}
    azure = {
        "dialect": "openai",
        "base_url": simulator.url,
        "prefix": "/azure",
        "models": ["mock-lar*"],
        "prices": {"mock-small": dear},
        "api_key": "sk-azure",
        "auth": "api-key",
    }
    proxy = firewall(
        budgets=[{"id": "by", "per": ["provider"], "window": "day", "limit_usd": "1"}],
        upstreams={"azure": azure},
    )
    for path in ("", "/azure"):
        assert 200 == post_chat(f"{proxy.url}{path}/v1", max_tokens=5).status
    quiesce(proxy)
    spent = {entry["scope"]["provider"]: entry["spent_nusd"] for entry in proxy.budgets()}
    assert {"openai", "azure"} == spent.keys()
    assert spent["azure"] > 100 * spent["openai"] > 0


def test_answer_of_an_upstream_that_was_down_and_is_removed_settles_as_ever(
    firewall: Start, simulator: Simulator
) -> None:
    """Operators remove what is down; a slow answer from there is still an answer, at its price."""
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    answer = json.dumps({"id": "x", "model": "mock-small", "choices": [], "usage": usage}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    stays = firewall_config(
        simulator, [{"id": "all", "per": [], "window": "total", "limit_usd": "1"}],
        server={"workers": 1},
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as dying, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{dying.getsockname()[1]}"
        breaker = {"failures": 2, "open": "60s"}
        old = {"dialect": "openai", "base_url": url, "prefix": "/old", "breaker": breaker}
        proxy = firewall(stays | {"upstreams": stays["upstreams"] | {"old": old}})
        slow = pool.submit(post_chat, f"{proxy.url}/old/v1")
        held, _ = dying.accept()
        assert held.recv(65536).startswith(b"POST ")
        dying.close()
        assert {502} == {post_chat(f"{proxy.url}/old/v1").status for _ in range(3)}
        assert "\ns4fw_breakers_open 1" in fetch(f"{proxy.admin_url}/metrics").body.decode()
        proxy.reload(stays)
        wait_until(lambda: post_chat(f"{proxy.url}/old/v1").status not in (502, 503), "the reload")
        with held:
            held.sendall(head % len(answer) + answer)
            assert 200 == slow.result(10).status
    entry = quiesce(proxy).one("all")
    assert 0 == entry["accrued_nusd"] < entry["spent_nusd"]
