"""The units, by their text: what a later edit must not lose.  `make deploy-check` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.config import parse
from tests.deploy.unit import ROOT, SERVICE, Unit

UNITS = sorted((ROOT / "systemd").glob("*.service"))
HARDENED = (
    "NoNewPrivileges",
    "PrivateTmp",
    "PrivateDevices",
    "PrivateMounts",
    "ProtectHome",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "ProtectClock",
    "ProtectHostname",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "MemoryDenyWriteExecute",
)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_keeps_every_restriction(path: Path) -> None:
    """A directive that vanishes is not noticed by anything that still works."""
    unit = Unit(path)
    assert [] == [name for name in HARDENED if not unit.is_on(name)]
    assert "strict" == unit.one("ProtectSystem")
    assert "" == unit.one("CapabilityBoundingSet") == unit.one("AmbientCapabilities")
    assert "AF_INET AF_INET6 AF_UNIX" == unit.one("RestrictAddressFamilies")
    assert ["@system-service", "~@privileged @resources"] == unit.all("SystemCallFilter")
    assert ("0", "0077") == (unit.one("LimitCORE"), unit.one("UMask"))


def test_service_lives_as_the_firewall_expects() -> None:
    """Readiness, watchdog, reload and drain are promises between the unit and the master."""
    unit = Unit(SERVICE)
    assert ("notify", "main") == (unit.one("Type"), unit.one("NotifyAccess"))
    assert "/bin/kill -HUP $MAINPID" == unit.one("ExecReload")
    assert ("mixed", "always") == (unit.one("KillMode"), unit.one("Restart"))
    assert 10 <= int(unit.one("WatchdogSec"))
    assert "65 78" == unit.one("RestartPreventExitStatus")
    assert "0" == unit.one("StartLimitIntervalSec", "Unit")


def test_service_may_drain_longer_than_the_configuration_says() -> None:
    """systemd would kill streams that the drain still waits for."""
    config = parse("upstreams: {openai: {base_url: https://api.openai.com}}", "x", {})
    stop_s = int(Unit(SERVICE).one("TimeoutStopSec"))
    assert stop_s >= config.server.timeouts.drain_s + 10


def test_service_keeps_its_table_over_a_restart() -> None:
    """Without these two every restart would refill every budget."""
    unit = Unit(SERVICE)
    assert "yes" == unit.one("RuntimeDirectoryPreserve")
    assert ("s4fw", "s4fw") == (unit.one("RuntimeDirectory"), unit.one("StateDirectory"))


def test_state_lies_on_what_stack_and_container_keep() -> None:
    """A volume mounted beside the state directory keeps nothing, and nobody would notice."""
    state = f"/var/lib/{Unit(SERVICE).one('StateDirectory')}"
    mounts = (ROOT / "packer" / "mount-state").read_text("utf-8").splitlines()
    assert f"target={state}" in mounts
    image = (ROOT / "packer" / "Containerfile").read_text("utf-8")
    assert f"S4FW_STATE_DIR={state} " in image
    assert f'VOLUME ["/run/s4fw", "{state}"]\n' in image
    given = {"RUNTIME_DIRECTORY": "/run/s4fw", "STATE_DIRECTORY": state}
    paths = parse("upstreams: {openai: {base_url: https://api.openai.com}}", "x", given).paths
    assert ("/run/s4fw", state) == (str(paths.runtime), str(paths.state))


def test_service_sees_the_boot_id() -> None:
    """ProcSubset=pid would hide it, and a restart would look like a reboot to the table's clock."""
    assert "all" == Unit(SERVICE).one("ProcSubset")


def test_every_directive_of_the_service_is_explained() -> None:
    """Each stands under a comment, alone or with its kin; none floats behind an empty line."""
    lines = SERVICE.read_text("utf-8").splitlines()
    is_explained, bare = False, []
    for line in lines[lines.index("[Service]") + 1 : lines.index("[Install]")]:
        if line.startswith("#"):
            is_explained = not line.startswith("# --")
        elif not line:
            is_explained = False
        elif not is_explained:
            bare.append(line)
    assert [] == bare
