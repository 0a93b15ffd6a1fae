"""The random kills for as long as you like: `python -m tests.native.stress --seconds 60`.

Further arguments go to native/tests/stress_table.c (--seed, --workers, --overruns); `--sanitize`
compiles with the address and undefined-behaviour sanitizers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.native.programs import SANITIZERS, compile_table, link


def main(arguments: list[str]) -> int:
    """Build, run in the foreground, and hand on the exit code."""
    flags = SANITIZERS if "--sanitize" in arguments else ()
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_table(Path(folder), *flags)
        program = link("stress_table", Path(folder), objects, *flags)
        return subprocess.run([program, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
