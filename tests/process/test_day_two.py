"""What operators do to a firewall that is in use: upgrade it, rotate keys; no caller may notice."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.harness import (
    Answer,
    Firewall,
    Simulator,
    firewall_config,
    openai_client,
    post_chat,
    quiesce,
    wait_until,
)

Start = Callable[..., Firewall]
Call = Callable[[int], None]

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
SLOW: dict[str, Any] = {"content": "[[fault latency:150]]", "max_tokens": 5}
LATE: dict[str, Any] = {"content": "[[fault latency:400]]", "max_tokens": 5, "stream": True}
HELD: dict[str, Any] = {"content": "[[fault hold]]", "max_tokens": 5, "stream": True}

KEYS = ("fw-first-0123456789abcdef", "fw-second-0123456789abcdef")
NOBODY = "http://127.0.0.1:9"
TENANT = [{"id": "tenant", "per": ["tenant"], "window": "month", "limit_usd": "10"}]


class Balancer:
    """What a network load balancer does: new connections go to the target that is registered,
    old ones stay where they are."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Balancer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self.target) as server:
            there = threading.Thread(target=_pump, args=(caller, server), daemon=True)
            there.start()
            _pump(server, caller)
            with suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            there.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def traffic(*calls: Call) -> Iterator[list[int]]:
    """Each call in a thread, again and again, with its count; yields how often each succeeded.

    At the end every failure is told: there must be none.
    """
    over = threading.Event()
    failures: list[str] = []
    done = [0] * len(calls)

    def go_on(which: int) -> None:
        while not over.is_set():
            try:
                calls[which](done[which])
                done[which] += 1
            except Exception as problem:
                failures.append(f"{which}, call {done[which]}: {problem!r}")

    threads = [threading.Thread(target=go_on, args=(which,)) for which in range(len(calls))]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [] == failures[:5]


def wait_more(done: list[int], count: int = 1) -> None:
    """Wait until every caller has succeeded so many times from now on."""
    before = list(done)
    wait_until(
        lambda: all(now >= was + count for now, was in zip(done, before, strict=True)),
        "every caller is served again",
        timeout_s=25.0,
    )


def chatting(base_url: str, **body: Any) -> Call:
    """A caller with a connection for each request, and no second try."""

    def call(_: int) -> None:
        answer = post_chat(base_url, **body)
        assert answer.status == 200, (answer.status, answer.body[:300])
        if body.get("stream"):
            assert answer.events()[-1] == "[DONE]"

    return call


def charged_nusd(*proxies: Firewall) -> tuple[int, int]:
    """What all of them charged, and what of it at worst case."""
    entries = [quiesce(proxy, timeout_s=10.0).one("all") for proxy in proxies]
    return sum(e["charged_nusd"] for e in entries), sum(e["accrued_nusd"] for e in entries)


def test_upgrade_behind_a_balancer_fails_no_request_and_cuts_no_stream(
    simulator: Simulator, firewall: Start
) -> None:
    """The new one is registered, the old one taken off, then told to end: in this order, nobody
    is refused, a stream that began before goes on, and both books together are exact."""
    patient = {"timeouts": {"drain": "30s"}}
    old = firewall(budgets=ALL, server=patient)
    kept: list[Answer] = []
    with ExitStack() as stack:
        balancer = stack.enter_context(Balancer((old.host, old.port)))
        url = balancer.url + "/v1"
        holder = threading.Thread(target=lambda: kept.append(post_chat(url, **HELD)))
        client = stack.enter_context(openai_client(url, max_retries=2))  # the SDK's own default

        def sdk(_: int) -> None:
            messages: Any = [{"role": "user", "content": "hi"}]
            client.chat.completions.create(model="mock-small", messages=messages, max_tokens=5)

        with traffic(chatting(url, **SLOW), chatting(url, **LATE), sdk, sdk) as done:
            holder.start()
            simulator.wait_held(1)
            new = firewall(budgets=ALL, server=patient)
            balancer.target = (new.host, new.port)
            wait_more(done)  # what began before the change is over, but for the held one
            old.terminate()
            wait_until(lambda: old.ask_admin("/readyz").status == 503, "the old one drains")
            wait_more(done)
            assert old.is_running  # it waits for the held stream
            simulator.release()
            holder.join()
            assert 0 == old.wait(15)
    assert "[DONE]" == kept[0].events()[-1]
    old.stop()
    old.start()  # to read its books
    assert (simulator.ledger()["total_nusd"], 0) == charged_nusd(old, new)


