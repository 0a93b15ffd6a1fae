"""`python -m load.bench`: the whole comparison, or parts of it."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from load.bench import machine, overhead, rounds
from load.bench.bed import Bed
from load.bench.build import COMPILED, INTERPRETED, Build, NoBuild
from load.bench.children import ChildFailed
from load.bench.cpu import TreeChanged
from load.bench.figures import FIGURES
from load.bench.nginx import find_nginx
from load.bench.report import Report
from load.bench.shapes import DELAYS, NAMES, OVERHEAD, SHAPES, Shape
from load.bench.streams import BadStream
from load.bench.wrk import BadRun

ROUND_S, QUICK_ROUND_S = 2.0, 1.0
# One part that cannot be measured does not end the others.
FAULTS = (BadRun, BadStream, ChildFailed, TreeChanged, OSError, subprocess.SubprocessError)
FILES = 8192  # sockets of the load generators, with room


def missing() -> list[str]:
    """The distribution's packages that are needed and not there."""
    found = {"nginx": find_nginx(), "wrk": shutil.which("wrk")}
    return [package for package, program in found.items() if program is None]


def _prepare() -> None:
    """Enough files, and an end in good order for SIGTERM too."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(FILES, most), most))

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def _rounds_of(shape: Shape, count: int) -> int:
    """Shapes without a mark get fewer rounds: they are told, not judged."""
    return count if shape.mark is not None else max(2, count - 2)


def _one(bed: Bed, report: Report, name: str, count: int, is_quick: bool) -> None:
    """Measure what has this name, into the report.  Raises whatever a run may raise."""
    round_s = QUICK_ROUND_S if is_quick else ROUND_S
    for shape in SHAPES:
        if shape.name == name:
            report.ratios.append(rounds.compare(bed, shape, _rounds_of(shape, count), round_s))
    if name == OVERHEAD:
        report.ratios.append(overhead.compare(bed, count, is_quick))
    for delay in DELAYS:
        if delay.name == name:
            delay_rounds = 3 if is_quick else rounds.DELAY_ROUNDS
            report.delays.append(rounds.delay(bed, delay, delay_rounds, round_s))
    if name in FIGURES:
        report.figures += FIGURES[name](bed, is_quick)


def measure(
    build: Build,
    report: Report,
    console: Console,
    only: Collection[str],
    count: int,
    is_quick: bool,
) -> None:
    """Run what is asked for; `report` fills as it goes, also with what failed."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="s4fw-bench-", dir=memory) as folder,
        contextlib.ExitStack() as stack,
    ):
        Path(folder).chmod(0o755)  # nginx's workers drop root and must reach their folders
        bed = Bed(build, Path(folder), stack)
        for name in NAMES:
            if name in only:
                console.print(f"measuring {name} ...", style="dim", highlight=False)
                try:
                    _one(bed, report, name, count, is_quick)
                except FAULTS as fault:
                    report.failures[name] = f"{type(fault).__name__}: {fault}"


@click.command()
@click.option("--rounds", "count", type=click.IntRange(1, 50), help="Paired rounds; default 5.")
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="Measure this; may be given again."
)
@click.option("--interpreted", is_flag=True, help="The sources as they are, not the release build.")
@click.option("--quick", is_flag=True, help="Two short rounds: to see that it runs.")
def main(count: int | None, only: tuple[str, ...], interpreted: bool, quick: bool) -> None:
    """Measure the firewall beside nginx's bare proxy_pass, on one core each in turn.

    Exit code 1 when a program is missing or something could not be measured; a missed mark is told,
    and is no failure of the run.
    """
    if packages := missing():
        names = " and ".join(packages)
        click.echo(f"missing: {names} (Debian: apt-get install {' '.join(packages)})", err=True)
        sys.exit(1)
    build = INTERPRETED if interpreted else COMPILED
    try:
        build.check()
    except NoBuild as problem:
        click.echo(str(problem), err=True)
        sys.exit(1)
    _prepare()
    console = Console(width=None if sys.stdout.isatty() else 150)
    count = count or (2 if quick else 5)
    report = Report(machine.look(build), count)
    measure(build, report, console, only or NAMES, count, quick)
    report.machine = replace(report.machine, load_after=os.getloadavg()[0])
    report.show(console)
    if not only and not quick:
        console.print(f"written to {report.write()}", highlight=False)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
