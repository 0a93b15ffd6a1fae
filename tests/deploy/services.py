"""Checks of the systemd units: their score, and the service really run under their restrictions."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.check import ROOT, Check, NotRun, Workshop, output_of
from tests.deploy.confined import UID, Confined, missing
from tests.deploy.unit import SERVICE, Unit
from tests.harness import Simulator, post_chat
from tests.harness.client import fetch
from tests.harness.firewall import firewall_config

# Exposure as systemd counts it, in tenths; 100 is a service without any restriction.
SCORES = {"s4fw.service": 12, "s4fw-config.service": 12, "s4fw-lifecycle.service": 20}


def check_scores(workshop: Workshop) -> str:
    """Each unit at or below its mark."""
    if shutil.which("systemd-analyze") is None:
        raise NotRun("needs systemd-analyze (Debian: apt-get install systemd)")
    seen = []
    for name, mark in SCORES.items():
        command = ["systemd-analyze", "security", "--offline=true", f"--threshold={mark}"]
        text = output_of([*command, ROOT / "systemd" / name])
        (score,) = re.findall(r"exposure level for \S+: ([\d.]+)", text)
        seen.append(f"{name} {score} (at most {mark / 10})")
    return ", ".join(seen)


@dataclass(frozen=True, slots=True)
class Ports:
    """Two ports that nobody has just now; the unit's view hides what the service would print."""

    data: int
    admin: int


def free_ports() -> Ports:
    """Both at once, so that they differ."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], other.getsockname()[1])


def config_for(simulator: Simulator, ports: Ports) -> dict[str, Any]:
    """A firewall in front of the simulator."""
    budget = {"id": "all", "per": [], "window": "day", "limit_usd": "1"}
    listeners = {"server": {"port": ports.data}, "admin": {"port": ports.admin}}
    return firewall_config(simulator, [budget], **listeners)


def lived_through(service: Confined, ports: Ports) -> str:
    """Start, serve, ping, reload, drain, start again with what was spent: one life and a half."""
    url = f"http://127.0.0.1:{ports.data}"
    service.start()
    service.wait_for(b"READY=1")
    status = service.status()
    assert {str(UID)} == set(status["Uid"].split())
    assert {"0"} == set(status["CapEff"] + status["CapPrm"] + status["CapBnd"])
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
    assert 200 == post_chat(f"{url}/v1").status
    service.wait_for(b"WATCHDOG=1")
    service.signal(signal.SIGHUP)
    service.wait_for(b"RELOADING=1")
    service.wait_for(b"READY=1")
    spent = _used(ports.admin)
    assert spent > 0
    service.signal(signal.SIGTERM)
    service.wait_for(b"STOPPING=1")
    assert 0 == service.stop()
    service.start()
    service.wait_for(b"READY=1")
    assert spent == _used(ports.admin), "a restart has refilled the budget"
    assert 200 == post_chat(f"{url}/v1").status
    assert 0 == service.stop()
    assert "Traceback" not in service.said(), service.said()
    return (
        f"uid {UID}, no capabilities, read-only root, seccomp and W^X on: ready, served,"
        " watchdog, reload, drain, restart with its spend kept"
    )


def _used(admin_port: int) -> int:
    budgets = fetch(f"http://127.0.0.1:{admin_port}/v1/budgets", "GET").json()["budgets"]
    used: int = budgets[0]["used_nusd"]
    return used


def check_confined(workshop: Workshop) -> str:
    """The sources of this folder, run as the unit says."""
    if reason := missing():
        raise NotRun(reason)
    folder = workshop.folder / "confined"
    folder.mkdir(mode=0o755)
    ports = free_ports()
    with Simulator(folder) as simulator:
        service = Confined(Unit(SERVICE), folder, yaml.safe_dump(config_for(simulator, ports)))
        service.command = [sys.executable, "-m", "s4fw", "serve"]
        service.env = {"PYTHONPATH": str(ROOT)}
        for path in {ROOT, Path(sys.prefix), Path(sys.base_prefix)}:
            service.show(path)
        try:
            return lived_through(service, ports)
        finally:
            service.kill()


CHECKS = (
    Check("systemd-analyze", "exposure of the units", check_scores),
    Check("bubblewrap", "the service under the restrictions of its unit", check_confined),
)