def test_restart_in_place_under_load_is_covered_by_the_retries_of_sdks(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """One machine has nobody to take over while its ports are closed; callers try again by
    themselves, no answer that runs is cut, and the account goes on where it was."""
    old = firewall(budgets=ALL, server={"timeouts": {"drain": "30s"}})
    server = {"port": old.port, "timeouts": {"drain": "30s"}}
    admin = {"port": int(old.admin_url.rpartition(":")[2])}
    config = firewall_config(simulator, ALL, server=server, admin=admin, paths=old.config["paths"])
    with ExitStack() as stack:
        client = stack.enter_context(openai_client(old.base_url, max_retries=9))

        def sdk(_: int) -> None:
            messages: Any = [{"role": "user", "content": SLOW["content"]}]
            client.chat.completions.create(model="mock-small", messages=messages, max_tokens=5)

        with traffic(sdk, sdk) as done:
            wait_more(done)
            old.terminate()
            wait_until(lambda: old.ask_admin("/readyz").status == 503, "the old one drains")
            new = stack.enter_context(Firewall(tmp_path, config, name="new"))
            wait_more(done)
            assert 0 == old.wait(15)
        assert (simulator.ledger()["total_nusd"], 0) == charged_nusd(new)


def keys_seen(simulator: Simulator, last: int = 2000) -> set[str]:
    """The credentials of the last calls as the provider received them."""
    return {dict(call["headers"])["authorization"] for call in simulator.requests(last)}


def test_rotate_a_providers_key_under_load_fails_no_request(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """New key into the file, SIGHUP, wait for the event, revoke the old one a moment later: by
    then nothing is sent with it any more, and no caller has seen a thing."""
    file = tmp_path / "openai.key"
    file.touch(mode=0o600)
    file.write_text("sk-first\n")
    upstreams = {"openai": {"base_url": simulator.url, "api_key": {"file": str(file)}}}
    digest = hashlib.sha256(KEYS[0].encode()).hexdigest()
    proxy = firewall(firewall_config(
        NOBODY, ALL, upstreams=upstreams, keys=[{"id": "app", "sha256": digest}]
    ))  # fmt: skip
    with traffic(keyed(proxy, 0), keyed(proxy, 0), keyed(proxy, 0, **LATE)) as done:
        wait_more(done)
        file.write_text("sk-second\n")
        proxy.reload()
        wait_until(lambda: generation(proxy) == 2, "the new key is in force")
        wait_more(done)  # what was admitted before the event may have been sent after it
        last_old = simulator.request_count()
        wait_more(done)
    assert {"Bearer sk-first", "Bearer sk-second"} == keys_seen(simulator)
    assert {"Bearer sk-second"} == keys_seen(simulator, simulator.request_count() - last_old)
    assert (simulator.ledger()["total_nusd"], 0) == charged_nusd(proxy)


def test_rotate_a_callers_key_under_load_fails_no_request(
    simulator: Simulator, firewall: Start
) -> None:
    """Both keys are good for a while, under two ids; the old one is void once it is taken out."""
    first, second = (
        {"id": f"app-{n}", "tenant": "acme", "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for n, key in enumerate(KEYS)
    )
    upstreams = {"openai": {"base_url": simulator.url, "api_key": "sk-provider"}}

    def config(*keys: dict[str, str]) -> dict[str, Any]:
        return firewall_config(NOBODY, TENANT, upstreams=upstreams, keys=list(keys))

    proxy = firewall(config(first))
    used = [0]
    with traffic(*(keyed(proxy, used) for _ in range(3))) as done:
        wait_more(done)
        proxy.reload(config(first, second))
        wait_until(lambda: generation(proxy) == 2, "both keys are in force")
        used[0] = 1  # the application is given its new key
        wait_more(done)
        proxy.reload(config(second))
        wait_until(lambda: generation(proxy) == 3, "the old key is void")
        wait_more(done)
    assert 401 == ask(proxy, KEYS[0]).status
    entry = quiesce(proxy).one("tenant")  # one account over both keys
    assert (simulator.ledger()["total_nusd"], 0) == (entry["charged_nusd"], entry["accrued_nusd"])


def ask(proxy: Firewall, key: str, **body: Any) -> Answer:
    """One request with a caller's key."""
    headers = {"authorization": f"Bearer {key}"}
    return post_chat(proxy.base_url, headers, **({"max_tokens": 5} | body))


def keyed(proxy: Firewall, which: int | list[int], **body: Any) -> Call:
    """A caller with one of the KEYS, or with the one that a list names at the moment."""

    def call(_: int) -> None:
        answer = ask(proxy, KEYS[which if isinstance(which, int) else which[0]], **body)
        assert answer.status == 200, (answer.status, answer.body[:300])

    return call


def generation(proxy: Firewall) -> int:
    """The configuration that every worker has taken."""
    events = proxy.admin("/v1/events")["events"]
    told = [e["fields"]["generation"] for e in events if e["kind"] == "reload"]
    return max(told, default=1)
