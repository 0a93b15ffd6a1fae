"""`make load`: a firewall, a simulator and locust; then the books of both are compared.

    python -m load.stand --seconds 60 --users 40          headless
    python -m load.stand --web                            with locust's page, until Ctrl-C

Exit code 0: no request failed, and every budget that covers all traffic says to the nano-dollar
what the provider charged.  Locust runs as a program of its own: its gevent never meets ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from load.bench.children import ROOT
from s4fw.cli.stack import Child, Stack, StackFailed
from s4fw.config.keys import key_digest
from s4fw.config.sigv4 import new_access_key_id, sigv4_secret
from s4fw.sim.models import price_overrides
from s4fw.units import usd_9

GRACE_S = 20  # for answers that run when the time is over: a caller who leaves pays in full
QUIET_S = 10.0


class NotExact(Exception):
    """The firewall's books differ from the provider's; the message says by what."""


class Credentials:
    """What the callers of one run know, and what stands for it in the configuration."""

    def __init__(self) -> None:
        self.key = "s4fw_" + secrets.token_urlsafe(32)
        self.access_key_id = new_access_key_id()
        self.master = secrets.token_urlsafe(32)

    def environment(self) -> dict[str, str]:
        """For the locustfile."""
        secret = sigv4_secret(self.master, self.access_key_id)
        return {"S4FW_LOAD_KEY": self.key, "S4FW_LOAD_AWS": f"{self.access_key_id}:{secret}"}

    def keys(self) -> list[dict[str, Any]]:
        """The section `keys`."""
        may_set = ["tenant", "feature", "session"]
        digest = key_digest(self.key.encode())
        pair = {"access_key_id": self.access_key_id, "tenant": "aws", "feature": "bedrock"}
        return [
            {"id": "apps", "sha256": digest, "may_set": may_set},
            {"id": "aws-apps", **pair},
        ]


def configuration(credentials: Credentials, workers: int, upstream: str) -> dict[str, Any]:
    """Budgets of which only a runaway's session is ever reached."""
    much = "1000000"
    provider = {"base_url": upstream, "api_key": "simulated"}
    return {
        "upstreams": {
            "openai": dict(provider),
            "anthropic": dict(provider),
            "bedrock": provider | {"region": "us-east-1"},
        },
        "server": {"port": 0, "workers": workers, "sigv4_master": credentials.master},
        "admin": {"port": 0},
        "keys": credentials.keys(),
        "budgets": [
            {"id": "all-month", "per": [], "window": "month", "limit_usd": much},
            {"id": "tenant-day", "per": ["tenant"], "window": "day", "limit_usd": much},
            {"id": "key", "per": ["key"], "window": "total", "limit_usd": much},
            {
                **{"id": "runaway", "per": ["tenant", "session"], "window": "total"},
                **{"idle": "1h", "limit_usd": "0.05"},
            },
        ],
        "pricing": {"overrides": price_overrides()},
    }


@contextlib.contextmanager
def standing(folder: Path, credentials: Credentials, workers: int) -> Iterator[Stack]:
    """Start the simulator and the firewall, with their state in `folder`.  Raises StackFailed."""
    with contextlib.ExitStack() as stack:
        simulator = Child(["sim", "--port", "0"], "ready ")
        stack.callback(simulator.stop)
        config = configuration(credentials, workers, simulator.ready[1])
        config["paths"] = {"runtime": str(folder / "runtime"), "state": str(folder / "state")}
        path = folder / "s4fw.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        with (folder / "firewall.log").open("ab") as log:
            try:
                firewall = Child(["serve", "-c", str(path)], "s4fw ready ", log.fileno())
            except StackFailed:
                click.echo((folder / "firewall.log").read_text()[-2000:], err=True)
                raise
        stack.callback(firewall.stop)
        yield Stack(simulator, firewall, path)


