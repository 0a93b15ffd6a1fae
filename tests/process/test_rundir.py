"""Where the state lies beside the table: what one reboot could take of both is said at a start."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from s4fw.config import parse
from s4fw.ledger.records import is_on_tmpfs
from s4fw.process.rundir import state_risk
from tests.harness import Firewall, firewall_config

MEMORY = Path("/dev/shm")
NOWHERE = "http://127.0.0.1:9"
UPSTREAM = "upstreams: {openai: {base_url: https://api.openai.com}}"


def test_state_on_a_disk_beside_the_runtime_directory_is_no_risk() -> None:
    """A warning that always comes is read by nobody."""
    assert state_risk(Path("/run/s4fw"), Path("/nowhere/s4fw")) is None


@pytest.mark.skipif(not is_on_tmpfs(MEMORY), reason="/dev/shm is not in memory here")
def test_state_in_memory_is_a_risk_wherever_it_lies() -> None:
    """A reboot empties every tmpfs, so neither table nor checkpoint would be left."""
    told = state_risk(Path("/nowhere/run"), MEMORY / "s4fw-state")
    assert told is not None
    assert f"{MEMORY / 's4fw-state'} is in memory" in told


def test_state_within_the_runtime_directory_is_a_risk_on_a_disk_too() -> None:
    """Who clears the runtime directory, as the way out of a damaged table, would lose both."""
    told = state_risk(Path("/nowhere/run"), Path("/nowhere/run/state"))
    assert told is not None
    assert "lies in the runtime directory" in told
    assert state_risk(Path("/nowhere/run"), Path("/nowhere/run")) is not None


def test_state_reached_by_a_link_into_the_runtime_directory_is_a_risk(tmp_path: Path) -> None:
    """Names say nothing of where files are."""
    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "state").symlink_to(tmp_path / "run" / "state")
    assert state_risk(tmp_path / "run", tmp_path / "state") is not None


def test_default_outside_of_a_service_is_a_risk_and_of_the_unit_is_none() -> None:
    """systemd gives both directories; a shell gives neither."""
    bare = parse(UPSTREAM, "x", {"S4FW_RUNTIME_DIR": "/nowhere/run"}).paths
    assert state_risk(bare.runtime, bare.state) is not None
    given = {"RUNTIME_DIRECTORY": "/nowhere/run", "STATE_DIRECTORY": "/nowhere/lib"}
    unit = parse(UPSTREAM, "x", given).paths
    assert state_risk(unit.runtime, unit.state) is None


def test_start_tells_of_a_risk_as_event_and_in_the_log(
    firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """At a start somebody looks, and the events are what `s4fw events` and alarms read."""
    runtime = tmp_path / "all"
    paths = {"runtime": str(runtime), "state": str(runtime / "state")}
    proxy = firewall(firewall_config(NOWHERE, paths=paths))
    (event,) = [e for e in proxy.admin("/v1/events")["events"] if e["kind"] == "state_risk"]
    assert "warning" == event["level"]
    assert str(runtime / "state") in event["message"]
    assert event["message"] in proxy.said()
    assert 0o700 == stat.S_IMODE((runtime / "state").stat().st_mode)


def refusal(directory: Path, state: Path, *wrapper: str) -> tuple[int, str]:
    """The exit code and the last line of a start that keeps its state there."""
    paths = {"runtime": str(directory / "run"), "state": str(state)}
    file = directory / "s4fw.yaml"
    file.write_text(json.dumps(firewall_config(NOWHERE, paths=paths)))
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "s4fw", "serve", "-c", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_start_with_a_file_in_the_place_of_the_state_ends_with_a_sentence(
    tmp_path: Path, name: str
) -> None:
    """Whoever reads the journal at night must see which directory it is, and no traceback."""
    (tmp_path / "file").touch()
    code, said = refusal(tmp_path, tmp_path / name)
    assert (1, True) == (code, f"cannot make the directory {tmp_path / name}: " in said)


def test_start_with_a_read_only_state_ends_with_a_sentence(tmp_path: Path) -> None:
    """A volume that was mounted read-only after a fault of its disk looks like this."""
    state = tmp_path / "state"
    state.mkdir()
    wrapper = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(state), str(state)]
    if shutil.which("bwrap") is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("needs bubblewrap, and the right to use it")
    code, said = refusal(tmp_path, state, *wrapper)
    assert (1, True) == (code, f"cannot write to the directory {state}" in said)
    assert [] == os.listdir(state)
