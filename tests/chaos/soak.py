"""The soak: a seeded mix of faults under load, one every ten seconds; then the books must agree,
and the ledger with them: it is genuine, whole, has a row for each answer, and sums up to the table.

    python -m tests.chaos.soak --minutes 10

Writes figures each second to load/results/soak-*.json as it goes, and at the end a picture to
docs/img/soak.png.  Exit code 1 where something is not as it must be.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from tests.chaos.audited import check_ledger
from tests.chaos.mix import Mix
from tests.chaos.oracle import Oracle, check_canaries, settle_up
from tests.chaos.scene import QUICK, leave, usd
from tests.harness import Firewall, Simulator, firewall_config
from tests.harness.process import is_alive

ROOT = Path(__file__).parents[2]
BUDGETS: list[dict[str, Any]] = [
    {"id": "all", "per": [], "window": "month", "limit_usd": "1000"},
    {"id": "t", "per": ["tenant"], "window": "day", "limit_usd": "100",
     "overrides": {"poor": "0.000000001"}},
]  # fmt: skip
GROWTH_PERCENT_MAX = 10  # of memory, from the second quarter to the last: allocators need room
GROWTH_BYTES_MIN = 8 << 20  # below it, growth is noise of respawned processes
DESCRIPTORS_MORE_MAX = 40


@dataclass(slots=True)
class Sample:
    """One second of it."""

    at_s: float
    fault: str
    used_nusd: int
    charged_nusd: int
    paid_nusd: int
    in_flight: int
    memory_bytes: int
    descriptors: int


class Soak:
    """One run."""

    def __init__(self, folder: Path, minutes: float, rate: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.samples: list[Sample] = []
        self.faults: list[tuple[float, str]] = []
        self.seconds = minutes * 60
        self.seed = seed
        self.simulator = Simulator(_made(folder / "sim"))
        self.simulator.start()
        self.config = firewall_config(
            self.simulator,
            BUDGETS,
            server={"workers": 2, "timeouts": QUICK | {"total": "5s"}},
            ledger={"enabled": True, "rotate": "30s"},
        )
        self.proxy = Firewall(_made(folder / "firewall"), self.config)
        self.proxy.start()
        self.oracle = Oracle(self.proxy)
        self.mix = Mix(self.proxy, rate, seed)
        self._began_s = time.monotonic()

    # The faults, each over when its function returns.

    def kill_worker(self) -> None:
        """SIGKILL a worker."""
        os.kill(self.random.choice(self.proxy.pids()), signal.SIGKILL)

    def kill_steward(self) -> None:
        """SIGKILL the steward."""
        rows = [row for row in self.proxy.workers() if row["kind"] == "steward"]
        os.kill(rows[0]["pid"], signal.SIGKILL)

    def stop_worker(self) -> None:
        """SIGSTOP a worker for two seconds."""
        pid = self.random.choice(self.proxy.pids())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        if is_alive(pid):
            os.kill(pid, signal.SIGCONT)

    def stop_provider(self) -> None:
        """SIGSTOP the provider for two seconds: first bytes come too late."""
        self.simulator.signal(signal.SIGSTOP)
        time.sleep(2)
        self.simulator.signal(signal.SIGCONT)

    def break_provider(self) -> None:
        """Every call fails in one way for three seconds."""
        self.simulator.faults(self.random.choice(("status:503", "drop", "reset", "cut:1", "hang")))
        time.sleep(3)
        self.simulator.faults(None)

    def reload(self) -> None:
        """SIGHUP with another limit, nonsense, and back."""
        for limit in ("900", "nonsense", "1000"):
            budgets = [BUDGETS[0] | {"limit_usd": limit}, BUDGETS[1]]
            self.proxy.reload(self.config | {"budgets": budgets})
            time.sleep(0.5)

    def kill_all(self) -> None:
        """SIGKILL every process, start again on the same folder."""
        self.proxy.kill_everything()
        self.proxy.start()

    def restart(self) -> None:
        """SIGTERM, drain, start again."""
        self.proxy.stop()
        self.proxy.start()

    def deaf_callers(self) -> None:
        """Forty connections that send half a request and leave with a reset."""
        for _ in range(40):
            with suppress(OSError):
                sock = socket.create_connection((self.proxy.host, self.proxy.port), timeout=2)
                sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: te")
                leave(sock)

    def run(self, fault_s: float) -> None:
        """Mix until time is over."""
        faults: list[Callable[[], None]] = [
            self.kill_worker, self.kill_worker, self.kill_steward, self.stop_worker,
            self.stop_provider, self.break_provider, self.reload, self.kill_all, self.restart,
            self.deaf_callers,
        ]  # fmt: skip
        self.oracle.start()
        self.mix.start()
        next_s = fault_s
        while (at_s := time.monotonic() - self._began_s) < self.seconds:
            name = ""
            if at_s >= next_s and at_s < self.seconds - 5:
                next_s += fault_s
                fault = self.random.choice(faults)
                name = fault.__name__
                self.faults.append((round(at_s, 1), name))
                try:
                    fault()
                except (OSError, AssertionError, IndexError) as problem:
                    print(f"{at_s:.0f} s: {name} could not be done: {str(problem)[:200]}")
                self._revive()
            self._sample(name)
            time.sleep(1)

    def _revive(self) -> None:
        if not self.proxy.is_running:
            self.proxy.kill_everything()
            self.proxy.start()

    def _sample(self, fault: str) -> None:
        with suppress(OSError, AssertionError):  # while it restarts there is nothing to see
            paid = self.simulator.paid_nusd()
            entry = next(b for b in self.proxy.budgets() if b["id"] == "all")
            rows = self.proxy.workers()
            memory, descriptors = _sizes(self.proxy.tree())
            self.samples.append(
                Sample(
                    round(time.monotonic() - self._began_s, 2), fault, entry["used_nusd"],
                    entry["charged_nusd"], paid, sum(row["in_flight"] for row in rows), memory,
                    descriptors,
                )
            )  # fmt: skip

    def judge(self) -> list[str]:
        """After the last request: what is not as it must be."""
        self.mix.stop()
        problems = []
        try:
            self.entry = settle_up(self.proxy, self.simulator)
            self.oracle.stop()
            self.oracle.check()
            check_canaries(self.proxy.folder, self.proxy)
            assert self.entry["used_nusd"] == self.entry["charged_nusd"]
            self.audited = check_ledger(self.proxy, self.mix.answered)
        except AssertionError as problem:
            problems.append(str(problem))
        return problems + growth(self.samples)

    def end(self) -> None:
        """Stop everything."""
        self.oracle.stop()
        for process in (self.proxy, self.simulator):
            with suppress(AssertionError):
                process.stop()

    def figures(self, problems: list[str]) -> dict[str, Any]:
        """For the file."""
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "commit": _commit(),
            "statuses": dict(self.mix.statuses),
            "oracle": {"samples": self.oracle.samples, "missed": self.oracle.missed},
            "faults": self.faults,
            "end": getattr(self, "entry", None),
            "ledger": getattr(self, "audited", None),
            "paid_nusd": self.samples[-1].paid_nusd if self.samples else 0,
            "problems": problems,
            "samples": [asdict(sample) for sample in self.samples],
        }


def growth(samples: list[Sample]) -> list[str]:
    """Whether memory and descriptors are flat: the last quarter beside the second one."""
    quarter = len(samples) // 4
    if quarter < 5:
        return []
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    problems = []
    before = statistics.median(sample.memory_bytes for sample in second)
    after = statistics.median(sample.memory_bytes for sample in last)
    if after - before > max(GROWTH_BYTES_MIN, before * GROWTH_PERCENT_MAX / 100):
        problems.append(f"memory grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB")
    before = statistics.median(sample.descriptors for sample in second)
    after = statistics.median(sample.descriptors for sample in last)
    if after - before > DESCRIPTORS_MORE_MAX:
        problems.append(f"descriptors grew from {before:.0f} to {after:.0f}")
    return problems


def _sizes(pids: list[int]) -> tuple[int, int]:
    """Proportional memory and open descriptors of processes together."""
    memory = descriptors = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    memory += int(line.split()[1]) * 1024
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))
    return memory, descriptors


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def _raise_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--rate", default=60.0, show_default=True, help="Requests a second.")
@click.option("--fault-every", default=10.0, show_default=True, help="Seconds.")
@click.option("--seed", default=1, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=ROOT / "load" / "results")
@click.option("--plot", type=click.Path(path_type=Path), default=ROOT / "docs" / "img" / "soak.png")
def main(
    minutes: float, rate: float, fault_every: float, seed: int, results: Path, plot: Path
) -> None:
    """Soak, judge, write the figures and the picture."""
    _raise_descriptors()
    with tempfile.TemporaryDirectory(prefix="s4fw-soak-") as folder:
        soak = Soak(Path(folder), minutes, rate, seed)
        problems = ["it was broken off"]
        try:
            soak.run(fault_every)
            problems = soak.judge()
        finally:
            soak.end()
            figures = soak.figures(problems)
            results.mkdir(parents=True, exist_ok=True)
            path = results / f"soak-{time.strftime('%Y%m%d%H%M')}-{figures['commit']}.json"
            path.write_text(json.dumps(figures, indent=1))
    told = figures["end"] or {}
    print(f"seed {seed}, {minutes:g} minutes, {len(soak.faults)} faults, {figures['statuses']}")
    print(
        f"charged {usd(told.get('charged_nusd', 0))} (accrued {usd(told.get('accrued_nusd', 0))}), "
        f"the provider {usd(figures['paid_nusd'])}, held {told.get('held_nusd')}"
    )
    print(f"ledger: {figures['ledger']}")
    print(path)
    with suppress(ImportError):
        from tests.chaos.plot import draw

        print(draw(figures, plot))
    for problem in problems:
        print(f"NOT RIGHT: {problem}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