def locust_args(url: str, users: int, seconds: int, is_web: bool, report: Path) -> list[str]:
    """The command line."""
    file = str(ROOT / "load" / "locustfile.py")
    args = [sys.executable, "-m", "locust", "-f", file, "--host", url]
    args += ["--users", str(users), "--spawn-rate", str(max(1, users // 3))]
    args += ["--stop-timeout", str(GRACE_S), "--exit-code-on-error", "1"]
    if is_web:
        return [*args, "--web-host", "127.0.0.1", "--class-picker", "--autostart"]
    args += ["--headless", "--run-time", f"{seconds}s", "--only-summary", "--loglevel", "WARNING"]
    return [*args, "--json-file", str(report.with_suffix(""))]  # locust adds .json


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def compare_books(stack: Stack) -> int:
    """Wait until nothing is held; returns what was spent, in nano-USD.  Raises NotExact."""
    end_s = time.monotonic() + QUIET_S
    while True:
        idle = _ask(f"{stack.simulator_url}/sim/state")["in_flight"] == 0
        budgets = _ask(f"{stack.admin_url}/v1/budgets")["budgets"]
        held_nusd = sum(entry["held_nusd"] for entry in budgets)
        if idle and not held_nusd:
            break
        if time.monotonic() > end_s:
            raise NotExact(f"${usd_9(held_nusd)} is still held")
        time.sleep(0.05)
    paid_nusd = int(_ask(f"{stack.simulator_url}/sim/ledger?last=0")["total_nusd"])
    check_books(budgets, paid_nusd)
    return paid_nusd


def check_books(budgets: list[dict[str, Any]], paid_nusd: int) -> None:
    """Each budget's cells together are what the provider charged, and no limit is passed.

    Raises NotExact.
    """
    charged: dict[str, int] = {}
    for entry in budgets:
        charged[entry["id"]] = charged.get(entry["id"], 0) + entry["charged_nusd"]
        if entry["used_nusd"] > entry["limit_nusd"]:
            raise NotExact(f"{entry['id']} {entry['scope']} is over its limit")
    for budget_id, charged_nusd in charged.items():
        if charged_nusd != paid_nusd and budget_id != "runaway":
            raise NotExact(
                f"{budget_id} says ${usd_9(charged_nusd)}, the provider ${usd_9(paid_nusd)}"
            )


def show(rows: list[dict[str, Any]]) -> None:
    """Print locust's figures of each shape of traffic."""
    table = Table(box=None, header_style="bold")
    table.add_column("traffic")
    for title in ("requests", "failed", "p50 ms", "p99 ms"):
        table.add_column(title, justify="right")
    for row in sorted(rows, key=lambda row: (row["name"], row["method"])):
        first = ", first bytes" if row["method"] == "TTFT" else ""
        times = {float(ms): int(count) for ms, count in row["response_times"].items()}
        table.add_row(
            row["name"] + first,
            f"{row['num_requests']:,}",
            str(row["num_failures"]),
            f"{percentile_ms(times, 0.5):.0f}",
            f"{percentile_ms(times, 0.99):.0f}",
        )
    Console(width=100, highlight=False).print(table)


def percentile_ms(times: dict[float, int], share: float) -> float:
    """The time that this share of the answers kept; `times` counts answers by milliseconds."""
    left = sum(times.values()) * share
    for ms in sorted(times):
        left -= times[ms]
        if left <= 0:
            return ms
    return max(times, default=0.0)


def run(stack: Stack, credentials: Credentials, args: list[str]) -> int:
    """Run locust to its end; returns its exit code.  Ctrl-C is passed on by the terminal."""
    env = {**os.environ, **credentials.environment(), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(args, env=env, cwd=ROOT) as locust:
        while True:
            try:
                return locust.wait()
            except KeyboardInterrupt:
                continue  # locust got it too and ends


@click.command()
@click.option("--seconds", default=20, show_default=True, help="How long, without the page.")
@click.option("--users", default=24, show_default=True, help="Simulated applications.")
@click.option("--workers", default=2, show_default=True, help="Of the firewall.")
@click.option("--web", is_flag=True, help="Serve locust's page on 127.0.0.1:8089 until Ctrl-C.")
@click.option("--report", type=click.Path(path_type=Path), help="Keep locust's figures (JSON).")
def main(seconds: int, users: int, workers: int, web: bool, report: Path | None) -> None:
    """Load a firewall of its own, and compare its books with the provider's."""
    credentials = Credentials()
    try:
        with tempfile.TemporaryDirectory(prefix="s4fw-load-") as folder:
            own = Path(folder)
            with standing(own, credentials, workers) as stack:
                out = (report or own / "report.json").resolve()
                code = run(stack, credentials, locust_args(stack.url, users, seconds, web, out))
                spent_nusd = compare_books(stack)
            if not web:
                show(json.loads(out.read_text()))
    except (StackFailed, NotExact) as problem:
        click.echo(str(problem), err=True)
        sys.exit(1)
    click.echo(f"the provider charged ${usd_9(spent_nusd)}; so does every budget that covers it")
    sys.exit(code)


if __name__ == "__main__":
    main()
