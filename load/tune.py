"""`python -m load.tune`: what a request costs with 1, 2 .. workers and few or many callers.

Each step is a fresh firewall before one fixed answer, loaded by wrk over so many connections that
always have a request open.  The firewall has its cores (the first half of the machine), upstream
and wrk the others.  What is added to the latency is the difference to the upstream itself under
the same connections; at full load most of it is waiting for a turn.

It writes a table, a chart and a JSON file, and applies the model of load/sizing.py to what it
measured.  Needs nginx, wrk and the extra `plot`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from load import sizing
from load.bench import cpu, figures, machine, rounds, streams
from load.bench.__main__ import missing
from load.bench.bed import Bed
from load.bench.build import COMPILED, INTERPRETED, NoBuild
from load.bench.children import ROOT
from load.bench.payloads import chat, transcript
from load.bench.rivals import Firewall
from load.bench.streams import Streams
from load.bench.wrk import Load
from load.sizing import Costs

CONNECTIONS = (4, 16, 64, 256)
CHAT, TURN = Load(chat()), Load(transcript())
STREAMS = Streams(callers=200, chunks=100, every_ms=15)
RESULTS = ROOT / "load" / "results"
CHART = ROOT / "docs" / "img" / "tune.png"
PAGE = ROOT / "docs" / "sizing.md"
BEGIN, END = "<!-- begin: written by make tune -->", "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Step:
    """One worker count under so many connections; times in microseconds and milliseconds."""

    workers: int
    connections: int
    per_second: float
    p50_ms: float  # added
    p99_ms: float  # added
    us_each: float
    beside_us: float
    memory_mb: float


def worker_counts(cores: int) -> list[int]:
    """1, 2, 4 .. up to twice the cores, to show that more than one for each is no better."""
    counts = [1]
    while counts[-1] < 2 * cores:
        counts.append(counts[-1] * 2)
    return counts


def step(bed: Bed, rival: Firewall, connections: int, seconds: float) -> Step:
    """Measure one step.  Raises BadRun, TreeChanged."""
    direct = bed.wrk.run(CHAT, bed.fixed.port, 1.0, connections)
    before = rival.ticks()
    report = bed.wrk.run(CHAT, rival.port, seconds, connections)
    spent = cpu.spent(before, rival.ticks(), rival.workers)
    rounds.check(report, False)
    return Step(
        rival.workers,
        connections,
        report.requests / report.seconds,
        report.p50_ms - direct.p50_ms,
        report.p99_ms - direct.p99_ms,
        spent.us / report.requests,
        spent.beside_us / report.requests,
        figures.pss_bytes(*cpu.tree(rival.child.pid)) / 1e6,
    )


def steps(bed: Bed, seconds: float) -> list[Step]:
    """All steps, a fresh firewall for each worker count."""
    done = []
    for workers in worker_counts(len(bed.rival_cores)):
        with bed.firewall(bed.fixed, workers) as rival:
            bed.wrk.run(CHAT, rival.port, 1.0)  # what is made once is made now
            for connections in CONNECTIONS:
                done.append(step(bed, rival, connections, seconds))
                click.echo(line(done[-1]))
    return done


def costs(bed: Bed, seconds: float) -> Costs:
    """What the model needs, with one worker on one core."""
    with bed.firewall(bed.fixed) as rival:
        rounds.sample(bed, rival, CHAT, 1.0)
        one = rounds.sample(bed, rival, CHAT, seconds)
        turn = rounds.sample(bed, rival, TURN, seconds)
    with bed.firewall(bed.pacer) as rival:
        streams.run(rival.port, STREAMS)
        chunk = rounds.sample(bed, rival, STREAMS, seconds)
    memory = {figure.name: figure.value for figure in figures.memory(bed, True)}
    return Costs(
        one.us_each, turn.us_each, one.beside_us, chunk.us_each,
        memory["worker"], memory["live-stream"],
    )  # fmt: skip


def line(one: Step) -> str:
    """A row of the table, as Markdown."""
    return (
        f"| {one.workers} | {one.connections} | {one.per_second:,.0f} | {one.p50_ms:.1f} ms "
        f"| {one.p99_ms:.1f} ms | {one.us_each:.0f} us | {one.memory_mb:.0f} MB |"
    )


HEAD = (
    "| workers | connections | requests/s | added p50 | added p99 | CPU per request | memory |\n"
    "|---|---|---|---|---|---|---|"
)


CHARTS = {
    "requests/s": ("per_second",),
    "added latency, ms (solid p99, dashed p50)": ("p99_ms", "p50_ms"),
    "processor time per request, \N{MICRO SIGN}s": ("us_each",),
    "memory of all processes, MB": ("memory_mb",),
}
LATENCY_MS_MIN = 0.1  # less is drawn as this: the axis is logarithmic


def draw(done: list[Step], path: Path, caption: str) -> None:
    """Four charts over the connections, a line for each worker count."""
    import matplotlib  # of the extra `plot`; nothing else here needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7.2), sharex=True)
    for one, (title, names) in zip(axes.flat, CHARTS.items(), strict=True):
        for number, workers in enumerate(sorted({s.workers for s in done})):
            mine = [s for s in done if s.workers == workers]
            at = [s.connections for s in mine]
            for name, style in zip(names, ("-", "--"), strict=False):
                values = [max(getattr(s, name), LATENCY_MS_MIN) for s in mine]
                label = f"{workers} worker{'s' if workers > 1 else ''}" if style == "-" else None
                one.plot(at, values, style, marker="o", ms=5, color=f"C{number}", label=label)
        one.set_title(title, fontsize=11, loc="left")
        one.set_xscale("log", base=2)
        one.set_xticks(CONNECTIONS, [str(count) for count in CONNECTIONS])
        one.grid(alpha=0.25)
        one.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            one.set_yscale("log")
            one.yaxis.set_major_formatter("{x:g}")
        else:
            one.set_ylim(0, one.get_ylim()[1] * 1.1)
            one.yaxis.set_major_formatter("{x:,.0f}")
    for one in axes[1]:
        one.set_xlabel("connections, each with a request open")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), frameon=False)
    figure.text(0.01, 0.975, caption, fontsize=10, va="center")
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def caption(told: dict[str, Any]) -> str:
    """What machine and build a chart is of, in a line."""
    cores = told["firewall_cores"]
    return (
        f"{told['processor']}, {told['build']} build, firewall on {cores} core"
        f"{'s' if cores > 1 else ''}, {told['date']}"
    )


def section(told: dict[str, Any], done: list[Step], measured: Costs) -> str:
    """What stands in docs/sizing.md between the markers."""
    return "\n".join(
        [
            f"Measured {told['date']}, commit {told['commit']}, {told['build']} build, "
            f"{told['processor']}, {told['cores']} cores of which the firewall had "
            f"{told['firewall_cores']}; load average {told['load_before']:.1f} before.",
            "",
            HEAD,
            *map(line, done),
            "",
            "![requests/s, added latency, CPU per request and memory](img/tune.png)",
            "",
            *model_section(measured),
        ]
    )


def model_section(measured: Costs) -> list[str]:
    """The model's input and its tables."""
    return [
        f"Into the model go: {measured.chat_us:.0f} us for a chat request, "
        f"{measured.steward_us:.1f} us of it in the steward; "
        f"{measured.transcript_us:.0f} us for an agent's turn of 100 kB; "
        f"{measured.chunk_us:.0f} us for a streamed chunk; "
        f"{measured.worker_mb:.1f} MB for a worker, {measured.stream_kb:.1f} kB for a live stream.",
        "",
        *(f"{sizing.table(measured, family)}\n" for family in sizing.FAMILIES),
    ]


