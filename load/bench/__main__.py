"""`python -m load.bench`: the whole comparison, or parts of it."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from load.bench import machine, rounds
from load.bench.bed import Bed
from load.bench.figures import FIGURES
from load.bench.nginx import find_nginx
from load.bench.report import Report, verdict
from load.bench.shapes import DELAYS, NAMES, SHAPES, Shape

ROUND_S, QUICK_ROUND_S = 3.0, 2.0
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


def measure(report: Report, console: Console, only: set[str], count: int, is_quick: bool) -> None:
    """Run what is asked for; `report` fills as it goes."""
    round_s = QUICK_ROUND_S if is_quick else ROUND_S
    delay_rounds = 3 if is_quick else rounds.DELAY_ROUNDS
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="s4fw-bench-", dir=memory) as folder,
        contextlib.ExitStack() as stack,
        console.status("") as status,
    ):
        Path(folder).chmod(0o755)  # nginx's workers drop root and must reach their folders
        bed = Bed(Path(folder), stack)
        for shape in SHAPES:
            if shape.name in only:
                status.update(f"{shape.name}: {shape.says}")
                result = rounds.compare(bed, shape, _rounds_of(shape, count), round_s)
                report.ratios.append(result)
                console.print(f"{shape.name}: {result.value:.2f}x", highlight=False)
        for wanted in DELAYS:
            if wanted.name in only:
                status.update(f"{wanted.name}: {wanted.says}")
                report.delays.append(rounds.delay(bed, wanted, delay_rounds, QUICK_ROUND_S))
        for name, figures in FIGURES.items():
            if name in only:
                status.update(name)
                report.figures += figures(bed, is_quick)


@click.command()
@click.option("--rounds", "count", type=click.IntRange(1, 50), help="Paired rounds; default 5.")
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="Measure this; may be given again."
)
@click.option("--quick", is_flag=True, help="Two short rounds: to see that it runs.")
def main(count: int | None, only: tuple[str, ...], quick: bool) -> None:
    """Measure the firewall beside nginx's bare proxy_pass, on one core each in turn.

    Exit code 1 when a program is missing; a missed mark is told, and no failure of the run.
    """
    if packages := missing():
        names = " and ".join(packages)
        click.echo(f"missing: {names} (Debian: apt-get install {' '.join(packages)})", err=True)
        sys.exit(1)
    _prepare()
    console = Console(width=None if sys.stdout.isatty() else 150)
    count = count or (2 if quick else 5)
    report = Report(machine.look(), count)
    measure(report, console, set(only or NAMES), count, quick)
    report.machine = replace(report.machine, load_after=os.getloadavg()[0])
    report.show(console)
    missed = [
        *(c.name for c in (*report.ratios, *report.delays) if verdict(c.value, c.mark) == "missed"),
        *(f.name for f in report.figures if verdict(f.value, f.mark, f.is_least) == "missed"),
    ]
    console.print(f"missed: {', '.join(missed)}" if missed else "every mark is kept")
    if not only and not quick:
        console.print(f"written to {report.write()}", highlight=False)


if __name__ == "__main__":
    main()
