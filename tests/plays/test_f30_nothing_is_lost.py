"""Processes are killed at the worst moment; the money stays right."""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.harness import Firewall, Simulator, chat_request, post_chat, quiesce, wait_until
from tests.harness.client import chat_body
from tests.harness.quote import quote_of

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
HANG = {"model": "mock-hang_stream", "max_tokens": 50, "stream": True}


def open_stream(proxy: Firewall) -> socket.socket:
    """Start a stream that falls silent after its first events; returns once bytes have come."""
    sock = socket.create_connection((proxy.host, proxy.port), timeout=10)
    sock.sendall(chat_request(chat_body(**HANG)))
    received = b""
    while b"data: " not in received:
        piece = sock.recv(65536)
        assert piece, received
        received += piece
    return sock


def test_spend_is_there_after_kill_of_everything_and_a_restart(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A firewall that forgets refills every budget."""
    proxy = firewall(budgets=ALL)
    for _ in range(5):
        assert 200 == post_chat(proxy.base_url, max_tokens=20).status
    before = quiesce(proxy).one("all")
    assert simulator.ledger()["total_nusd"] == before["spent_nusd"] > 0
    proxy.kill_everything()
    proxy.start()
    assert before == quiesce(proxy).one("all")


def test_kill_of_everything_mid_stream_charges_the_worst_case(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """What was sent may have been billed in full; nobody will ever tell us."""
    proxy = firewall(budgets=ALL)
    with open_stream(proxy):
        proxy.kill_everything()
    proxy.start()
    entry = quiesce(proxy).one("all")
    assert (quote_of(**HANG), 0) == (entry["accrued_nusd"], entry["spent_nusd"])


def test_kill_of_a_worker_mid_stream_charges_the_worst_case_and_holds_nothing(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Its streams are charged as accrued, its replacement serves, others never notice."""
    proxy = firewall(budgets=ALL, server={"workers": 2})
    streams = [open_stream(proxy) for _ in range(8)]
    try:
        rows = {row["pid"]: row["in_flight"] for row in proxy.workers()}
        victim = proxy.kill_worker()
        lost = rows[victim]
        expected = lost * quote_of(**HANG)
        wait_until(
            lambda: proxy.budgets()[0]["accrued_nusd"] == expected,
            f"{lost} worst cases are accrued",
        )
        entry = proxy.budgets()[0]
        assert (8 - lost) * quote_of(**HANG) == entry["held_nusd"]
        proxy.wait_workers()
        for _ in range(4):
            assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    finally:
        for stream in streams:
            stream.close()


def test_freeze_stops_all_workers_at_once_and_survives_a_restart(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """One word stops all spending, and only an operator lifts it."""
    admin = {"host": "127.0.0.1", "port": 0, "token": "t0ken-of-the-test"}
    proxy = firewall(budgets=ALL, server={"workers": 3}, admin=admin)
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    proxy.admin("/v1/freeze", "POST", {"everything": True})
    sent = simulator.request_count()
    for _ in range(9):
        blocked = post_chat(proxy.base_url, max_tokens=5)
        assert (403, "frozen") == (blocked.status, blocked.json()["error"]["code"])
    proxy.kill_everything()
    proxy.start()
    assert 403 == post_chat(proxy.base_url, max_tokens=5).status
    assert sent == simulator.request_count()
    proxy.admin("/v1/release", "POST", {"everything": True})
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
