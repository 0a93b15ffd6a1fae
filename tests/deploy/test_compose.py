"""The container files: what is mounted exists, and the three services find each other."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from s4fw.config import parse
from tests.deploy.check import ROOT
from tests.deploy.containers import COMPOSE, CONTAINERFILE
from tests.deploy.monitoring import GRAFANA, MONITORING, laid_out

# The head of the file says how.
MADE_BY_HAND = {"s4fw.yaml", "admin-token", "read-token", "grafana-password"}


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return read


def mounts(service: str) -> dict[str, str]:
    """What of the host a service sees: target to source; named volumes are left out."""
    pairs = [volume.split(":") for volume in compose()["services"][service]["volumes"]]
    return {target[0]: source for source, *target in pairs if source.startswith(".")}


def read(path: Path) -> dict[str, Any]:
    """A YAML file that is a mapping."""
    value: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return value


def test_compose_runs_the_firewall_without_rights() -> None:
    """The same promises as the unit: read-only, no capabilities, a stop that lets it drain."""
    services = compose()["services"]
    assert {"s4fw", "prometheus", "grafana"} == services.keys()
    for one in services.values():
        assert (True, ["ALL"]) == (one["read_only"], one["cap_drop"])
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    assert "330s" == services["s4fw"]["stop_grace_period"]
    lines = CONTAINERFILE.read_text("utf-8").splitlines()
    assert 2 == sum(line.startswith("FROM ") for line in lines)
    assert "USER 971:971" in lines
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_everything_mounted_exists_or_is_made_by_hand() -> None:
    """An engine makes an empty folder of a path that is missing, and the service starts without."""
    folder = COMPOSE.parent
    sources = {source for name in compose()["services"] for source in mounts(name).values()}
    sources |= {secret["file"] for secret in compose()["secrets"].values()}
    shipped = {source for source in sources if source.startswith("../")}
    assert 4 == len(shipped)
    assert [] == [source for source in shipped if not (folder / source).resolve().exists()]
    assert {f"./{name}" for name in MADE_BY_HAND} == sources - shipped
    head = COMPOSE.read_text("utf-8").partition("name: s4fw")[0]
    ignored = (folder / ".gitignore").read_text("utf-8").split()
    for name in MADE_BY_HAND:
        assert name in head
        assert f"/{name}" in ignored, "a secret that could be committed"


def test_prometheus_scrapes_the_admin_listener_with_its_token() -> None:
    """Outside of loopback the listener answers nobody without one."""
    service = compose()["services"]["prometheus"]
    settings = read(MONITORING / "prometheus.yml")
    (job,) = settings["scrape_configs"]
    (target,) = job["static_configs"]
    assert ["s4fw:9090"] == target["targets"]
    (secret,) = service["secrets"]
    assert f"/run/secrets/{secret}" == job["authorization"]["credentials_file"]
    assert secret in compose()["services"]["s4fw"]["secrets"]
    assert {"monitoring"} <= {*service["networks"]} & {*compose()["services"]["s4fw"]["networks"]}
    seen = mounts("prometheus")
    assert "../docs/monitoring/prometheus.yml" == seen["/etc/prometheus/prometheus.yml"]
    for rules in settings["rule_files"]:
        assert f"../docs/monitoring/{rules}" == seen[f"/etc/prometheus/{rules}"]


def test_grafana_finds_its_source_and_the_dashboard() -> None:
    """A dashboard without a source is a page of empty panels."""
    seen = mounts("grafana")
    assert "../docs/monitoring/grafana/provisioning" == seen["/etc/grafana/provisioning"]
    (source,) = read(GRAFANA / "datasources" / "s4fw.yaml")["datasources"]
    assert ("prometheus", True) == (source["type"], source["isDefault"])
    assert "http://prometheus:9090" == source["url"]
    (provider,) = read(GRAFANA / "dashboards" / "s4fw.yaml")["providers"]
    (dashboard,) = (target for target in seen if target.endswith(".json"))
    assert provider["options"]["path"] == str(Path(dashboard).parent)
    shown = json.loads((COMPOSE.parent / seen[dashboard]).read_text("utf-8"))
    kinds = {one["type"]: one["query"] for one in shown["templating"]["list"]}
    assert source["type"] == kinds["datasource"]  # it asks for any of this type: the default


def test_configuration_in_the_head_is_one_the_firewall_takes(tmp_path: Path) -> None:
    """People copy it; the listeners must be reachable by the others, and the token demanded."""
    head = COMPOSE.read_text("utf-8").partition("name: s4fw")[0]
    lines = re.findall(r"^#   ((?:server|admin):.*|  \w+: .*)$", head, re.MULTILINE)
    text = "\n".join(lines)
    for name in ("admin-token", "read-token"):
        (tmp_path / name).write_text(f"0123456789abcdef-{name}\n")
        assert f"/run/secrets/{name}" in text
    text = text.replace("/run/secrets", str(tmp_path))
    config = parse(f"{text}\nupstreams: {{openai: {{base_url: https://x.example}}}}", "x", {})
    assert ("0.0.0.0", "0.0.0.0") == (config.server.host, config.admin.host)
    assert (8080, 9090) == (config.server.port, config.admin.port)
    assert config.admin.token is not None
    assert config.admin.read_token is not None


def test_image_is_built_of_what_it_copies_and_of_nothing_beside() -> None:
    """The context must hold every source, and no secret or virtual environment."""
    ignored = CONTAINERFILE.with_name("Containerfile.dockerignore").read_text("utf-8").split("\n")
    shown = {line[1:] for line in ignored if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE.read_text("utf-8"), re.M)
    assert shown == {source for line in copies for source in line.split()}
    assert "*" in ignored
    assert all((ROOT / path).exists() for path in shown)
    hidden = [line for line in ignored if line.startswith("**/")]
    assert any(fnmatch.fnmatch("s4fw/_table.so", pattern[1:]) for pattern in hidden)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_whole_of_prometheus_configuration(tmp_path: Path) -> None:
    """Prometheus refuses to start over one wrong key."""
    settings = laid_out(tmp_path, "s4fw:9090", "0123456789abcdef")
    subprocess.run(["promtool", "check", "config", settings], check=True, capture_output=True)
