"""The process tree, for real: starts that are refused, deaths, reloads, drains, successors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import (
    Firewall,
    Simulator,
    chat_body,
    chat_request,
    firewall_config,
    post_chat,
    quiesce,
    wait_until,
)
from tests.harness.process import is_alive
from tests.harness.quote import dollars, quote_of

Start = Callable[..., Firewall]

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
NOWHERE = "http://127.0.0.1:9"
HELD = {"content": "[[fault hold]]", "max_tokens": 5, "stream": True}  # until released
PATIENT = {"timeouts": {"drain": "30s"}}  # for streams that end by themselves
SILENT = {"model": "mock-hang_stream", "max_tokens": 50, "stream": True}


def refused(folder: Path, config: dict[str, Any] | str) -> tuple[int, str]:
    """Start what must not start; returns its exit code and what it said."""
    proxy = Firewall(folder, config if isinstance(config, dict) else {})
    if isinstance(config, str):
        proxy.config_path.write_text(config)
    proxy.start(wait=False)
    code = proxy.wait(10)
    proxy.stop()
    return code, proxy.stderr()


@contextmanager
def stream(proxy: Firewall, **body: Any) -> Iterator[socket.socket]:
    """A streamed answer whose first events have come."""
    with asked(proxy, **body) as sock:
        read_until(sock, b"data: ")
        yield sock


@contextmanager
def held(proxy: Firewall, simulator: Simulator) -> Iterator[socket.socket]:
    """A request that the provider answers once it is released, with a stream."""
    with asked(proxy, **HELD) as sock:
        simulator.wait_held(1)
        yield sock


@contextmanager
def asked(proxy: Firewall, **body: Any) -> Iterator[socket.socket]:
    with socket.create_connection((proxy.host, proxy.port), timeout=10) as sock:
        sock.sendall(chat_request(chat_body(**body)))
        yield sock


def read_until(sock: socket.socket, needle: bytes) -> bytes:
    received = b""
    while needle not in received:
        piece = sock.recv(65536)
        assert piece, f"the stream ended before {needle!r}: {received[-200:]!r}"
        received += piece
    return received


def child(proxy: Firewall, name: str) -> int:
    """The pid of a child by the name it shows in `ps`."""
    names = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in proxy.tree()}
    return names[f"s4fw {name}"]


def events(proxy: Firewall, kind: str) -> list[dict[str, Any]]:
    return [e for e in proxy.admin("/v1/events")["events"] if e["kind"] == kind]


# -- starts that are refused ----------------------------------------------------------------------


def test_start_invalid_configuration_exits_78_with_every_line(tmp_path: Path) -> None:
    """An operator mends all mistakes at once, not one for each try."""
    code, said = refused(tmp_path, "upstreams: {}\nserver: {port: x}\nbudgets: [{id: a}]\n")
    assert code == 78
    assert ".yaml:2: server.port" in said
    assert ".yaml:3: budgets[0]" in said


def test_start_second_master_exits_75_and_leaves_the_first_alone(
    firewall: Start, tmp_path: Path
) -> None:
    """Two masters on one table would recover each other's living workers."""
    first = firewall(firewall_config(NOWHERE, ALL))
    before = first.pids()
    second = Firewall(tmp_path, first.config, name="second")
    second.start(wait=False)
    assert 75 == second.wait(10)
    assert f"another master (pid {first.pid})" in second.stderr()
    second.stop()
    assert before == first.pids()


@pytest.mark.parametrize("damage", [b"", b"not a table", bytes(5_000_000)])
def test_start_damaged_table_exits_65_and_never_touches_it(tmp_path: Path, damage: bytes) -> None:
    """Zeros in place of a table would refill every budget."""
    table = tmp_path / "runtime" / "table"
    table.parent.mkdir()
    table.write_bytes(damage)
    code, said = refused(tmp_path, firewall_config(NOWHERE, ALL))
    assert code == 65
    assert f"s4fw: the counter table {table}" in said
    assert damage == table.read_bytes()


