#!/opt/s4fw/bin/python
"""Fetches s4fw.yaml and the providers' keys from AWS before the firewall starts or reloads.

What is fetched stands in the environment (see cfn/): S4FW_CONFIG_SOURCE is `ssm:/name` or
`s3://bucket/key`, S4FW_SECRET the ARN of a secret whose JSON names files and their values.  The
file goes to S4FW_CONFIG, the values beside it into `keys/NAME`, all readable by this user only.
With a mistake in what was fetched, everything stays as it was, and the exit code is 78.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import boto3  # type: ignore[import-untyped,unused-ignore]

from s4fw.config import ConfigErrors, load

EXIT_CONFIGURATION = 78
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HAS_FLEET = re.compile(r"^fleet\s*:", re.MULTILINE)


def fetched_text(source: str) -> str:
    """The configuration, from where it is kept."""
    if source.startswith("ssm:"):
        parameter = boto3.client("ssm").get_parameter(Name=source[4:], WithDecryption=True)
        return str(parameter["Parameter"]["Value"])
    if source.startswith("s3://"):
        bucket, _, key = source[5:].partition("/")
        body: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode("utf-8")
    refuse(f"S4FW_CONFIG_SOURCE is {source}, neither ssm:/name nor s3://bucket/key")


def fetched_keys(arn: str) -> dict[str, str]:
    """The values of the secret, by the name of their file."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=arn)
    try:
        keys: Any = json.loads(answer["SecretString"])
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        refuse(f"{arn} is not a JSON object of names and texts")
    for name in keys:
        if NAME.fullmatch(name) is None:
            refuse(f"{arn} has a name that cannot be a file's: letters, digits, - and _ only")
    return keys


def with_fleet(text: str, instances: int) -> str:
    """The configuration with the fleet's size, where it says nothing of it itself."""
    if instances > 1 and _HAS_FLEET.search(text) is None:
        return f"{text.rstrip()}\n\nfleet: {{instances: {instances}}}  # the group's maximum\n"
    return text


def write(folder: Path, text: str, keys: Mapping[str, str]) -> None:
    """All files into an empty folder."""
    (folder / "keys").mkdir(mode=0o700)
    for path, value in [(folder / "s4fw.yaml", text)] + [
        (folder / "keys" / name, value) for name, value in keys.items()
    ]:
        path.touch(mode=0o600)
        path.write_text(value, "utf-8")


def judge(path: Path, env: Mapping[str, str], instances: int) -> None:
    """Refuse what the firewall would refuse, and a share that is too large."""
    try:
        config = load(path, env)
    except ConfigErrors as errors:
        refuse(str(errors))
    if config.fleet.instances < instances:
        refuse(
            f"fleet.instances is {config.fleet.instances}, but the group may have {instances}:"
            f" together they would spend more than what is stated; write ${{S4FW_INSTANCES}}"
        )


def refuse(sentence: str) -> NoReturn:
    """Leave everything as it is."""
    sys.stderr.write(f"fetch_config: {sentence}\n")
    sys.exit(EXIT_CONFIGURATION)


def main(env: Mapping[str, str]) -> None:
    source = env.get("S4FW_CONFIG_SOURCE", "")
    if not source:
        return  # the file is kept on this machine
    target = Path(env["S4FW_CONFIG"])
    instances = int(env.get("S4FW_INSTANCES") or 1)
    keys = fetched_keys(env["S4FW_SECRET"]) if env.get("S4FW_SECRET") else {}
    text = with_fleet(fetched_text(source), instances)
    staged = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        write(staged, text, keys)
        judge(staged / "s4fw.yaml", env, instances)
        # Nothing below may fail.  Keys first: the file that names them must find them.
        (target.parent / "keys").mkdir(mode=0o700, exist_ok=True)
        for path in (staged / "keys").iterdir():
            path.replace(target.parent / "keys" / path.name)
        (staged / "s4fw.yaml").replace(target)
    finally:
        shutil.rmtree(staged)


if __name__ == "__main__":
    os.umask(0o077)
    main(os.environ)
