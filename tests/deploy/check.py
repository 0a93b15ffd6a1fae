"""What `make deploy-check` consists of: checks, their verdicts, and the table of them."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
_COLORS = {PASSED: "green", FAILED: "red", NOT_RUN: "yellow"}
WORDS_MAX = 600  # of a failure, in the table


class NotRun(Exception):
    """This machine lacks what the check needs; the words say what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where checks work: a folder of their own, and the tools that `make` installed."""

    folder: Path
    tools: Path

    def tool(self, name: str) -> str:
        """A program of the tools.  Raises NotRun."""
        path = self.tools / "bin" / name
        if not path.exists():
            raise NotRun(f"no {name} in {self.tools}")
        return str(path)


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns what was seen, raises NotRun, or fails in any other way."""

    tool: str
    what: str
    run: Callable[[Workshop], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check."""

    check: Check
    verdict: str
    words: str
    seconds: float


def output_of(
    command: Sequence[str | Path],
    *,
    timeout_s: float = 300.0,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> str:
    """What a program prints, both streams.  Raises AssertionError with its end if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        cwd=cwd,
        env=None if env is None else dict(env),
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stdout[-WORDS_MAX:]}"
    return done.stdout


def plain_env() -> dict[str, str]:
    """An environment without settings of this machine's own (proxies, pip, AWS)."""
    return {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8"}


def judged(check: Check, workshop: Workshop) -> Outcome:
    """Run one check."""
    started = time.monotonic()
    try:
        verdict, words = PASSED, check.run(workshop)
    except NotRun as reason:
        verdict, words = NOT_RUN, str(reason)
    except Exception as fault:  # whatever it is, the other checks still run
        verdict, words = FAILED, f"{type(fault).__name__}: {fault}"[-WORDS_MAX:]
    return Outcome(check, verdict, words, time.monotonic() - started)


def show(outcomes: Iterable[Outcome], console: Console) -> None:
    """The table for people."""
    table = Table(title="make deploy-check", title_justify="left")
    for name in ("tool", "what", "verdict", "seen, or why not", "s"):
        table.add_column(name, justify="right" if name == "s" else "left")
    for one in outcomes:
        color = _COLORS[one.verdict]
        verdict = f"[{color}]{one.verdict}[/{color}]"
        table.add_row(one.check.tool, one.check.what, verdict, one.words, f"{one.seconds:.0f}")
    console.print(table)


def report(outcomes: Sequence[Outcome], where: str) -> str:
    """The same as a page for docs/; `where` says when and of what."""
    rows = "".join(
        f"| {one.check.tool} | {one.check.what} | {one.verdict} | {_cell(one.words)}"
        f" | {one.seconds:.0f} |\n"
        for one in outcomes
    )
    counts = {verdict: sum(one.verdict == verdict for one in outcomes) for verdict in _COLORS}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return (
        "# What was checked of the deployment\n\n"
        f"<!-- Written by `make deploy-check`. -->\nOne run, {where}: {told}.\n\n"
        "| tool | what | verdict | seen, or why not | s |\n|---|---|---|---|---|\n" + rows
    )


def where_and_when() -> str:
    """The moment, the commit (`+`: with changes) and the machine of a run."""
    git = ["git", "-c", f"safe.directory={ROOT}"]
    commit = output_of([*git, "rev-parse", "--short", "HEAD"]).strip()
    is_changed = bool(output_of([*git, "status", "--porcelain", "--untracked-files=no"]).strip())
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    cores = len(os.sched_getaffinity(0))
    return f"{now}, commit {commit}{'+' * is_changed}, {platform.machine()}, {cores} cores"


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "\\|").split())
