"""`make prove`: the long versions of what `make test` shows, as a table; ends with 1 on a failure.

    python -m tests.prove                 all of it
    python -m tests.prove --only walk     one part
    python -m tests.prove --write         also writes docs/internals/proof.md

Each part is a command of its own, printed with its last line, so it can be repeated alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/internals/proof.md"


class Part(NamedTuple):
    """One proof: a Python command, and what it shows."""

    name: str
    shows: str
    command: tuple[str, ...]


def parts(folder: str, seed: int) -> list[Part]:
    """What is proven, in order."""
    stress = ("-m", "tests.native.stress", "--seed", str(seed))
    test = ("-m", "pytest", "-q", "--show-capture=no")
    return [
        Part("model", "protocol: all interleavings and deaths, mutants", ("-m", "tests.model")),
        Part(
            "orders",
            "accesses without the lock: all that C11 allows, each order weakened",
            (*test, "tests/model/test_accesses.py"),
        ),
        Part(
            "kills",
            "the C killed at every point of every operation, against the mirror",
            ("-m", "tests.model.kills", folder),
        ),
        Part(
            "walk",
            "10,000,000 random calls of C and mirror",
            ("-m", "tests.model.walk", "--operations", "10000000", "--seed", str(seed)),
        ),
        Part("stress", "10,000 SIGKILLs under load", (*stress, "--kills", "10000", *HOUR)),
        Part(
            "overruns",
            "1,000 SIGKILLs with costs above the hold, address and undefined sanitizers",
            (*stress, "--kills", "1000", *HOUR, "--overruns", "--sanitize"),
        ),
        Part(
            "threads",
            "workers, steward and readers under the thread sanitizer",
            (*test, "tests/native/test_threads.py"),
        ),
        Part("properties", "decisions, counts-not-content, money", (*test, "tests/property")),
    ]


HOUR = ("--seconds", "3600")  # as long as it takes


class Outcome(NamedTuple):
    """What a part said last, and how long it took."""

    part: Part
    is_proven: bool
    said: str
    seconds: float


def prove(part: Part) -> Outcome:
    """Run one part; where it fails, its last lines are shown."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *part.command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    said = next((x for x in reversed(lines) if not x.startswith(("=", "("))), "")
    if part.command[1] == "pytest":
        passed = sum(line.split(" [")[0].count(".") for line in lines if line.endswith("%]"))
        said = f"{passed} tests passed" if done.returncode == 0 else said
    if done.returncode:
        sys.stderr.write("\n".join([*lines[-20:], *done.stderr.splitlines()[-20:]]) + "\n")
    return Outcome(part, done.returncode == 0, said, time.monotonic() - began)


def table(outcomes: list[Outcome]) -> str:
    """For people and for the page."""
    rows = ["| part | what | result | s |", "|---|---|---|---:|"]
    for o in outcomes:
        verdict = o.said if o.is_proven else f"**FAILED** {o.said}"
        rows.append(f"| {o.part.name} | {o.part.shows} | {verdict} | {o.seconds:.0f} |")
    return "\n".join(rows)


def state_of_tree() -> str:
    """The commit, and whether files differ from it."""
    command = ["git", "describe", "--always", "--dirty=, with changes", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def page(outcomes: list[Outcome], seed: int, before: str, after: str) -> str:
    """docs/internals/proof.md: the text before the mark is kept, what follows is of this run.

    `before`, `after`: the tree when it began and ended; a tree that moved is said to have moved.
    """
    mark = "<!-- make prove -->"
    text = PAGE.read_text().partition(mark)[0] if PAGE.exists() else "# Proof\n\n"
    commit = before if before == after else f"{before}, which became {after} meanwhile"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    when = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{text}{mark}\n{when}, {machine}, commit {commit}, seed {seed}:\n\n{table(outcomes)}\n"


def main() -> int:
    """0 when every part is proven."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", help="the name of one part")
    parser.add_argument("--write", action="store_true", help="keep the table in the docs")
    given = parser.parse_args()
    outcomes, before = [], state_of_tree()
    sys.stdout.write(f"seed {given.seed}\n")
    with tempfile.TemporaryDirectory() as folder:
        for part in parts(folder, given.seed):
            if given.only in (None, part.name):
                sys.stdout.write(f"python {' '.join(part.command)}\n")
                sys.stdout.flush()
                outcomes.append(prove(part))
                sys.stdout.write(f"    {outcomes[-1].said}  ({outcomes[-1].seconds:.0f} s)\n")
    sys.stdout.write(table(outcomes) + "\n")
    if given.write and given.only is None and all(o.is_proven for o in outcomes):
        PAGE.write_text(page(outcomes, given.seed, before, state_of_tree()))
    return not all(outcome.is_proven for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
