"""Compiles the C test programs of native/tests, with fault points and, on wish, with sanitizers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "native"
FLAGS = ("-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-DS4_FAULTS", f"-I{NATIVE}")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_table(folder: Path, *flags: str) -> list[Path]:
    """Object files of the table and of what the tests share, in `folder`."""
    sources = [*sorted(NATIVE.glob("s4_table_*.c")), NATIVE / "tests/harness.c"]
    subprocess.run(["gcc", *FLAGS, *flags, "-c", *sources], cwd=folder, check=True)
    return [folder / f"{source.stem}.o" for source in sources]


def link(name: str, folder: Path, objects: Sequence[Path], *flags: str) -> Path:
    """Compile native/tests/<name>.c and link it with object files; the path of the program."""
    program = folder / name
    source = NATIVE / f"tests/{name}.c"
    subprocess.run(
        ["gcc", *FLAGS, *flags, source, *objects, "-o", program, "-lpthread"], check=True
    )
    return program


def run(program: Path, *arguments: str, timeout_s: float = 60) -> str:
    """What a program printed.  Raises AssertionError with its words when it fails."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"{program.name}: {done.stdout}{done.stderr}"
    return done.stdout