@pytest.mark.parametrize("section", ["server", "admin"])
def test_start_taken_port_is_one_clear_line(tmp_path: Path, section: str) -> None:
    """Sharing a stranger's port by SO_REUSEPORT would lose half of the requests."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        config = firewall_config(NOWHERE, ALL, **{section: {"port": port}})
        code, said = refused(tmp_path, config)
    assert code == 1
    assert f"s4fw: cannot listen on 127.0.0.1:{port} ({section}): address already in use" in said


def test_start_child_that_cannot_boot_stops_the_service(tmp_path: Path) -> None:
    """A broken installation fails visibly; it does not fork for ever."""
    (tmp_path / "state" / "spend.lock").mkdir(parents=True)
    code, said = refused(tmp_path, firewall_config(NOWHERE, ALL))
    assert code == 1
    assert "s4fw: the steward cannot boot" in said
    assert said.count("ended by a fault while booting") == 1


BROKEN = """
import os, sys
from dataclasses import replace
from s4fw.process import child, crew
worker, steward = child.KINDS
crew.KINDS = (replace(worker, run=lambda seat: os._exit(7)), steward)
from s4fw.cli import main
main(["serve", "-c", sys.argv[1]])
"""


def test_start_workers_that_die_while_booting_stop_the_service(tmp_path: Path) -> None:
    """Five deaths within a minute, with back-off between them; systemd takes over from there."""
    config = tmp_path / "s4fw.yaml"
    paths = {"runtime": str(tmp_path), "state": str(tmp_path)}
    config.write_text(json.dumps(firewall_config(NOWHERE, ALL, paths=paths)))
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(config)], capture_output=True, text=True, timeout=20
    )
    assert (1, "") == (done.returncode, done.stdout)
    deaths = done.stderr.count('exited with code 7",')
    assert deaths in (5, 6)  # the other worker may die while the service is being stopped
    assert "s4fw: workers die while booting" in done.stderr


def test_start_writes_the_ports_and_hides_the_keys(tmp_path: Path) -> None:
    """Commands find a port that was chosen; nobody finds a key in an environment."""
    upstream = {"openai": {"base_url": NOWHERE, "api_key": "${UPSTREAM_KEY}"}}
    hook = {"webhook": {"url": "http://127.0.0.1:9/hook", "secret": "${HOOK_SECRET}"}}
    config = firewall_config(NOWHERE, ALL, upstreams=upstream, alerts=hook)
    env = {"UPSTREAM_KEY": "sk-canary-of-the-test", "HOOK_SECRET": "sk-canary-of-the-hook"}
    with Firewall(tmp_path, config, env=env) as proxy:
        ports = json.loads((tmp_path / "runtime" / "ports.json").read_text())
        assert proxy.port == ports["data"]
        assert proxy.admin_url.endswith(f":{ports['admin']}")
        for pid in proxy.tree():
            assert b"sk-canary" not in Path(f"/proc/{pid}/environ").read_bytes()
        proxy.reload()
        wait_until(lambda: events(proxy, "reload"), "the variable is still known to a reload")


# -- deaths ---------------------------------------------------------------------------------------


def test_kill_of_a_worker_respawns_it_and_disturbs_nobody(
    simulator: Simulator, firewall: Start
) -> None:
    """One crash costs the streams of one worker, not the service."""
    proxy = firewall(budgets=ALL)
    before = proxy.pids()
    with held(proxy, simulator) as sock:
        serving = next(w["pid"] for w in proxy.workers() if w["in_flight"])
        (victim,) = set(before) - {serving}
        killed_s = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(set(proxy.pids()) - {victim}) == 2, "a replacement is there")
        proxy.wait_workers()
        assert time.monotonic() - killed_s < 2.0
        simulator.release()
        read_until(sock, b"[DONE]")
    assert serving in proxy.pids()
    (event,) = events(proxy, "worker_exit")
    assert event["fields"]["pid"] == victim
    assert quiesce(proxy).one("all")["accrued_nusd"] == 0


def test_kill_of_the_steward_counts_every_row_once(simulator: Simulator, firewall: Start) -> None:
    """Sums by any dimension are read by finance; a crash must not change them."""
    proxy = firewall(budgets=ALL)
    for round_ in range(3):
        for _ in range(4):
            assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": "acme"}, max_tokens=5).status
        time.sleep(0.2 * round_)  # before, during and after the next write of the file
        steward = child(proxy, "steward")
        os.kill(steward, signal.SIGKILL)
        wait_until(lambda dead=steward: not is_alive(dead), "the steward is dead")
        wait_until(lambda: is_answering(proxy), "another steward answers")

    def acme() -> dict[str, Any]:
        rows = proxy.admin("/v1/costs?by=tenant")["costs"]
        return next((row for row in rows if row["value"] == "acme"), {"requests": 0})

    wait_until(lambda: acme()["requests"] >= 12, "all rows are counted")
    assert (12, simulator.ledger()["total_nusd"]) == (acme()["requests"], acme()["spent_nusd"])


def is_answering(proxy: Firewall) -> bool:
    try:
        return proxy.ask_admin("/readyz").status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_stopped_worker_is_killed_after_five_seconds_and_not_before(
    simulator: Simulator, firewall: Start
) -> None:
    """A pause must pass; a worker that hangs for ever must not hold its money for ever."""
    proxy = firewall(budgets=ALL)
    with stream(proxy, **SILENT):
        stuck = next(w["pid"] for w in proxy.workers() if w["in_flight"])
        os.kill(stuck, signal.SIGSTOP)
        time.sleep(3.0)
        assert is_alive(stuck)
        wait_until(lambda: not is_alive(stuck), "the stuck worker is killed", timeout_s=6.0)
        proxy.wait_workers()
    assert quote_of(**SILENT) == quiesce(proxy).one("all")["accrued_nusd"]


def test_kill_of_the_master_lets_streams_finish_and_a_successor_take_over(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """The supervisor is not part of anybody's stream, and nothing is recovered twice."""
    old = firewall(budgets=ALL, server=PATIENT)
    assert 200 == post_chat(old.base_url, max_tokens=5).status
    with held(old, simulator) as sock:
        workers = old.pids()
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        wait_until(lambda: sum(map(is_alive, workers)) == 1, "the idle worker has left")
        server = old.config["server"] | {"port": old.port}  # the orphan had it, too
        with Firewall(tmp_path, old.config | {"server": server}, name="new") as new:
            assert quote_of(**HELD) == new.budgets()[0]["held_nusd"]
            simulator.release()
            read_until(sock, b"[DONE]")
            wait_until(lambda: not any(map(is_alive, workers)), "the orphan has left")
            entry = quiesce(new).one("all")
    charged = simulator.ledger()["total_nusd"]
    assert (charged, 0) == (entry["spent_nusd"], entry["accrued_nusd"])


