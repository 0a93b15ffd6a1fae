"""On what, when and of what it was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from load.bench.build import Build
from load.bench.children import ROOT


@dataclass(frozen=True, slots=True)
class Machine:
    """What a figure must be read with."""

    date: str
    commit: str
    build: str
    processor: str
    cores: int
    kernel: str
    python: str
    load_before: float  # the load average over a minute before anything of ours ran
    load_after: float = 0.0


def look(build: Build) -> Machine:
    """The machine now."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=_commit(),
        build=build.name,
        processor=_processor(Path("/proc/cpuinfo").read_text()),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=platform.python_version(),
        load_before=os.getloadavg()[0],
    )


def _commit() -> str:
    """The commit; `+` where files differ from it."""

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "s4fw", "native")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _processor(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()
