"""make fuzz SECONDS=60: every target for its share of the time, guided by coverage.

The Python targets run under atheris (libFuzzer with Python's coverage; `pip install atheris`), the
native scan under clang's libFuzzer with the address and undefined-behaviour sanitizers.  What is
missing is said and left out.  New inputs stay in a temporary folder; one that fails is written
into the corpus as `found-...`, and the run ends with 1.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.seeds import CORPUS
from tests.fuzz.targets import TARGETS

_HERE = Path(__file__).parent
_START_S = 3  # to compile, or to instrument what is imported
_NATIVE = _HERE.parents[1] / "native"


def options(seconds: int, folder: Path) -> list[str]:
    """What libFuzzer is told; its own file names would hide which input failed."""
    return [
        *(f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=2048", "-timeout=10"),
        *(f"-artifact_prefix={folder}/failed-", "-print_final_stats=1", "-verbosity=1"),
    ]


def run(name: str, command: list[str], target: str, seconds: int) -> bool:
    """One fuzzer over a copy of its corpus; keeps what failed."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        work = folder / "corpus"
        shutil.copytree(CORPUS / target, work)
        log = folder / "log"
        with log.open("wb") as out:
            code = subprocess.run(
                [*command, *options(seconds, folder), str(work)],
                stderr=out,
                stdout=out,
                check=False,
            ).returncode
        told = log.read_text(errors="replace")
        runs = told.rpartition("number_of_executed_units:")[2].split()[:1]
        print(f"{name:10} {runs[0] if runs else '?':>10} runs  {'ok' if not code else 'FAILED'}")
        for failed in folder.glob("failed-*"):
            data = failed.read_bytes()
            kept = CORPUS / target / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
            kept.write_bytes(data)
            print(f"  kept as {kept}")
        if code:
            print(told[-3000:])
        return code == 0


def native(seconds: int) -> bool:
    """The scan as C, with everything that C can get wrong watched."""
    with tempfile.TemporaryDirectory() as made:
        binary = str(Path(made) / "scan")
        flags = ["-g", "-O1", "-std=c11", "-fsanitize=fuzzer,address,undefined", f"-I{_NATIVE}"]
        sources = [str(_HERE / "scan_fuzzer.c"), str(_NATIVE / "s4_json.c")]
        subprocess.run(
            ["clang", *flags, "-fno-sanitize-recover=all", *sources, "-o", binary], check=True
        )
        return run("native", [binary], "scan", seconds)


def main() -> None:
    """All targets, or one in the process that atheris drives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    has_atheris, has_clang = find_spec("atheris") is not None, shutil.which("clang") is not None
    count = len(TARGETS) * has_atheris + has_clang
    share = max(2, arguments.seconds // max(1, count) - _START_S)
    good = True
    if has_clang:
        good &= native(share)
    else:
        print("native: not run, clang is not installed")
    if has_atheris:
        for target in TARGETS:
            command = [sys.executable, "-m", "tests.fuzz.guided", target]
            good &= run(target, command, target, share)
    else:
        print(f"{', '.join(TARGETS)}: not run, atheris is not installed (pip install atheris)")
    sys.exit(not good)


if __name__ == "__main__":
    main()
