"""Which build of the firewall is measured: the compiled one of the release, or the sources."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from load.bench.children import ROOT


class NoBuild(Exception):
    """There is no such build; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build: `root` is the folder that its package stands in."""

    name: str
    root: Path
    suffix: str  # of the files that its hot path runs from

    def check(self) -> None:
        """Make sure that what runs in `root` is this build.  Raises NoBuild."""
        program = "import s4fw.core.pipeline as p; print(p.__file__)"
        found = ""
        if self.root.is_dir():
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=self.root,
                capture_output=True,
                text=True,
                check=False,
            )
            found = done.stdout.strip()
        if not (found.startswith(str(self.root)) and found.endswith(self.suffix)):
            raise NoBuild(f"there is no {self.name} build in {self.root}; `make bench` makes it")


COMPILED = Build("compiled", ROOT / ".compiled", ".so")
INTERPRETED = Build("interpreted", ROOT, ".py")
