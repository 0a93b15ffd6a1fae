"""Workers that somebody outside kills again and again: the service stays and gets them back."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

from tests.harness import Firewall, Simulator, firewall_config, post_chat, wait_until
from tests.harness.process import is_alive


def test_kill_while_booting_of_a_service_that_once_ran_never_stops_it(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Somebody outside kills: that is no broken installation, which alone may stop the service."""
    config = firewall_config(simulator, server={"workers": 1})
    with Firewall(tmp_path, config) as proxy:
        steward = next(row["pid"] for row in proxy.workers() if row["kind"] == "steward")
        others = {proxy.pid, steward}
        # The fifth in a row is told: as many deaths of their own would have ended it.
        told = wait_until(lambda: _kill(proxy, others), "it is told", timeout_s=20.0)
        assert " times in a row before it was ready; is memory short?" in told[0]
        proxy.wait_workers()
        assert 200 == post_chat(proxy.base_url).status


def _kill(proxy: Firewall, others: set[int]) -> list[str]:
    """SIGKILL whoever is there and is no master and no steward; what was told of it so far."""
    victims = set(proxy.tree()) - others
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
        wait_until(partial(_is_dead, pid), f"{pid} is dead")
    if not victims:
        return []
    events = proxy.admin("/v1/events")["events"]
    return [event["message"] for event in events if event["kind"] == "worker_killed"]


def _is_dead(pid: int) -> bool:
    return not is_alive(pid)
