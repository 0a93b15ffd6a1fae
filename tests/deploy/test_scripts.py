"""The scripts of an instance, run as they are there: fetching the configuration, and leaving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from packer import fetch_config
from tests.deploy.scripted_aws import ScriptedAws
from tests.deploy.unit import ROOT

FILE = """\
upstreams: {openai: {base_url: "https://api.openai.com", api_key: {file: keys/openai-key}}}
keys: [{id: bot, sha256: "%s"}]
budgets: [{id: all, per: [], window: day, limit_usd: 10}]
""" % ("0" * 64)
KEY = "sk-provider-12345678"
KEYS = json.dumps({"openai-key": KEY})
COMPLETED = (
    "<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/>"
    "</CompleteLifecycleActionResponse>"
)


def run(script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A script of packer/, with nothing of ours in its environment."""
    base = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, str(ROOT / "packer" / script)]
    return subprocess.run(
        command, env=base | env, capture_output=True, text=True, timeout=60, check=False
    )


def answers(text: str, keys: str = KEYS) -> dict[str, Any]:
    """An endpoint that has this configuration and these keys."""
    return {
        "GetParameter": {"Parameter": {"Value": text}},
        "GetSecretValue": {"SecretString": keys},
    }


def settings(folder: Path, instances: int = 3) -> dict[str, str]:
    """What cfn/ writes into /etc/s4fw/environment."""
    return {
        "S4FW_CONFIG": str(folder / "s4fw.yaml"),
        "S4FW_CONFIG_SOURCE": "ssm:/s4fw/config",
        "S4FW_SECRET": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s4fw",
        "S4FW_INSTANCES": str(instances),
    }


def test_fetched_configuration_has_its_keys_and_its_share(tmp_path: Path) -> None:
    """One file from SSM, keys from Secrets Manager, the group's size: nothing to write by hand."""
    with ScriptedAws(answers(FILE)) as aws:
        done = run("fetch_config.py", aws.env | settings(tmp_path))
    assert (0, "") == (done.returncode, done.stderr)
    assert "fleet: {instances: 3}" in (tmp_path / "s4fw.yaml").read_text()
    assert KEY == (tmp_path / "keys" / "openai-key").read_text()
    assert 0o600 == (tmp_path / "keys" / "openai-key").stat().st_mode & 0o777
    assert ["keys", "s4fw.yaml"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        (FILE + "fleet: {instances: 2}\n", KEYS, "may have 3"),
        (FILE + "budget: []\n", KEYS, "not a known key"),
        (FILE, "sk-just-a-text", "not a JSON object"),
        (FILE, '{"../etc/passwd": "x"}', "cannot be a file's"),
    ],
    ids=["share too large", "mistake", "no object", "path"],
)
def test_bad_configuration_leaves_what_was_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    keys: str,
    words: str,
) -> None:
    """A firewall that runs must still be able to restart, and no key may be echoed."""
    (tmp_path / "s4fw.yaml").write_text("the old one")
    with ScriptedAws(answers(text, keys)) as aws:
        for name, value in aws.env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as stop:
            fetch_config.main(os.environ | settings(tmp_path))
    assert 78 == stop.value.code
    told = capsys.readouterr()
    assert words in told.err
    assert "sk-" not in told.err + told.out
    assert "the old one" == (tmp_path / "s4fw.yaml").read_text()
    assert ["s4fw.yaml"] == [path.name for path in tmp_path.iterdir()]


def test_nothing_is_fetched_where_no_source_is_named(tmp_path: Path) -> None:
    """The same units serve a machine whose configuration is a plain file."""
    assert 0 == run("fetch_config.py", {"S4FW_CONFIG": str(tmp_path / "s4fw.yaml")}).returncode
    assert [] == list(tmp_path.iterdir())


def test_instance_drains_before_it_tells_the_group_to_go_on(tmp_path: Path) -> None:
    """Told the other way round, streams would be cut by the end of the machine."""
    mark = tmp_path / "stopped"
    metadata = {"autoscaling/target-lifecycle-state": ["Terminated"], "instance-id": ["i-0123"]}
    with ScriptedAws({"CompleteLifecycleAction": COMPLETED}, metadata) as aws:
        env = {"S4FW_GROUP": "firewall", "S4FW_HOOK": "drain", "S4FW_STOP": f"touch {mark}"}
        done = run("watch_lifecycle.py", aws.env | env)
        assert (0, "") == (done.returncode, done.stderr)
    assert mark.exists()
    ((name, body),) = aws.calls
    assert "CompleteLifecycleAction" == name
    for part in ("AutoScalingGroupName=firewall", "LifecycleHookName=drain", "InstanceId=i-0123"):
        assert part in body
