"""How often callers may come and how much of theirs runs at once, over all workers."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import openai
import pytest

from tests.harness import (
    Firewall,
    Simulator,
    chat_body,
    chat_request,
    fetch,
    firewall_config,
    openai_client,
    post_chat,
    quiesce,
    send_all,
    wait_until,
)
from tests.harness.client import Answer
from tests.harness.quote import dollars, quote_of

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
HANG: dict[str, Any] = {"model": "mock-hang_stream", "max_tokens": 50, "stream": True}


def code_of(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status, answer.json()["error"]["code"]


def test_burst_at_once_on_all_workers_passes_exactly_and_the_next_after_its_wait(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """One limit for all workers, one answer for all of them: when to come again, and then it
    fits."""
    proxy = firewall(budgets=ALL, limits={"per_key_rpm": 60, "burst": 5}, server={"workers": 2})
    request = chat_request(chat_body(max_tokens=5))
    started_s = time.monotonic()
    sent = send_all(proxy.host, proxy.port, [request] * 12)
    answers = [answer for answer in sent if isinstance(answer, Answer)]
    came_back = int(time.monotonic() - started_s)  # one more each second that this took
    statuses = Counter(answer.status for answer in answers)
    assert 12 == statuses[200] + statuses[429]
    assert 5 <= statuses[200] <= 5 + came_back
    refused = next(answer for answer in answers if answer.status == 429)
    assert "rate_limit_exceeded" == refused.json()["error"]["code"]
    wait_ms = int(refused.headers["retry-after-ms"])
    assert 0 < wait_ms <= 1000
    assert "1" == refused.headers["retry-after"]
    assert "x-should-retry" not in refused.headers
    time.sleep(1.0)
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    assert statuses[200] + 1 == quiesce(proxy).one("all")["used_nusd"] // _cost(simulator)
    metrics = fetch(proxy.admin_url + "/metrics").body.decode()
    total = [line for line in metrics.splitlines() if line.startswith("s4fw_rate_limited")]
    assert [float(statuses[429])] == [float(line.split()[-1]) for line in total if "{" not in line]


def _cost(simulator: Simulator) -> int:
    """What one of these calls costs: they are all alike."""
    ledger = simulator.ledger()
    cost: int = ledger["total_nusd"] // ledger["billed"]
    return cost


def test_sdk_waits_as_told_and_its_retry_goes_through(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The one refusal that an SDK should come back from by itself."""
    proxy = firewall(limits={"global_rpm": 120, "per_key_rpm": 120, "burst": 1})
    with openai_client(proxy.base_url, max_retries=2) as client:
        for _ in range(3):
            client.chat.completions.create(
                model="mock-small", max_tokens=5, messages=[{"role": "user", "content": "hi"}]
            )
    with openai_client(proxy.base_url) as client, pytest.raises(openai.RateLimitError) as caught:
        [client.models.list() for _ in range(3)]
    assert "rate_limit_exceeded" == caught.value.code


@contextmanager
def running(proxy: Firewall) -> Iterator[None]:
    """A stream that never ends by itself."""
    with socket.create_connection((proxy.host, proxy.port), timeout=10) as sock:
        sock.sendall(chat_request(chat_body(**HANG)))
        received = b""
        while b"data: " not in received:
            piece = sock.recv(65536)
            assert piece, received
            received += piece
        yield


def in_flight(proxy: Firewall) -> list[dict[str, Any]]:
    """The workers and how much runs in each."""
    return [row for row in proxy.workers() if row["kind"] == "worker"]


