"""Writes requirements.lock and packer/build.lock: run-time dependencies, and what an image compiles
ours with; exact, each with the hashes of its archives.

    .venv/bin/python .ci/lock.py

pip resolves the pins once for each platform and Python that releases run on (`--dry-run
--report` downloads only metadata); the hashes it would verify are gathered.  Installed with
`pip install --require-hashes -r requirements.lock`, nothing but these archives gets in.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
LOCK = HERE / "requirements.lock"
BUILD_LOCK = HERE / "packer" / "build.lock"
# What compiles ours: mypyc judges the types of what is imported as well.
BUILD = [
    "setuptools==84.2.1",
    "wheel==0.48.0",
    "mypy==2.4.1",
    "types-PyYAML==6.0.12.20261113",
    "types-cffi==2.1.0.20260827",
]
PLATFORMS = {
    "x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
}
PYTHONS = ("3.11", "3.12", "3.13")
IMAGE_PYTHONS = ("3.11",)
_HEAD = """\
# Made by `make lock` from the pins in {source}; not for editing.
# pip install --require-hashes -r {name}
"""


def pins() -> list[str]:
    """`install_requires` of setup.py, without running it."""
    for node in ast.walk(ast.parse((HERE / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            found: list[str] = ast.literal_eval(node.value)
            return found
    raise SystemExit("setup.py names no install_requires")


def resolved(platform: str, python: str, wanted: list[str]) -> list[dict[str, Any]]:
    """What pip would install there."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--only-binary=:all:", "--target", "unused", "--python-version", python]
    command += [f"--platform={name}" for name in PLATFORMS[platform]]
    done = subprocess.run(
        [*command, "--report", "-", *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"pip cannot resolve for {platform}, Python {python}:\n{done.stderr}")
    return list(json.loads(done.stdout)["install"])


def write(path: Path, source: str, wanted: list[str], pythons: tuple[str, ...]) -> None:
    """Resolve for all platforms and write one file."""
    where = [(platform, python) for platform in PLATFORMS for python in pythons]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda one: resolved(*one, wanted), where))
    versions: dict[str, str] = {}
    hashes: dict[str, set[str]] = {}
    for package in (package for report in reports for package in report):
        name = package["metadata"]["name"].lower().replace("_", "-")
        version = package["metadata"]["version"]
        if versions.setdefault(name, version) != version:
            raise SystemExit(f"{name} differs between platforms: pin it in {source}")
        hashes.setdefault(name, set()).add(
            package["download_info"]["archive_info"]["hashes"]["sha256"]
        )
    lines = []
    for name in sorted(versions):
        listed = " \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(hashes[name]))
        lines.append(f"{name}=={versions[name]} \\\n{listed}\n")
    name = str(path.relative_to(HERE))
    path.write_text(_HEAD.format(source=source, name=name) + "".join(lines))
    print(f"{name}: {len(versions)} packages, {sum(map(len, hashes.values()))} archives")


def main() -> None:
    write(LOCK, "setup.py", pins(), PYTHONS)
    write(BUILD_LOCK, ".ci/lock.py", BUILD, IMAGE_PYTHONS)


if __name__ == "__main__":
    main()
