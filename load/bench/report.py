"""The report: on the terminal, and as JSON and Markdown in load/results/."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from load.bench.figures import Figure
from load.bench.machine import Machine
from load.bench.rounds import Comparison
from load.bench.shapes import OVERHEAD

RESULTS = Path(__file__).parents[1] / "results"

# Processes that ran or waited to, over the minute before.
BUSY = 0.7
BUSY_SENTENCE = (
    "Others used this machine: ratios of processor time hold, delays and times are theirs too."
)

# The firewall against itself: what stands under nginx is not nginx's.
OWN = ("cells", OVERHEAD)

Row = tuple[str, ...]
RATIO_HEAD = ("shape", "what", "firewall", "nginx", "ratio", "rounds", "mark", "verdict")
DELAY_HEAD = ("added p99", "what", "firewall", "nginx", "added", "rounds", "mark", "verdict")
FIGURE_HEAD = ("figure", "what", "measured", "mark", "verdict")


def verdict(value: float, mark: float | None, is_least: bool = False) -> str:
    """`ok` or `missed`; a dash where nothing is promised."""
    if mark is None:
        return "-"
    is_kept = value >= mark if is_least else value <= mark
    return "ok" if is_kept else "missed"


def _of(measured: Comparison | Figure) -> str:
    is_least = isinstance(measured, Figure) and measured.is_least
    return verdict(measured.value, measured.mark, is_least)


def _what(says: str, notes: Sequence[str]) -> str:
    return "; ".join((says, *notes))


def _mark(mark: float) -> str:
    """With one decimal, or the two that it has."""
    return f"{mark:.2f}".removesuffix("0")


def ratio_row(c: Comparison) -> Row:
    """The cells of a shape."""
    return (
        c.name,
        _what(c.says, c.notes),
        f"{c.ours:.1f} us/{c.unit}",
        f"{c.theirs:.1f} us" if c.name not in OWN else f"({c.theirs:.1f} us)",
        f"{c.value:.2f}x",
        f"{c.low:.2f}-{c.high:.2f}",
        f"<= {_mark(c.mark)}x" if c.mark else "-",
        _of(c),
    )


def delay_row(c: Comparison) -> Row:
    """The cells of an added delay."""
    return (
        c.name,
        _what(c.says, c.notes),
        f"{c.ours:.2f} ms",
        f"{c.theirs:.2f} ms",
        f"{c.value:+.2f} ms",
        f"{c.low:+.2f} to {c.high:+.2f}",
        f"< {c.mark:.0f} ms",
        _of(c),
    )


def figure_row(f: Figure) -> Row:
    """The cells of a figure."""
    sign = ">=" if f.is_least else "<="
    return (
        f.name,
        _what(f.says, f.notes),
        f"{f.value:,.3g} {f.unit}" if f.value < 1000 else f"{f.value:,.0f} {f.unit}",
        f"{sign} {f.mark:g} {f.unit}" if f.mark is not None else "-",
        _of(f),
    )


class Report:
    """Everything that was measured in one run."""

    def __init__(self, machine: Machine, rounds: int) -> None:
        self.machine = machine
        self.rounds = rounds
        self.ratios: list[Comparison] = []
        self.delays: list[Comparison] = []
        self.figures: list[Figure] = []
        self.failures: dict[str, str] = {}  # what could not be measured, and why

    def missed(self) -> list[str]:
        """The names of what passed its mark."""
        ratios = [c.name for c in (*self.ratios, *self.delays) if _of(c) == "missed"]
        return ratios + [f.name for f in self.figures if _of(f) == "missed"]

    def tables(self) -> list[tuple[Row, list[Row]]]:
        """Heads and rows of what there is."""
        whole = [
            (RATIO_HEAD, [ratio_row(c) for c in self.ratios]),
            (DELAY_HEAD, [delay_row(c) for c in self.delays]),
            (FIGURE_HEAD, [figure_row(f) for f in self.figures]),
        ]
        return [(head, rows) for head, rows in whole if rows]

    def machine_line(self) -> str:
        """The circumstances, in one line."""
        m = self.machine
        return (
            f"{m.date}, commit {m.commit}, {m.build} build, {m.processor} x {m.cores}, "
            f"Linux {m.kernel}, Python {m.python}, {self.rounds} paired rounds, "
            f"load average {m.load_before:.1f} before and {m.load_after:.1f} after"
        )

    def show(self, console: Console) -> None:
        """Print the tables."""
        for head, rows in self.tables():
            console.print()
            shown = Table(box=None, header_style="bold", pad_edge=False)
            for name in head:
                shown.add_column(name, overflow="fold")
            for row in rows:
                colour = {"ok": "green", "missed": "red"}.get(row[-1])
                last = f"[{colour}]{row[-1]}[/]" if colour else row[-1]
                shown.add_row(*row[:-1], last)
            console.print(shown)
        for name, why in self.failures.items():
            console.print(f"not measured: {name}: {why}", style="red", markup=False)
        console.print()
        console.print(self.machine_line(), style="dim", highlight=False)
        if self.machine.load_before > BUSY:
            console.print(BUSY_SENTENCE, style="yellow", highlight=False)
        missed = self.missed()
        console.print(f"missed: {', '.join(missed)}" if missed else "no mark is missed")

    def markdown(self) -> str:
        """The same tables as Markdown."""
        parts = ["# Benchmark", self.machine_line() + "."]
        if self.machine.load_before > BUSY:
            parts.append(BUSY_SENTENCE)
        for head, rows in self.tables():
            lines = [head, tuple("---" for _ in head), *rows]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        parts += [f"Not measured: {name}." for name in self.failures]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path = RESULTS) -> Path:
        """Write both files; returns the path of the Markdown."""
        folder.mkdir(parents=True, exist_ok=True)
        stamp = re.sub(r"[^0-9]", "", self.machine.date)
        path = folder / f"{stamp}-{self.machine.commit.rstrip('+')}.md"
        path.write_text(self.markdown())
        document = {
            "machine": asdict(self.machine),
            "rounds": self.rounds,
            "ratios": [asdict(c) | {"verdict": _of(c)} for c in self.ratios],
            "delays": [asdict(c) | {"verdict": _of(c)} for c in self.delays],
            "figures": [asdict(f) | {"verdict": _of(f)} for f in self.figures],
            "failures": list(self.failures),
        }
        path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        return path