def test_running_requests_are_bounded_over_workers_and_a_killed_one_gives_its_share_back(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A caller cannot hold more by being spread over workers, nor less because one of them died."""
    config = firewall_config(simulator, ALL, server={"workers": 2}, limits={"per_key_in_flight": 4})
    proxy = firewall(config)
    with ExitStack() as streams:
        for _ in range(4):
            streams.enter_context(running(proxy))
        refused = post_chat(proxy.base_url, max_tokens=5)
        assert (429, "rate_limit_exceeded") == code_of(refused)
        assert ("1", "1000") == (
            refused.headers["retry-after"], refused.headers["retry-after-ms"]
        )  # fmt: skip
        assert 4 == sum(row["leases"] for row in in_flight(proxy))
        busiest = max(in_flight(proxy), key=lambda row: row["leases"])
        lost = busiest["leases"]
        assert lost > 0
        proxy.kill_worker(proxy.pids().index(busiest["pid"]))
        wait_until(
            lambda: sum(row["leases"] for row in in_flight(proxy)) == 4 - lost,
            "the dead worker's leases are recovered",
        )
        proxy.wait_workers()
        for _ in range(lost):
            streams.enter_context(running(proxy))
        assert (429, "rate_limit_exceeded") == code_of(post_chat(proxy.base_url, max_tokens=5))
        assert 200 == fetch(proxy.base_url + "/models").status  # costs nothing, so it holds nothing


KEYS = {"heavy": "fw-key-of-heavy-1234", "light": "fw-key-of-light-5678"}
HOLD: dict[str, Any] = {"model": "mock-hold", "max_tokens": 10}


def held_calls(proxy: Firewall, key: str, count: int) -> tuple[threading.Thread, list[Answer]]:
    """Send so many calls of a key at once; their answers are there when the thread has ended."""
    request = chat_request(chat_body(**HOLD)).replace(b"sk-test", KEYS[key].encode())
    answers: list[Answer] = []

    def send() -> None:
        sent = send_all(proxy.host, proxy.port, [request] * count)
        answers.extend(answer for answer in sent if isinstance(answer, Answer))

    thread = threading.Thread(target=send)
    thread.start()
    return thread, answers


def refused_in(answers: list[Answer]) -> list[str]:
    """Which limit each refusal names."""
    return [a.json()["error"]["s4fw"]["limit"] for a in answers if a.status == 429]


def test_key_holds_its_share_of_a_budget_and_no_more_and_others_go_on(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """One caller must not shut all others out with quotes that it will not use up."""
    quote = quote_of(**HOLD)
    config = firewall_config(
        simulator,
        [{"id": "all", "per": [], "window": "month", "limit_usd": dollars(10 * quote)}],
        upstreams={"openai": {"base_url": simulator.url, "api_key": "sk-provider-9876"}},
        keys=[
            {"id": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "tenant": "acme"}
            for name, secret in KEYS.items()
        ],
        limits={"per_key_held_share": 0.5},
        server={"workers": 2},
    )
    proxy = firewall(config)
    heavy, of_heavy = held_calls(proxy, "heavy", 12)
    simulator.wait_held(5)
    wait_until(lambda: limited(proxy) == 7, "the others of this key are refused")
    assert 5 * quote == proxy.budgets()[0]["held_nusd"]
    other, of_other = held_calls(proxy, "light", 5)
    simulator.wait_held(10)
    assert 10 * quote == proxy.budgets()[0]["held_nusd"]
    simulator.release()
    heavy.join(20)
    other.join(20)
    assert Counter({200: 5, 429: 7}) == Counter(answer.status for answer in of_heavy)
    assert ["per_key_held_share"] * 7 == refused_in(of_heavy)
    assert [200] * 5 == [answer.status for answer in of_other]
    paid_nusd = quiesce(proxy).one("all")["used_nusd"]
    assert simulator.ledger()["total_nusd"] == paid_nusd
    again, of_again = held_calls(proxy, "heavy", 1)  # what was held is its own again
    simulator.wait_held(1)
    simulator.release()
    again.join(20)
    assert [200] == [answer.status for answer in of_again]


def limited(proxy: Firewall) -> int:
    """How many requests were refused for a limit of their caller."""
    metrics = fetch(proxy.admin_url + "/metrics").body.decode()
    (line,) = [row for row in metrics.splitlines() if row.startswith("s4fw_rate_limited_total ")]
    return int(line.split()[-1])


def test_reload_with_another_limit_counts_on(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A limit can be set and taken away while traffic runs."""
    proxy = firewall(budgets=ALL)
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    proxy.reload({**proxy.config, "limits": {"global_rpm": 1}})
    wait_until(lambda: proxy.admin("/v1/status")["config_generation"] == 2, "reloaded")
    statuses = wait_for_refusal(proxy)
    assert statuses.count(200) <= 1
    proxy.reload({**proxy.config, "limits": {}})
    wait_until(lambda: post_chat(proxy.base_url, max_tokens=5).status == 200, "free again")


def wait_for_refusal(proxy: Firewall) -> list[int]:
    """Statuses until the first refusal."""
    statuses: list[int] = []

    def is_refused() -> bool:
        statuses.append(post_chat(proxy.base_url, max_tokens=5).status)
        return statuses[-1] == 429

    wait_until(is_refused, "a request is refused")
    return statuses