def write(page: Path, text: str) -> None:
    """Replace what stands between the markers."""
    whole = page.read_text()
    before, rest = whole.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Of each step.")
@click.option("--interpreted", is_flag=True, help="The sources as they are, not the release build.")
@click.option("--write", "writes", is_flag=True, help="Into docs/ and load/results/.")
@click.option("--firewall-cores", type=int, help="How many; default: the first half.")
def main(seconds: float, interpreted: bool, writes: bool, firewall_cores: int | None) -> None:
    """Step through worker counts and concurrency, and recommend `workers` for each size."""
    build = INTERPRETED if interpreted else COMPILED
    if packages := missing():
        click.echo(f"missing: {' and '.join(packages)}", err=True)
        sys.exit(1)
    try:
        build.check()
    except NoBuild as problem:
        click.echo(str(problem), err=True)
        sys.exit(1)
    told: dict[str, Any] = asdict(machine.look(build))
    cores = sorted(os.sched_getaffinity(0))
    told["firewall_cores"] = firewall_cores or max(1, len(cores) // 2)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="s4fw-tune-", dir=memory) as folder,
        contextlib.ExitStack() as stack,
    ):
        Path(folder).chmod(0o755)  # nginx's workers drop root and must reach their folders
        bed = Bed(build, Path(folder), stack)
        measured = costs(bed, seconds)
        bed.rival_cores = set(cores[: told["firewall_cores"]])
        bed.load_cores = set(cores[told["firewall_cores"] :]) or bed.rival_cores
        os.sched_setaffinity(0, bed.load_cores)
        click.echo(HEAD)
        done = steps(bed, seconds)
    text = section(told, done, measured)
    click.echo("\n" + "\n".join(model_section(measured)))
    if writes:
        write(PAGE, text)
        draw(done, CHART, caption(told))
        stem = f"tune-{told['date'][:16].translate(str.maketrans('', '', ' :-'))}"
        result = {"machine": told, "costs": asdict(measured), "steps": [asdict(s) for s in done]}
        (RESULTS / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
