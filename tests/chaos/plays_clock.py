"""RES-06: somebody sets the date, under a firewall that runs."""

from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.chaos.oracle import CANARY
from tests.chaos.scene import ALL, Scene, ask, usd
from tests.harness import Firewall, wait_until
from tests.harness.quote import dollars, quote_of

SOURCE = Path(__file__).with_name("wallclock.c")
HOUR_S = 3600
DAY_S = 86400
LOOK_S = 1.6  # the master looks at the clocks once a second
JUMPS = {"+1 h": HOUR_S, "-1 h": -HOUR_S, "-40 d": -40 * DAY_S, "+40 d": 40 * DAY_S}


class WallClock:
    """The wall clock of a firewall's processes; `env` is what they are started with."""

    def __init__(self, folder: Path) -> None:
        library = folder / "wallclock.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE]
        subprocess.run(command, check=True)
        self._file = folder / "ahead"
        self._file.write_bytes(bytes(8))
        self.env = {"LD_PRELOAD": str(library), "S4FW_TEST_CLOCK": str(self._file)}

    def set(self, ahead_s: int) -> None:
        """Move it, and give the master time to see that."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("q", ahead_s * 10**9))
        time.sleep(LOOK_S)


def jumps(scene: Scene) -> str:
    """RES-06: a budget that is used up stays so, wherever the wall clock is set."""
    clock = WallClock(scene.folder)
    left_s = HOUR_S - time.time() % HOUR_S
    if left_s < 60:  # else the hour would end by itself
        time.sleep(left_s + 1)
    quote = quote_of(content=CANARY, max_tokens=5)
    hour = {"id": "hour", "per": [], "window": "hour", "limit_usd": dollars(quote)}
    proxy = scene.firewall(budgets=[*ALL, hour], env=clock.env)
    assert [200, 402] == [ask(proxy), ask(proxy)]
    before = _hour(proxy)
    tried = JUMPS if scene.is_whole else {"+40 d": JUMPS["+40 d"]}
    for name, ahead_s in tried.items():
        seen = _told(proxy)
        clock.set(ahead_s)
        _has_no_second_budget(proxy, before, name)
        wait_until(lambda told=seen: _told(proxy) > told, f"{name} is told")
        if scene.is_whole and ahead_s == JUMPS["+40 d"]:
            proxy.stop()  # a start within the same boot goes on with the clock that was in force
            proxy.start()
            _has_no_second_budget(proxy, before, f"{name} and a restart")
        clock.set(0)
        _has_no_second_budget(proxy, before, f"{name} and back")
    entry = scene.end(proxy, accrued_nusd=0)
    spent = usd(entry["spent_nusd"])
    return f"{', '.join(tried)} and back: still used up, told each time; spent {spent}"


def _hour(proxy: Firewall) -> dict[str, Any]:
    """The one cell of the budget by the hour."""
    (entry,) = [entry for entry in proxy.budgets() if entry["id"] == "hour"]
    return {name: entry[name] for name in ("charged_nusd", "resets_at", "limit_nusd")}


def _has_no_second_budget(proxy: Firewall, before: dict[str, Any], when: str) -> None:
    for _ in range(3):
        assert 402 == ask(proxy), when
    assert before == _hour(proxy), when


def _told(proxy: Firewall) -> int:
    """How often it was told that the clock is in doubt."""
    return sum(event["kind"] == "clock" for event in proxy.admin("/v1/events")["events"])
