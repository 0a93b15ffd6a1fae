"""Checks of docs/monitoring with a real Prometheus: it scrapes the firewall with the token that the
admin listener demands, evaluates every rule, and takes every query of the dashboard."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.check import ROOT, Check, NotRun, Workshop, output_of
from tests.deploy.services import free_ports
from tests.harness import Firewall, Simulator, firewall_config, post_chat, wait_until

MONITORING = ROOT / "docs" / "monitoring"
GRAFANA = MONITORING / "grafana" / "provisioning"
DASHBOARD = MONITORING / "grafana-dashboard.json"
TOKEN = "admin-0123456789abcdef"
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def laid_out(folder: Path, target: str, token: str) -> Path:
    """What the container sees, in a folder: settings, rules and token.  Returns the settings."""
    text = (MONITORING / "prometheus.yml").read_text("utf-8")
    for old, new in (
        ("s4fw:9090", target),
        ("/run/secrets/read-token", str(folder / "token")),
        ("_interval: 15s", "_interval: 1s"),  # a check does not wait that long
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "prometheus.yml").write_text(text)
    (folder / "token").write_text(token)
    shutil.copy(MONITORING / "prometheus-rules.yaml", folder)
    return folder / "prometheus.yml"


def check_settings(workshop: Workshop) -> str:
    """promtool's judgement, rules included."""
    if shutil.which("promtool") is None:
        raise NotRun("needs promtool (Debian: apt-get install prometheus)")
    folder = workshop.folder / "promtool"
    folder.mkdir()
    text = output_of(["promtool", "check", "config", laid_out(folder, "s4fw:9090", TOKEN)])
    (count,) = re.findall(r"(\d+) rules found", text)
    return f"configuration and {count} rules, no finding"


@contextmanager
def prometheus(folder: Path, settings: Path) -> Iterator[str]:
    """One that runs; yields its address."""
    url = f"127.0.0.1:{free_ports().data}"
    command = ["prometheus", f"--config.file={settings}", f"--web.listen-address={url}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
        )
    try:
        wait_until(lambda: is_up(f"http://{url}"), "prometheus is ready", timeout_s=30.0)
        yield f"http://{url}"
    finally:
        process.terminate()
        process.wait(30)


def is_up(url: str) -> bool:
    """Whether it answers yet."""
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def asked(url: str, path: str, **query: str) -> Any:
    """The data of an answer of its API."""
    full = f"{url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(full, timeout=10) as answer:
        return json.load(answer)["data"]


def values(url: str, query: str) -> list[str]:
    """The values of an instant query."""
    return [row["value"][1] for row in asked(url, "query", query=query)["result"]]


def queries() -> list[str]:
    """Every query of the dashboard, with its variables filled in as Grafana does."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    filled = {"__rate_interval": "1m", "__interval": "15s", "__range": "6h"}
    return [
        _VARIABLE.sub(lambda match: filled.get(match[1], ".*"), target["expr"])
        for panel in panels
        for target in panel.get("targets", ())
    ]


def check_scraped(workshop: Workshop) -> str:
    """A real one in front of a real firewall."""
    if shutil.which("prometheus") is None:
        raise NotRun("needs prometheus (Debian: apt-get install prometheus)")
    folder = workshop.folder / "prometheus"
    folder.mkdir()
    budget = {"id": "all", "per": [], "window": "day", "limit_usd": "1"}
    with Simulator(folder) as simulator:
        config = firewall_config(simulator, [budget], admin={"read_token": TOKEN})
        with Firewall(folder, config) as firewall:
            assert 401 == _bare(f"{firewall.admin_url}/metrics")
            assert 200 == post_chat(firewall.base_url).status
            target = firewall.admin_url.removeprefix("http://")
            with prometheus(folder, laid_out(folder, target, TOKEN)) as url:
                return judged_by(url)


def judged_by(url: str) -> str:
    """What it says of figures, rules and queries.  Raises AssertionError."""
    wait_until(lambda: values(url, "up") == ["1"], "it is scraped", timeout_s=20.0)
    assert ["1"] == values(url, "s4fw_ready")
    (used,) = values(url, "s4fw_budget_used_usd")
    assert float(used) > 0
    rules = wait_until(lambda: evaluated(url), "every rule was evaluated", timeout_s=60.0)
    assert [] == [rule["name"] for rule in rules if rule["health"] != "ok"]
    asks = queries()
    for query in asks:
        asked(url, "query", query=query)  # raises where it is not taken
    answered = sum(bool(values(url, query)) for query in asks)
    version = asked(url, "status/buildinfo")["version"]
    return (
        f"prometheus {version} scrapes with the token (401 without); {len(rules)} rules evaluated;"
        f" {len(asks)} queries of the dashboard taken, {answered} with figures after one request"
    )


def evaluated(url: str) -> list[dict[str, Any]]:
    """All rules, once each has been looked at."""
    rules = [rule for group in asked(url, "rules")["groups"] for rule in group["rules"]]
    return rules if all(rule["health"] != "unknown" for rule in rules) else []


def _bare(url: str) -> int:
    """The status of a request without the token."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


CHECKS = (
    Check("promtool", "configuration of Prometheus", check_settings),
    Check("prometheus", "a real one scrapes the firewall", check_scraped),
)
