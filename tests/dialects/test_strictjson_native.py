"""Runs the C test of the strict scan under sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLAGS = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]


def test_scan_of_damaged_bodies_reads_no_byte_too_many(tmp_path: Path) -> None:
    """Because the scan reads eight bytes at a time from bodies that attackers send."""
    program = tmp_path / "test_json"
    sources = (ROOT / "native/s4_json.c", ROOT / "native/tests/test_json.c")
    subprocess.run(
        ["cc", *FLAGS, "-fno-sanitize-recover=all", f"-I{ROOT}/native", *sources, "-o", program],
        check=True,
        timeout=120,
    )

    ran = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)

    assert (0, "ok\n") == (ran.returncode, ran.stdout), ran.stderr