def test_kill_of_master_and_then_of_its_orphan_is_recovered_once(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """The new master meets a lease whose owner still lives, and charges it when it is dead."""
    old = firewall(budgets=ALL, server=PATIENT | {"workers": 1})
    with stream(old, **SILENT):
        (worker,) = old.pids()
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        with Firewall(tmp_path, old.config, name="new") as new:
            assert quote_of(**SILENT) == new.budgets()[0]["held_nusd"]
            os.kill(worker, signal.SIGKILL)
            entry = quiesce(new).one("all")
            assert (quote_of(**SILENT), 0) == (entry["accrued_nusd"], entry["spent_nusd"])
            time.sleep(1.1)  # the master looks for more to recover each second
            assert entry == quiesce(new).one("all")


# -- drain ----------------------------------------------------------------------------------------


def test_sigterm_finishes_a_running_stream_and_takes_nothing_new(
    simulator: Simulator, firewall: Start
) -> None:
    """A deployment is no reason to cut an answer that is paid for."""
    proxy = firewall(budgets=ALL, server=PATIENT)
    with held(proxy, simulator) as sock:
        proxy.terminate()
        wait_until(lambda: proxy.ask_admin("/readyz").status == 503, "readyz says so")
        assert 200 == proxy.ask_admin("/healthz").status
        wait_until(lambda: is_refused(proxy), "nothing new is taken")
        simulator.release()
        read_until(sock, b"[DONE]")
        assert 0 == proxy.wait(5)
    proxy.stop()
    proxy.start()
    entry = quiesce(proxy).one("all")
    assert (simulator.ledger()["total_nusd"], 0) == (entry["spent_nusd"], entry["accrued_nusd"])


def is_refused(proxy: Firewall) -> bool:
    try:
        socket.create_connection((proxy.host, proxy.port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("how", ["deadline", "second signal"])
def test_sigterm_cuts_what_does_not_end_and_charges_the_worst_case(
    how: str, simulator: Simulator, firewall: Start
) -> None:
    """At the deadline, or at once for an operator who insists; never at zero."""
    drain = "300s" if how == "second signal" else "500ms"
    proxy = firewall(budgets=ALL, server={"workers": 1, "timeouts": {"drain": drain}})
    with stream(proxy, **SILENT):
        proxy.terminate()
        if how == "second signal":
            wait_until(lambda: proxy.ask_admin("/readyz").status == 503, "it drains")
            proxy.terminate()
        assert 0 == proxy.wait(4)
    proxy.stop()
    proxy.start()
    entry = quiesce(proxy).one("all")
    assert (quote_of(**SILENT), 0) == (entry["accrued_nusd"], entry["spent_nusd"])


def test_successor_starts_on_the_same_ports_while_the_old_one_drains(
    simulator: Simulator, firewall: Start, tmp_path: Path
) -> None:
    """A restart need not wait for the longest answer of the day."""
    old = firewall(budgets=ALL, server=PATIENT)
    config = firewall_config(
        simulator, ALL, server={"port": old.port}, paths=old.config["paths"],
        admin={"port": int(old.admin_url.rpartition(":")[2])},
    )  # fmt: skip
    with held(old, simulator) as sock:
        old.terminate()
        wait_until(lambda: old.ask_admin("/readyz").status == 503, "it drains")
        with Firewall(tmp_path, config, name="new") as new:
            assert 200 == post_chat(new.base_url, max_tokens=5).status
            assert old.is_running
            simulator.release()
            read_until(sock, b"[DONE]")
            assert 0 == old.wait(5)
            entry = quiesce(new).one("all")
            charged = simulator.ledger()["total_nusd"]
            assert (charged, 0) == (entry["spent_nusd"], entry["accrued_nusd"])


# -- reload ---------------------------------------------------------------------------------------


def test_sighup_takes_a_new_limit_into_existing_cells(
    simulator: Simulator, firewall: Start
) -> None:
    """Lowering a limit below what is used is legal: nothing new fits, nothing is killed."""
    proxy = firewall(budgets=ALL)
    before = proxy.pids()
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    low = firewall_config(simulator, [ALL[0] | {"limit_usd": dollars(1)}])
    proxy.reload(low)
    wait_until(lambda: proxy.budgets()[0]["limit_nusd"] == 1, "the limit is lowered")
    assert 402 == post_chat(proxy.base_url, max_tokens=5).status
    proxy.reload(firewall_config(simulator, ALL))
    wait_until(lambda: proxy.budgets()[0]["limit_nusd"] == 10**10, "the limit is raised")
    assert 200 == post_chat(proxy.base_url, max_tokens=5).status
    assert before == proxy.pids()
    assert 3 == proxy.admin("/v1/status")["config_generation"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"budgets": [{"id": "all"}]}, "budgets[0].per: is missing"),
        ({"server": {"workers": 5}}, "server.workers changes from 2 to 5: that needs a restart"),
    ],
)
def test_sighup_invalid_or_unreloadable_keeps_the_old_one_and_says_why(
    change: dict[str, Any], why: str, firewall: Start
) -> None:
    """A typing mistake at noon must not take the firewall down, nor half of it."""
    proxy = firewall(firewall_config(NOWHERE, ALL))
    proxy.reload(firewall_config(NOWHERE, **({"budgets": ALL} | change)))
    wait_until(lambda: events(proxy, "reload_refused"), "the reload is refused")
    assert why in proxy.stderr()
    assert 1 == proxy.admin("/v1/status")["config_generation"]
    assert "all" == proxy.budgets()[0]["id"]
    assert 200 == proxy.ask_admin("/readyz").status


def test_sighup_again_and_again_under_traffic_drops_no_request(
    simulator: Simulator, firewall: Start
) -> None:
    """A deployment tool that reloads in a loop must not be seen by a single caller."""
    proxy = firewall(budgets=ALL)
    configs = [
        firewall_config(simulator, [ALL[0] | {"limit_usd": str(5 + turn % 3)}], server=PATIENT)
        for turn in range(20)
    ]
    statuses: list[int] = []
    for config in configs:
        proxy.reload(config)
        statuses += [post_chat(proxy.base_url, max_tokens=5).status for _ in range(3)]
    assert {200} == set(statuses)
    wait_until(lambda: proxy.budgets()[0]["limit_nusd"] == 6 * 10**9, "the last one is in force")
    entry = quiesce(proxy).one("all")
    assert (simulator.ledger()["total_nusd"], 0) == (entry["spent_nusd"], entry["accrued_nusd"])
    assert 0 == len(events(proxy, "worker_exit"))
