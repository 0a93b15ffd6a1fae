"""The ledger of a whole firewall: what was charged stands in it once, whoever is killed when."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from s4fw.cli import main
from tests.harness import Firewall, Simulator, post_chat, quiesce, wait_until
from tests.harness.bucket import REGION, Bucket, bucket
from tests.harness.process import is_alive

Start = Callable[..., Firewall]

JSON = {"content-type": "application/json"}
BUDGETS = [
    {"id": "all", "per": [], "window": "total", "limit_usd": "100"},
    {"id": "tenant-month", "per": ["tenant"], "window": "month", "limit_usd": "50"},
]


@pytest.fixture
def s3() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


def ledger(name: str) -> dict[str, Any]:
    """The section of a ledger that is stored in this bucket."""
    place = {"bucket": name, "prefix": "audit", "region": REGION}
    return {"enabled": True, "rotate": "1s", "s3": place}


def audit(proxy: Firewall, *arguments: str) -> tuple[int, Any]:
    """One command of `s4fw audit` with JSON; its exit code and what it printed."""
    env = {name: None for name in ("S4FW_ADMIN_URL", "S4FW_ADMIN_TOKEN", "S4FW_CONFIG")}
    config = [] if "--dir" in arguments else ["-c", str(proxy.config_path)]
    result = CliRunner().invoke(main, ["audit", *arguments, *config], env=env)
    assert result.stdout or 0 == result.exit_code, result.output
    if "export" in arguments:
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]
    return result.exit_code, json.loads(result.stdout)


def rows(proxy: Firewall) -> list[dict[str, Any]]:
    code, found = audit(proxy, "export", "--format", "json")
    assert 0 == code
    return list(found)


def figures(proxy: Firewall) -> dict[str, float]:
    """What /metrics says of the ledger."""
    page = proxy.ask_admin("/metrics").body.decode()
    start = "s4fw_ledger_"
    lines = [line.split() for line in page.splitlines() if line.startswith(start)]
    return {name.removeprefix(start): float(value) for name, value in lines}


@contextmanager
def traffic(proxy: Firewall) -> Iterator[None]:
    """Callers that go on whatever happens, until the end of the block."""
    is_over = threading.Event()

    def call(number: int) -> None:
        while not is_over.is_set():
            try:
                headers = {"x-s4fw-tenant": f"t{number}"}
                post_chat(proxy.base_url, headers, max_tokens=20, timeout_s=5)
            except OSError:
                time.sleep(0.01)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(3)]
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        is_over.set()
        for caller in callers:
            caller.join()


def steward(proxy: Firewall) -> int:
    """The pid of the one that lives now."""

    def find() -> int:
        for pid in proxy.tree():
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            if name == "s4fw steward":
                return pid
        return 0

    return wait_until(find, "there is a steward", timeout_s=10)  # young deaths: it waits, too


def assert_equal(proxy: Firewall) -> int:
    """The ledger's sums are the table's; returns what was charged in total."""
    entry = quiesce(proxy, timeout_s=10).one("all")
    code, said = audit(proxy, "rebuild", "--json")
    assert 0 == code, said
    states = {line["state"] for line in said["windows"]}
    assert states == {"equal"}, said
    total = next(line for line in said["windows"] if line["budget"] == "all")
    assert entry["charged_nusd"] == total["ledger_nusd"] == total["table_nusd"]
    return int(entry["charged_nusd"])


def test_ledger_equals_table_and_provider_over_kills_during_appends_and_uploads(
    firewall: Start, simulator: Simulator, s3: Bucket
) -> None:
    """Nothing that was charged is lost, nothing stands there twice, every object is put once."""
    proxy = firewall(budgets=BUDGETS, ledger=ledger(s3.name), env=s3.env)
    with traffic(proxy):
        for _ in range(3):
            time.sleep(0.7)
            os.kill(steward(proxy), signal.SIGKILL)
    simulator.wait_idle()
    paid_nusd = simulator.ledger()["total_nusd"]
    wait_until(lambda: steward(proxy), "another steward")
    assert paid_nusd == wait_until(
        lambda: answers(proxy) and assert_equal(proxy), "the sums", timeout_s=20
    )
    with traffic(proxy):  # now those who carry the money; then everyone at once
        for _ in range(2):
            time.sleep(0.3)
            proxy.kill_worker()
            proxy.wait_workers()
        time.sleep(0.3)
        everyone = proxy.tree()
        for pid in everyone:
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, everyone)), "everyone is dead")
    proxy.stop()
    proxy.start()
    post_chat(proxy.base_url)
    charged_nusd = assert_equal(proxy)
    assert simulator.ledger()["total_nusd"] <= charged_nusd
    proxy.stop()
    assert_genuine(proxy, s3)


def answers(proxy: Firewall) -> bool:
    try:
        return proxy.ask_admin("/healthz").status == 200
    except OSError:
        return False


def assert_genuine(proxy: Firewall, s3: Bucket) -> None:
    """What lies here is whole, and the bucket holds each closed segment exactly once."""
    code, said = audit(proxy, "verify", "--json")
    assert (0, 0) == (code, said["chains"][0]["gaps"]), said
    found = rows(proxy)
    places = [(row["slot"], row["seq"]) for row in found]
    assert len(places) == len(set(places))
    ids = [row["id"] for row in found if row["kind"] != "event"]
    assert len(ids) == len(set(ids))
    names = s3.names()
    numbers = [int(Path(name).name[:12]) for name in names]
    assert numbers == list(range(1, len(names) + 1))
    copy = proxy.folder / "copy"
    copy.mkdir()
    for name in names:
        (copy / Path(name).name).write_bytes(s3.read(name))
    key = str(proxy.folder / "state" / "ledger" / "public-key.pem")
    code, said = audit(proxy, "verify", "--json", "--dir", str(copy), "--key", key)
    assert 0 == code, said
    assert len(found) == said["chains"][0]["rows"]


def test_bucket_that_is_away_for_a_while_gets_everything_later(
    firewall: Start, simulator: Simulator, s3: Bucket
) -> None:
    """The ledger waits on this disk, and the alarm says so."""
    nowhere = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    proxy = firewall(budgets=BUDGETS, ledger=ledger(s3.name), env=s3.env | nowhere)
    post_chat(proxy.base_url)

    def alarmed() -> bool:
        return any(e["kind"] == "ledger_waits" for e in proxy.admin("/v1/events")["events"])

    wait_until(alarmed, "the alarm that a segment waits", timeout_s=15)
    assert 1 == len(rows(proxy))
    assert 1 == figures(proxy)["segments_waiting"]
    proxy.stop()
    assert [] == s3.names()
    proxy.env = s3.env
    proxy.start()
    wait_until(s3.names, "the first segment is stored", timeout_s=15)
    wait_until(lambda: figures(proxy)["segments_waiting"] == 0, "nothing waits any more")
    proxy.stop()
    assert_genuine(proxy, s3)


def test_full_spool_refuses_before_a_row_is_lost_and_goes_on_with_room(
    firewall: Start, simulator: Simulator
) -> None:
    """Fail closed: what cannot be recorded is not let through, and nothing recorded is lost."""
    proxy = firewall(
        budgets=BUDGETS,
        server={"workers": 1},
        ledger={"enabled": True, "max_bytes": "64KiB"},
    )
    post_chat(proxy.base_url)
    wait_until(lambda: rows(proxy), "the first row")
    ballast = proxy.folder / "state" / "ledger" / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    shown = figures(proxy)
    assert shown["bytes"] > shown["bytes_max"] == 64 << 10
    assert (0, False) == (shown["rows_missing_total"], "segments_waiting" in shown)
    fill_ring(proxy)
    answer = post_chat(proxy.base_url)
    assert 503 == answer.status
    assert b"firewall_unavailable" in answer.body
    before = simulator.request_count()
    ballast.unlink()
    proxy.write_config(proxy.config | {"ledger": {"enabled": True, "max_bytes": "1GiB"}})
    proxy.reload()
    wait_until(lambda: post_chat(proxy.base_url).status == 200, "requests pass", timeout_s=10)
    assert before + 1 == simulator.request_count()
    assert_equal(proxy)
    proxy.stop()
    code, said = audit(proxy, "verify", "--json")
    assert 0 == code, said
    assert said["chains"][0]["rows"] > 4096


def fill_ring(proxy: Firewall) -> None:
    """Send requests that are refused for nothing, until one that would spend is, too."""
    import http.client

    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=10)
    for _ in range(4200):
        connection.request("POST", "/v1/chat/completions", b"{}", JSON)
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("key", ["missing.pem", "wrong.pem"])
def test_key_that_cannot_sign_refuses_to_start(
    tmp_path: Path, simulator: Simulator, key: str
) -> None:
    """A ledger that cannot be signed is found out before the first request."""
    from tests.harness import firewall_config

    (tmp_path / "wrong.pem").write_text("not a key")
    config = firewall_config(simulator, BUDGETS, ledger={"enabled": True, "key": {"file": key}})
    proxy = Firewall(tmp_path, config)
    proxy.start(wait=False)
    assert 78 == proxy.wait(10)
    assert "ledger.key" in proxy.stderr()
    proxy.stop()


def test_reads_say_what_kind_of_answer_it_was(firewall: Start, simulator: Simulator) -> None:
    """One line tells an auditor who, what, how much and why."""
    proxy = firewall(budgets=BUDGETS, ledger={"enabled": True})
    who = {"x-s4fw-tenant": "acme", "x-s4fw-agent": "planner"}
    answer = post_chat(proxy.base_url, who, stream=True, max_tokens=20)
    assert 200 == answer.status
    assert 200 != post_chat(proxy.base_url, model="no-such-model").status
    found = wait_until(lambda: len(rows(proxy)) == 2 and rows(proxy), "both rows")
    paid, refused = sorted(found, key=lambda row: row["kind"], reverse=True)
    assert ("settle", "acme", "mock-small", True) == (
        paid["kind"], paid["tenant"], paid["model"], paid["stream"]
    )  # fmt: skip
    assert paid["agent"].startswith("h_")
    assert paid["id"] == answer.headers["x-s4fw-request-id"]
    assert paid["uncached_input"] > 0
    assert paid["output"] > 0
    assert "all;tenant-month{tenant=acme}" == paid["budgets"]
    assert ("block", "unknown_model") == (refused["kind"], refused["code"])
