"""What operators do to a firewall that is in use: upgrade it, rotate keys; no caller may notice."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import s4fw
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
from tests.harness.process import ROOT, is_alive
from tests.process.callers import Balancer, Call, chatting, traffic, wait_more

Start = Callable[..., Firewall]

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
SLOW: dict[str, Any] = {"content": "[[fault latency:150]]", "max_tokens": 5}
LATE: dict[str, Any] = {"content": "[[fault latency:400]]", "max_tokens": 5, "stream": True}
HELD: dict[str, Any] = {"content": "[[fault hold]]", "max_tokens": 5, "stream": True}

KEYS = ("fw-first-0123456789abcdef", "fw-second-0123456789abcdef")
NOBODY = "http://127.0.0.1:9"
TENANT = [{"id": "tenant", "per": ["tenant"], "window": "month", "limit_usd": "10"}]


NEXT = "99.0.0"


def next_release(folder: Path) -> dict[str, str]:
    """Another release, installed in a folder of its own; returns the environment that runs it."""
    package = folder / "release" / "s4fw"
    shutil.copytree(Path(s4fw.__file__).parent, package)
    text = (package / "__init__.py").read_text("utf-8")
    assert f'"{s4fw.__version__}"' in text
    (package / "__init__.py").write_text(text.replace(s4fw.__version__, NEXT), "utf-8")
    return {"PYTHONPATH": os.pathsep.join((str(package.parent), str(ROOT)))}


def version(proxy: Firewall) -> str:
    """The release that runs."""
    told: str = proxy.admin("/v1/status")["version"]
    return told


def charged_nusd(*proxies: Firewall) -> tuple[int, int]:
    """What all of them charged, and what of it at worst case."""
    entries = [quiesce(proxy, timeout_s=10.0).one("all") for proxy in proxies]
    return sum(e["charged_nusd"] for e in entries), sum(e["accrued_nusd"] for e in entries)


def test_upgrade_behind_a_balancer_fails_no_request_and_cuts_no_stream(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """The new one is registered, the old one taken off, then told to end: in this order, nobody
    is refused, a stream that began before goes on, and both books together are exact."""
    patient = {"timeouts": {"drain": "30s"}}
    release = next_release(tmp_path)
    old = firewall(budgets=ALL, server=patient)
    before = old.tree()
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
            new = firewall(env=release, budgets=ALL, server=patient)
            assert (s4fw.__version__, NEXT) == (version(old), version(new))
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
    assert [] == [pid for pid in before if is_alive(pid)]
    old.stop()
    old.start()  # to read its books
    assert (simulator.ledger()["total_nusd"], 0) == charged_nusd(old, new)


def test_restart_in_place_under_load_is_covered_by_the_retries_of_sdks(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """One machine has nobody to take over while its ports are closed; callers try again by
    themselves, a stream that runs is finished by the old release while the new one serves, and the
    account goes on where it was."""
    release = next_release(tmp_path)
    old = firewall(budgets=ALL, server={"timeouts": {"drain": "30s"}})
    server = {"port": old.port, "timeouts": {"drain": "30s"}}
    admin = {"port": int(old.admin_url.rpartition(":")[2])}
    config = firewall_config(simulator, ALL, server=server, admin=admin, paths=old.config["paths"])
    before, kept = old.tree(), list[Answer]()
    with ExitStack() as stack:
        client = stack.enter_context(openai_client(old.base_url, max_retries=9))
        holder = threading.Thread(target=lambda: kept.append(post_chat(old.base_url, **HELD)))

        def sdk(_: int) -> None:
            messages: Any = [{"role": "user", "content": SLOW["content"]}]
            client.chat.completions.create(model="mock-small", messages=messages, max_tokens=5)

        with traffic(sdk, sdk) as done:
            holder.start()
            simulator.wait_held(1)
            wait_more(done)
            old.terminate()
            wait_until(lambda: old.ask_admin("/readyz").status == 503, "the old one drains")
            new = stack.enter_context(Firewall(tmp_path, config, name="new", env=release))
            wait_more(done)
            assert NEXT == version(new)
            assert old.is_running  # it waits for the held stream
            simulator.release()
            holder.join()
            assert 0 == old.wait(15)
        assert "[DONE]" == kept[0].events()[-1]
        assert [] == [pid for pid in before if is_alive(pid)]
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
