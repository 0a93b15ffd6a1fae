"""`s4fw serve` as a real process tree, with its own folder, configuration and ports."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from s4fw.sim.models import price_overrides
from tests.harness.client import Answer, fetch
from tests.harness.process import Process, is_alive
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until


def firewall_config(
    simulator: Simulator | str, budgets: list[dict[str, Any]] | None = None, **sections: Any
) -> dict[str, Any]:
    """A configuration in front of a simulator (or a URL) that prices the mock models.

    `sections` are merged into the configuration, one level deep: `server={"workers": 1}`.
    """
    url = simulator if isinstance(simulator, str) else simulator.url
    config: dict[str, Any] = {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "timeouts": {"drain": "2s"}},
        "admin": {"host": "127.0.0.1", "port": 0},
        "upstreams": {"openai": {"base_url": url}},
        "budgets": budgets or [],
        "pricing": {"overrides": price_overrides()},
    }
    for name, section in sections.items():
        merges = isinstance(section, dict) and isinstance(config.get(name), dict)
        config[name] = {**config[name], **section} if merges else section
    return config


class Firewall(Process):
    """One instance of the firewall; `folder` keeps its state over restarts.

    The ready line is `s4fw ready http://HOST:PORT admin http://HOST:PORT`.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        *,
        env: dict[str, str] | None = None,
        name: str = "firewall",
        ready_timeout_s: float = 20.0,
    ) -> None:
        self.config_path = folder / f"{name}.yaml"
        super().__init__(
            ["serve", "-c", str(self.config_path)],
            folder=folder,
            ready_word="s4fw ready ",
            env=env,
            name=name,
            ready_timeout_s=ready_timeout_s,
        )
        self.url = ""
        self.admin_url = ""
        self.host = ""
        self.port = 0
        default = {"runtime": str(folder / "runtime"), "state": str(folder / "state")}
        self.write_config({"paths": default} | config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the configuration file; a running firewall reads it on `reload`."""
        self.config = config
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))

    def reload(self, config: dict[str, Any] | None = None) -> None:
        """Write another configuration, keeping the paths, and send SIGHUP."""
        if config is not None:
            self.write_config({"paths": self.config["paths"]} | config)
        self.signal(signal.SIGHUP)

    def _on_ready(self, line: str) -> None:
        words = line.split()
        self.url, self.admin_url = words[2], words[4]
        parts = urlsplit(self.url)
        self.host, self.port = parts.hostname or "", parts.port or 0

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as `base_url`."""
        return self.url + "/v1"

    def ask_admin(
        self, path: str, method: str = "GET", body: dict[str, Any] | None = None
    ) -> Answer:
        """Ask the admin listener; any status."""
        token = self.config["admin"].get("token")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return fetch(self.admin_url + path, method, body, headers)

    def admin(self, path: str, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
        """Ask the admin listener and parse its JSON; fails on any status but 200."""
        answer = self.ask_admin(path, method, body)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json()

    def budgets(self) -> list[dict[str, Any]]:
        """The entries of /v1/budgets: one for each cell of a current window."""
        entries: list[dict[str, Any]] = self.admin("/v1/budgets")["budgets"]
        return entries

    def workers(self) -> list[dict[str, Any]]:
        """The rows of /v1/workers."""
        rows: list[dict[str, Any]] = self.admin("/v1/workers")["workers"]
        return rows

    def pids(self) -> list[int]:
        """The processes of the workers that carry traffic now, as the admin listener sees them."""
        return [
            row["pid"]
            for row in self.workers()
            if row.get("kind", "worker") == "worker" and row["pid"] and is_alive(row["pid"])
        ]

    def kill_worker(self, index: int = 0) -> int:
        """SIGKILL one worker; returns its pid.  The master starts another: see `wait_workers`."""
        pid = self.pids()[index]
        assert pid in self.tree(), "a pid that is not ours"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"worker {pid} is dead")
        return pid

    def wait_workers(self, count: int | None = None) -> list[int]:
        """Wait until so many workers (default: as configured) are ready; returns their pids."""
        wanted = count or self.config["server"]["workers"]

        def are_ready() -> list[int]:
            ready = [row for row in self.workers() if row.get("state") == "ready"]
            pids = [row["pid"] for row in ready if row.get("kind", "worker") == "worker"]
            return pids if len(pids) >= wanted and all(map(is_alive, pids)) else []

        return wait_until(are_ready, f"{wanted} workers are ready", timeout_s=10.0)
