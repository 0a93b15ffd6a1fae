"""Keys, prompts and answers stay where they belong, through every way an exchange can end."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import Firewall, Simulator, fetch, firewall_config, quiesce, wait_until

KEY, CANARY = "sk-provider-cAnArY-5521", "kAnArI-9d2e"
ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]
BODY = {"model": "mock-small", "max_tokens": 9, "messages": [{"role": "user", "content": CANARY}]}
Start = Callable[..., Firewall]


def with_key(simulator: Simulator, api_key: str) -> dict[str, object]:
    """Sections of a configuration whose upstream has a credential of ours."""
    upstream = {"base_url": simulator.url, "api_key": api_key}
    return firewall_config(
        simulator,
        ALL,
        server={"workers": 1, "allow_anonymous": True},
        upstreams={"openai": upstream},
    )


@pytest.mark.parametrize("spelt", ["${PROVIDER_KEY}", "sk-${PROVIDER_REST}"])
def test_key_from_the_environment_is_in_no_process_of_the_tree(
    firewall: Start, simulator: Simulator, spelt: str
) -> None:
    """/proc/PID/environ is where a key outlives unsetenv; a part of one is as good as the whole."""
    env = {"PROVIDER_KEY": KEY, "PROVIDER_REST": KEY[3:]}
    used = {name: value for name, value in env.items() if name in spelt}
    fw = firewall(with_key(simulator, spelt), env=used)
    assert 200 == fetch(fw.base_url + "/chat/completions", "POST", BODY).status
    (seen,) = simulator.requests()
    assert ["authorization", f"Bearer {KEY}"] in seen["headers"]
    for pid in fw.tree():
        assert KEY[3:].encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)


def test_content_is_nowhere_after_every_way_to_end(firewall: Start, simulator: Simulator) -> None:
    """Error bodies of the provider, garbage, cuts, a stuck worker's dump, a crash: counts only."""
    fw = firewall(with_key(simulator, KEY))
    url = fw.base_url + "/chat/completions"
    head = b"HTTP/1.1 %s\r\nX-Echo: " + CANARY.encode() + b"\r\nContent-Length: 40\r\n\r\n"
    error = b'{"error":{"message":"' + CANARY.encode() + b'","code":1}}'
    answers = [
        *(head % b"400 " + CANARY.encode() + error, head % b"500 No" + error, error * 50),
        *(head % b"200 OK" + b'{"usage":"' + CANARY.encode(), head % b"999 Odd" + error),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: " + error + b"\n\n",
    ]
    for raw in answers:
        simulator.raw_answer(raw, times=1)
        with suppress(http.client.HTTPException, OSError):
            fetch(url, "POST", BODY | {"user": CANARY})
    bad = b'{"model":"mock-small","messages":[{"role":"user","content":"%b' % CANARY.encode()
    for body in (bad, bad + b'"}],"max_tokens":"%b"}' % CANARY.encode()):
        assert 400 == fetch(url, "POST", body).status
    fetch(f"{fw.base_url}/{CANARY}?{CANARY}", "POST", BODY, {CANARY: CANARY, "cookie": CANARY})
    fetch(url, "POST", BODY | {"model": CANARY}, {"authorization": f"Bearer {CANARY}"})
    with socket.create_connection((fw.host, fw.port)) as raw_socket:
        raw_socket.sendall(f"POST /{CANARY} HTTP/9.9\r\n{CANARY}\r\n\r\n".encode())
        raw_socket.recv(100)
    # A worker in the middle of an exchange is made to say where it is.
    simulator.faults("hold", times=1)
    with socket.create_connection((fw.host, fw.port)) as held:
        whole = b'{"model":"mock-small","max_tokens":9,"messages":[{"role":"user","content":"%b"}]}'
        data = whole % CANARY.encode()
        lines = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
        held.sendall(lines % len(data) + data)
        simulator.wait_held(1)
        (pid,) = fw.pids()
        os.kill(pid, signal.SIGABRT)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker is gone", timeout_s=5)
    simulator.release()
    fw.wait_workers(1)
    quiesce(fw)
    kept = {p.name: p.read_bytes() for p in fw.folder.rglob("*") if p.is_file()}
    assert any(b"Current thread" in data for data in kept.values()), "no dump: nothing was tested"
    paths = ("/metrics", "/v1/status", "/v1/budgets", "/v1/workers", "/v1/events")
    told = {path: fw.ask_admin(path).body for path in paths}
    for name, data in {**kept, **told}.items():
        assert CANARY.encode() not in data, name
        assert KEY.encode() not in data or name.endswith(".yaml"), name
    assert not list(fw.folder.rglob("core*"))


def test_data_port_tells_no_figure(firewall: Start, simulator: Simulator) -> None:
    """Who can call a model need not know what others spend."""
    fw = firewall(budgets=ALL)
    assert 200 == fetch(fw.base_url + "/chat/completions", "POST", BODY).status
    for path in ("/metrics", "/v1/status", "/v1/budgets", "/v1/workers", "/v1/events", "/", "/ui"):
        answer = fetch(fw.url + path)
        assert answer.status in (403, 404, 405)
        assert b"nusd" not in answer.body
        assert b"s4fw_" not in answer.body


def test_admin_tokens_change_with_a_reload(firewall: Start, simulator: Simulator) -> None:
    """A leaked token is worth nothing without a restart, and a scraper's never moves anything."""
    first = {"token": "change-0123456789", "read_token": "look-0123456789ab"}
    config = with_key(simulator, KEY) | {"admin": {"port": 0, **first}}
    fw = firewall(config)

    def status(method: str, path: str, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return fetch(fw.admin_url + path, method, headers=headers).status

    look, freeze = ("GET", "/v1/budgets"), ("POST", "/v1/freeze?scope=all")
    assert (200, 403) == (status(*look, "look-0123456789ab"), status(*freeze, "look-0123456789ab"))
    assert 200 == status(*look, "change-0123456789")
    fw.reload(config | {"admin": {"port": 0, "read_token": "other-0123456789"}})
    wait_until(
        lambda: 200 == status(*look, "other-0123456789"), "the other token is taken", timeout_s=10
    )
    assert (401, 401) == (status(*look, "look-0123456789ab"), status(*look, "change-0123456789"))
    assert 403 == status(*freeze, "other-0123456789")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_default_configuration_connects_to_its_upstream_and_to_nothing_else(
    simulator: Simulator, tmp_path: Path
) -> None:
    """No telemetry, no licence check, no name that is looked up at somebody's server."""
    fw = Firewall(tmp_path, firewall_config(simulator, ALL, server={"workers": 1}))
    trace = tmp_path / "trace"
    fw.args = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmsg",
        "-o",
        str(trace),
        *fw.args,
    ]
    fw.start()
    try:
        for more in ({}, {"stream": True}):
            assert 200 == fetch(fw.base_url + "/chat/completions", "POST", BODY | more).status
        fw.admin("/v1/budgets")
        quiesce(fw)
        time.sleep(1)  # whatever a chore would do once per second
    finally:
        fw.stop()
    reached = set(
        re.findall(
            r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?\"([^\"]+)\"", trace.read_text()
        )
    )
    assert {(str(simulator.port), "127.0.0.1")} == reached
