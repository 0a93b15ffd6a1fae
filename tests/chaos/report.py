"""What a run has shown: kept as JSON, printed as a table, written into docs/chaos-report.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from tests.chaos.case import Case

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "chaos-report.md"
HELD, BROKEN, NOT_HERE, NOT_YET = "held", "BROKEN", "not here", "not played"
_BEGIN, _END = "<!-- make chaos -->", "<!-- end of make chaos -->"
_COLOURS = {HELD: "green", BROKEN: "bold red", NOT_HERE: "yellow", NOT_YET: "dim"}


@dataclass(slots=True)
class Verdict:
    """Of one case: a word, what came of it, and how long it took."""

    id: str
    word: str
    outcome: str
    seconds: float = 0.0


class Results:
    """The verdicts so far; kept over runs, so that a long one can be broken off."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        self._of: dict[str, Verdict] = {}
        if path.exists() and not fresh:
            self._of = {one["id"]: Verdict(**one) for one in json.loads(path.read_text())}

    def has(self, case_id: str) -> bool:
        """Whether a case was played and need not be again; what was broken is tried again."""
        return case_id in self._of and self._of[case_id].word != BROKEN

    def keep(self, verdict: Verdict) -> None:
        """Remember one."""
        self._of[verdict.id] = verdict
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps([asdict(one) for one in self._of.values()], indent=1))

    def of(self, case_id: str) -> Verdict:
        """The verdict of a case."""
        return self._of.get(case_id) or Verdict(case_id, NOT_YET, "")


def table(cases: Sequence[Case], results: Results) -> Table:
    """For a terminal."""
    made = Table(title="chaos", show_lines=False)
    for name in ("case", "what was done", "money outcome", "verdict"):
        made.add_column(name, overflow="fold")
    for case in cases:
        verdict = results.of(case.id)
        colour = _COLOURS[verdict.word]
        made.add_row(case.id, case.done, verdict.outcome, f"[{colour}]{verdict.word}")
    return made


def write(cases: Sequence[Case], results: Results, seed: int) -> Path:
    """Replace the generated part of the page; what people wrote behind it stays."""
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{_generated(cases, results, seed)}{_END}{after}")
    return PAGE


def _generated(cases: Sequence[Case], results: Results, seed: int) -> str:
    verdicts = [results.of(case.id) for case in cases]
    words = Counter(verdict.word for verdict in verdicts)
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, Linux "
        f"{platform.release()}, commit {_commit()}, seed {seed}: "
        + ", ".join(f"{count} {word}" for word, count in words.items())
        + ".",
        "",
        "| case | what was done | expected | outcome | verdict | s |",
        "|---|---|---|---|---|---:|",
    ]
    for case, verdict in zip(cases, verdicts, strict=True):
        cells = (case.id, case.done, case.expected, verdict.outcome, verdict.word)
        row = " | ".join(cell.replace("|", "\\|") for cell in cells)
        lines.append(f"| {row} | {verdict.seconds:.0f} |")
    return "\n".join(lines) + "\n"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"
