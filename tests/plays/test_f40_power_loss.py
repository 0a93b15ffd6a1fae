"""The runtime directory is lost, as with the machine; no budget is refilled."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Firewall, Simulator, post_chat, quiesce, wait_until
from tests.harness.money import assert_cap_holds

BUDGETS = [
    {"id": "all", "per": [], "window": "month", "limit_usd": "10"},
    {"id": "team", "per": ["tenant"], "window": "total", "limit_usd": "1"},
]
STATE = ("checkpoint.a", "checkpoint.b")


def lose_runtime(proxy: Firewall) -> None:
    """What a reboot does to a tmpfs."""
    shutil.rmtree(Path(proxy.config["paths"]["runtime"]))


def state_of(proxy: Firewall) -> Path:
    return Path(proxy.config["paths"]["state"])


def chat(proxy: Firewall, tenant: str = "acme") -> int:
    return post_chat(proxy.base_url, {"x-s4fw-tenant": tenant}, max_tokens=20).status


def amounts(entries: Any) -> Any:
    return [{k: v for k, v in entry.items() if k.endswith("_nusd")} for entry in entries]


def test_planned_stop_and_start_is_exact_without_the_runtime_directory(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A machine that is replaced in order costs nobody a cent."""
    proxy = firewall(budgets=BUDGETS)
    assert [200] * 3 == [chat(proxy) for _ in range(3)]
    before = quiesce(proxy)
    assert simulator.ledger()["total_nusd"] == before.one("all")["spent_nusd"]
    proxy.stop()
    lose_runtime(proxy)
    proxy.start()
    assert amounts(before) == amounts(quiesce(proxy))
    assert 200 == chat(proxy)


def test_kill_of_everything_and_a_wiped_runtime_directory_never_forgets(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Up to the durable mark counts as spent, as accrued, with a row for each cell that tells."""
    proxy = firewall(budgets=BUDGETS)
    assert [200] * 5 == [chat(proxy) for _ in range(5)]
    before = quiesce(proxy)
    proxy.kill_everything()
    lose_runtime(proxy)
    proxy.start()
    after = quiesce(proxy)
    for budget in ("all", "team"):
        was, now = before.one(budget), after.one(budget)
        lost_nusd = now["charged_nusd"] - was["charged_nusd"]
        assert 0 <= lost_nusd <= now["limit_nusd"] // 100 + 4 * was["charged_nusd"]
        assert now["accrued_nusd"] - was["accrued_nusd"] >= lost_nusd
    rows = wait_until(lambda: rows_of_the_loss(proxy), "the rows of the loss are events")
    assert {"all", "team"} == {row["budget_id"] for row in rows}


def rows_of_the_loss(proxy: Firewall) -> list[dict[str, Any]]:
    """What the journal told of it: an event for each cell."""
    events = [e["fields"] | e for e in proxy.admin("/v1/events")["events"]]
    return [e for e in events if e["kind"] == "power_loss" and "budget_id" in e]


@pytest.mark.parametrize("seed", range(3))
def test_kill_at_random_moments_under_load_never_forgets(
    simulator: Simulator, firewall: Callable[..., Firewall], seed: int
) -> None:
    """Marks are being raised and checkpoints written when everything dies."""
    proxy = firewall(budgets=BUDGETS)
    is_over = threading.Event()

    def load(who: int) -> None:
        count = 0
        while not is_over.is_set():
            count += 1
            try:
                chat(proxy, f"tenant{who}-{count % 7}")
            except OSError:
                return

    callers = [threading.Thread(target=load, args=(who,)) for who in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(0.4 + 0.37 * seed)
    proxy.kill_everything()
    is_over.set()
    for caller in callers:
        caller.join()
    simulator.wait_idle()
    lose_runtime(proxy)
    proxy.start()
    entries = quiesce(proxy)
    assert_cap_holds(entries)
    paid_nusd = simulator.ledger()["total_nusd"]
    assert paid_nusd <= entries.one("all")["charged_nusd"]
    assert paid_nusd <= sum(e["charged_nusd"] for e in entries if e["id"] == "team")


def test_frozen_stays_frozen_without_the_runtime_directory(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A reboot is no way around the switch."""
    admin = {"host": "127.0.0.1", "port": 0, "token": "t0ken-of-the-test"}
    proxy = firewall(budgets=BUDGETS, admin=admin)
    proxy.admin("/v1/freeze", "POST", {"everything": True})
    proxy.stop()
    lose_runtime(proxy)
    proxy.start()
    assert 403 == chat(proxy)


@pytest.mark.parametrize("what", ["torn", "foreign", "newer", "empty", "missing"])
def test_state_that_cannot_be_read_refuses_the_start(
    simulator: Simulator, firewall: Callable[..., Firewall], what: str
) -> None:
    """Not knowing what was spent is not the same as nothing: exit code 65 and a sentence."""
    proxy = firewall(budgets=BUDGETS)
    assert 200 == chat(proxy)
    proxy.stop()
    lose_runtime(proxy)
    for name in STATE:
        path = state_of(proxy) / name
        data = path.read_bytes()
        if what == "missing":
            path.unlink()
        else:
            path.write_bytes(
                {
                    "torn": data[: len(data) // 2],
                    "foreign": b"something else\n" * 9,
                    "newer": data.replace(b'"version":1', b'"version":2'),
                    "empty": b"",
                }[what]
            )
    kept = [(state_of(proxy) / name).exists() for name in STATE]
    proxy.start(wait=False)
    assert 65 == proxy.wait()
    assert "what was spent is not known" in proxy.said()
    assert kept == [(state_of(proxy) / name).exists() for name in STATE]


def test_one_torn_checkpoint_is_made_up_for_by_the_other(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Written in turn: whatever tears one, the other is whole."""
    proxy = firewall(budgets=BUDGETS)
    assert 200 == chat(proxy)
    paid_nusd = quiesce(proxy).one("all")["charged_nusd"]
    proxy.stop()
    lose_runtime(proxy)
    newer = max(STATE, key=lambda name: _sequence(state_of(proxy) / name))
    path = state_of(proxy) / newer
    path.write_bytes(path.read_bytes()[:-30])
    proxy.start()
    assert paid_nusd <= quiesce(proxy).one("all")["charged_nusd"]


def _sequence(path: Path) -> int:
    sequence: int = json.loads(path.read_bytes().splitlines()[0])["sequence"]
    return sequence


@pytest.mark.parametrize(("durability", "status"), [("strict", 503), ("relaxed", 200)])
def test_state_that_cannot_be_written_is_told_and_does_what_is_configured(
    simulator: Simulator, firewall: Callable[..., Firewall], durability: str, status: int
) -> None:
    """Strict lets nothing through that could be forgotten; relaxed goes on and says so."""
    proxy = firewall(budgets=BUDGETS, durability=durability)
    assert 200 == chat(proxy, "one")
    for name in STATE:  # a directory in its place: root may write into what is read-only
        (state_of(proxy) / name).unlink()
        (state_of(proxy) / name).mkdir()
    answer = post_chat(proxy.base_url, {"x-s4fw-tenant": "another"}, max_tokens=20)
    assert status == answer.status
    if status == 503:
        assert "firewall_unavailable" == answer.json()["error"]["code"]
        return
    passed = wait_until(
        lambda: [e for e in proxy.admin("/v1/events")["events"] if "went on" in e["message"]],
        "an alarm tells of it",
    )
    assert "alarm" == passed[0]["level"]
