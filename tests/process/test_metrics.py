"""/metrics of a real process tree: the same figures after deaths, respawns and a reload."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.harness.client import fetch
from tests.harness.firewall import Firewall, firewall_config
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until

BUDGETS = [{"id": "all", "per": [], "window": "total", "limit_usd": 40}]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(firewall: Firewall) -> Samples:
    """All samples, by name and labels."""
    answer = firewall.ask_admin("/metrics")
    assert 200 == answer.status
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def total(samples: Samples, name: str) -> float:
    return sum(value for (of, _), value in samples.items() if of == name)


def is_scrapable(firewall: Firewall) -> bool:
    """Whether a steward answers."""
    try:
        return firewall.ask_admin("/healthz").status == 200
    except OSError:
        return False


def chat(firewall: Firewall, times: int) -> None:
    body = {
        "model": "mock-small",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
    }
    for _ in range(times):
        answer = fetch(firewall.base_url + "/chat/completions", "POST", body, {})
        assert 200 == answer.status, answer.body


def test_ledger_that_is_not_written_has_no_figures(tmp_path: Path) -> None:
    """A gauge that is always 0 would look like a ledger that is fine."""
    with Simulator(tmp_path) as simulator:
        firewall = Firewall(tmp_path, firewall_config(simulator, BUDGETS))
        with firewall:
            names = {name for name, _ in scraped(firewall)}
    assert "s4fw_ready" in names
    assert not [name for name in names if name.startswith("s4fw_ledger_")]


def test_figures_are_exact_over_kill_9_of_worker_and_steward_and_a_reload(tmp_path: Path) -> None:
    """Whoever adds up by rate() must see every request once, whatever died in between."""
    with Simulator(tmp_path) as simulator:
        config = firewall_config(simulator, BUDGETS)
        with Firewall(tmp_path, config) as firewall:
            chat(firewall, 8)
            firewall.kill_worker(0)
            wait_until(lambda: len(firewall.pids()) == 2, "the worker is back", timeout_s=10)
            chat(firewall, 4)
            rows = firewall.workers()
            (steward,) = [r["pid"] for r in rows if r.get("kind") == "steward" and r["pid"]]
            os.kill(steward, signal.SIGKILL)
            chat(firewall, 4)
            wait_until(lambda: is_scrapable(firewall), "a steward is back", timeout_s=10)
            firewall.reload(config | {"limits": {"global_rpm": 100_000}})
            chat(firewall, 4)
            duration = "gen_ai_client_operation_duration_seconds_count"
            samples = wait_until(
                lambda: (s := scraped(firewall)) and total(s, duration) == 20 and s,
                "each exchange is in the histogram, once",
            )
            events = firewall.ask_admin("/v1/events").json()["events"]
    assert 1 == total(samples, "s4fw_worker_exits_total")
    assert 1 == [event["kind"] for event in events].count("worker_exit")
    assert 20 == total(samples, "s4fw_requests_total")
    assert 20 == total(samples, "s4fw_worker_requests_total")
    assert 20 == total(samples, "s4fw_overhead_seconds_count")
    assert 20 == samples["s4fw_decisions_total", (("decision", "allow"), ("reason", "usage"))]
    charged = samples["s4fw_tenant_charged_usd", (("tenant", "unattributed"),)]
    of_budget = (("budget", "all"), ("mode", "enforce"), ("window", "total"))
    assert charged == samples["s4fw_budget_charged_usd", of_budget] > 0
