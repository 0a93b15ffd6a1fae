"""Play the whole catalogue: `python -m tests.chaos`; `make chaos` writes the report, too.

Every case is written down as soon as it is over, so a run that was broken off goes on where it
was: `--fresh` begins anew.  Each case has a time of its own (`Case.limit_s`); one that hangs is
broken, and the next one begins.  Exit code 1 where a case is broken.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from tests.chaos.case import Case
from tests.chaos.cases import CASES
from tests.chaos.report import BROKEN, HELD, NOT_HERE, Results, Verdict, table, write
from tests.chaos.scene import Scene
from tests.harness import Simulator

ROOT = Path(__file__).parents[2]
CLEANING_S = 20  # what a case whose time is over gets to unmount, to stop what it started


@click.command()
@click.option("--only", default="", help="Cases whose id begins so, such as CHA or UPS-07.")
@click.option("--seed", default=1, show_default=True, help="Of everything that is random.")
@click.option("--short", is_flag=True, help="The versions that `make test` plays.")
@click.option("--fresh", is_flag=True, help="Forget what an earlier run has shown.")
@click.option("--minutes", default=30.0, show_default=True, help="Begin no case after so long.")
@click.option("--write", "is_written", is_flag=True, help="Write docs/chaos-report.md.")
@click.option("--apart", type=click.Path(path_type=Path), hidden=True)
def main(
    only: str,
    seed: int,
    short: bool,
    fresh: bool,
    minutes: float,
    is_written: bool,
    apart: Path | None,
) -> None:
    """Play cases, print the table of all that were played."""
    chosen = [case for case in CASES if case.id.startswith(only)]
    if apart is not None:
        _play_here(next(case for case in CASES if case.id == only), apart, seed, not short)
        return
    results = Results(ROOT / ".chaos" / f"{'short' if short else 'whole'}.json", fresh=fresh)
    console = Console()
    end_s = time.monotonic() + 60 * minutes
    for case in chosen:
        if results.has(case.id):
            continue
        if time.monotonic() > end_s:
            console.print(f"{minutes:g} minutes are over; the next run goes on with {case.id}")
            break
        console.print(f"[dim]{case.id}  {case.done}")
        results.keep(played(case, seed, short))
    console.print(table(chosen, results))
    if is_written:
        console.print(f"written to {write(CASES, results, seed)}")
    sys.exit(any(results.of(case.id).word == BROKEN for case in chosen))


def played(case: Case, seed: int, short: bool) -> Verdict:
    """Play a case in a process of its own: one that hangs ends with its time, not the whole run."""
    with tempfile.TemporaryDirectory(prefix="s4fw-chaos-") as folder:
        file = Path(folder) / "verdict"
        command = [sys.executable, "-m", "tests.chaos", "--only", case.id, "--apart", str(file)]
        command += ["--seed", str(seed), *(["--short"] if short else [])]
        began_s = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
            for number in (signal.SIGTERM, signal.SIGKILL):  # the first lets it clean up
                try:
                    process.wait(case.limit_s if number == signal.SIGTERM else CLEANING_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, number)
        seconds = round(time.monotonic() - began_s, 1)
        if file.exists():
            verdict = Verdict(**json.loads(file.read_text()))
        else:
            verdict = Verdict(case.id, BROKEN, f"no outcome within {case.limit_s} s")
        verdict.seconds = seconds
        return verdict


def _play_here(case: Case, file: Path, seed: int, is_whole: bool) -> None:
    """Play a case in this process, write its verdict."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # unwinds, as Ctrl-C does
    verdict = _judged(case, file.parent, seed, is_whole)
    file.write_text(json.dumps(asdict(verdict)))


def _judged(case: Case, folder: Path, seed: int, is_whole: bool) -> Verdict:
    """Play a case and run the tests it names."""
    if case.play is None and not case.nodes:
        return Verdict(case.id, NOT_HERE, case.why_not)
    outcomes = []
    try:
        if case.play is not None:
            home = folder / case.id
            home.mkdir()
            with (
                Simulator(home) as simulator,
                Scene(home, simulator, seed=seed, is_whole=is_whole) as scene,
            ):
                outcomes.append(case.play(scene))
        if case.nodes:
            outcomes.append(_tested(case, folder))
    except Exception as problem:
        traceback.print_exc()
        first = (str(problem) or type(problem).__name__).splitlines()[0]
        return Verdict(case.id, BROKEN, first[:300])
    return Verdict(case.id, HELD, "; ".join(outcomes))


def _tested(case: Case, folder: Path) -> str:
    """Run the pytest nodes of a case; fails with the names of those that fail."""
    file = folder / f"{case.id}.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={file}", *case.nodes]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    cases = list(ET.parse(file).getroot().iter("testcase"))
    failed = [
        one.get("name", "?") for one in cases if one.find("failure") is not None
        or one.find("error") is not None
    ]  # fmt: skip
    assert cases, f"no test was found in {case.nodes}"
    assert not failed, f"failed: {', '.join(failed)}"
    passed = sum(one.find("skipped") is None for one in cases)
    return f"{passed} tests"


if __name__ == "__main__":
    main()
