"""Gathers everything an image needs to install the firewall without a network.

    python packer/bundle.py DIRECTORY [--machine aarch64]

DIRECTORY gets `wheels/` (every dependency as a built wheel, for Python 3.11 on that machine),
`requirements.lock` and `build.lock` (each wheel by name, version and SHA-256: what our own two
locks name, one archive each), `source.tar.gz` (ours, which is compiled on the machine itself),
and the files of `systemd/` and `packer/`.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
# glibc 2.17 is the oldest any of them asks for; Amazon Linux 2023 has 2.34.
GLIBC = ("2_17", "2_28", "2_34")
FILES = (
    "packer/install.sh",
    "packer/smoke.sh",
    "packer/fetch_config.py",
    "packer/watch_lifecycle.py",
    "packer/mount-state",
    "systemd/s4fw.service",
    "systemd/s4fw-config.service",
    "systemd/s4fw-lifecycle.service",
    "systemd/s4fw.sysusers",
)


def download(wheels: Path, machine: str, wanted: list[str]) -> None:
    """Put the wheels of `wanted` (arguments of pip), and of all they need, into a folder.

    Fails where one has no wheel for that machine.
    """
    wheels.mkdir(parents=True, exist_ok=True)
    platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"]
    command += [f"--platform=manylinux2014_{machine}", *platforms, "--dest", str(wheels), *wanted]
    subprocess.run(command, check=True)


def lock(wheels: Path) -> str:
    """A line for each wheel: its name, version and digest."""
    lines = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-').lower()}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)


def source(path: Path) -> None:
    """What is committed, as a tar file: the same bytes for the same commit."""
    parts = (
        "s4fw",
        "native",
        "setup.py",
        "pyproject.toml",
        "MANIFEST.in",
        "LICENSE",
        "CHANGELOG.md",
    )
    subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar.gz", "-o", str(path), "HEAD", *parts],
        check=True,
    )


def bundle(directory: Path, machine: str) -> None:
    """Gather it all; what lay there goes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, locked in (
        ("requirements", ROOT / "requirements.lock"),
        ("build", ROOT / "packer" / "build.lock"),  # what compiles ours
    ):
        wheels = directory / name
        download(wheels, machine, ["--require-hashes", "--requirement", str(locked)])
        (directory / f"{name}.lock").write_text(lock(wheels))
        (directory / "wheels").mkdir(exist_ok=True)
        for wheel in wheels.iterdir():
            wheel.replace(directory / "wheels" / wheel.name)
        wheels.rmdir()
    source(directory / "source.tar.gz")
    for file in FILES:
        shutil.copy2(ROOT / file, directory)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("--machine", default=platform.machine(), choices=("aarch64", "x86_64"))
    given = arguments.parse_args()
    bundle(given.directory, given.machine)


if __name__ == "__main__":
    main()
