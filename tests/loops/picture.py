"""What an evaluation found: tables, and the picture in docs/loops.md (needs the extra `plot`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from s4fw.units import usd
from tests.loops import synthetic
from tests.loops.rivals import RIVALS

if TYPE_CHECKING:
    from tests.loops.evaluate import Findings, Score

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "loops.md"
PICTURE = ROOT / "docs" / "img" / "loops.png"
_MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)

_OURS_SAY = "all rules, at their block level"


def _percent(share: float, places: int = 1) -> str:
    return f"{100 * share:.{places}f} %"


def _row(score: Score, says: str) -> str:
    delay = f"{median(score.delays):.0f}" if score.delays else "–"
    return (
        f"| {score.name} | {says} | {_percent(score.recall)} | {_percent(score.share_cut)} |"
        f" {delay} | {score.wrong:,} of {score.benign:,} | {_percent(score.false_share_max, 2)} |"
    )


def tables(findings: Findings) -> Iterator[str]:
    """Everything in Markdown."""
    ours, *rest = findings.scores.values()
    says = {rival.name: rival.says for rival in RIVALS}
    yield (
        f"{findings.sessions:,} sessions of {findings.requests:,} requests; of the recorded ones"
        f" {ours.loops:,} loop and {ours.benign:,} do not. Input of {usd(findings.cost_nusd)} at"
        f" list prices, of which {usd(findings.saved_nusd)} in requests that would have been"
        f" refused. Verdicts that differ from the reference: {len(findings.differences)}."
    )
    yield ""
    yield (
        "| detector | stops at | loops stopped | wasted calls cut | calls of the loop before |"
        " others stopped | at most (95 %) |"
    )
    yield "|---|---|---|---|---|---|---|"
    yield _row(ours, _OURS_SAY)
    for score in sorted(rest, key=lambda score: score.false_share):
        yield _row(score, says[score.name])
    yield ""
    yield "| invented runaway | stopped | calls of the loop before | allowed |"
    yield "|---|---|---|---|"
    for score in findings.families.values():
        if not score.loops:
            continue
        late = f"{min(score.delays)} to {max(score.delays)}" if score.delays else "never"
        within = synthetic.WITHIN.get(score.name)
        allowed = str(within) if within else "stopped by no rule"
        yield f"| {score.name} | {score.caught} of {score.loops} | {late} | {allowed} |"
    yield ""
    benign = [score for score in findings.families.values() if score.benign]
    wrong = sum(score.wrong for score in benign)
    names = ", ".join(score.name for score in benign)
    count = sum(score.benign for score in benign)
    yield f"Invented look-alikes stopped: {wrong} of {count} ({names})."
    yield ""
    yield from _warned(findings, ours, count)


def _warned(findings: Findings, ours: Score, look_alikes: int) -> Iterator[str]:
    """The rules that only warn."""
    yield (
        "| warns only | requests of sessions that do not loop | of these sessions | of those that"
        " loop | of invented look-alikes | invented runaways |"
    )
    yield "|---|---|---|---|---|---|"
    for rule, found in findings.warned.items():
        share = found.requests / max(findings.benign_requests, 1)
        families = ", ".join(
            f"{name} {count} of {findings.families[name].loops}"
            for name, count in sorted(found.families.items())
        )
        yield (
            f"| `{rule}` | {_percent(share, 2)} | {found.benign:,} of {ours.benign:,} |"
            f" {found.loops:,} of {ours.loops:,} | {found.look_alikes} of {look_alikes} |"
            f" {families} |"
        )


def write(findings: Findings, folder: Path) -> None:
    """Put the tables and the picture into the documentation."""
    text = PAGE.read_text("utf-8")
    filled = "\n".join(tables(findings)) + "\n"
    PAGE.write_text(_MARKED.sub(lambda m: f"{m[1]}{filled}{m[2]}", text), "utf-8")
    draw(findings, PICTURE)


# Where the names stand beside their points: to the right, or elsewhere where they would overlap.
_BESIDE = {
    "OpenHands StuckDetector": (9, 1),
    "opencode doom_loop": (9, -7),
    "ZeroClaw LoopDetector": (9, -4),
    "at most 25 calls": (9, -4),
    "gemini-cli": (9, -4),
    "Roo Code": (9, -4),
    "windows of tool names": (-10, 8),
}


def draw(findings: Findings, path: Path) -> None:
    """Loops stopped against others stopped; and how soon."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5.2), width_ratios=(1.15, 1))
    _draw_shares(left, list(findings.scores.values()))
    _draw_delays(right, [s for s in findings.families.values() if s.loops])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(w_pad=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_shares(axes: object, scores: list[Score]) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter

    assert isinstance(axes, Axes)
    for at, score in enumerate(scores):
        x, y = 100 * score.false_share, 100 * score.recall
        bound = 100 * score.false_share_max
        colour = "tab:red" if at == 0 else "0.35"
        axes.plot([x, bound], [y, y], color=colour, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot([bound], [y], marker="|", color=colour, markersize=8, zorder=2)
        axes.scatter([x], [y], s=90 if at == 0 else 45, color=colour, zorder=3)
        shift = _BESIDE.get(score.name, (9, -4) if at == 0 else (0, 9))
        side = "right" if shift[0] < 0 else "left" if shift[0] > 0 else "center"
        start = max(x, bound) if shift[0] > 0 else x
        axes.annotate(
            score.name,
            (start, y),
            textcoords="offset points",
            xytext=shift,
            ha=side,
            fontsize=9.5,
            color=colour,
            fontweight="bold" if at == 0 else "normal",
        )
    axes.set_xscale("symlog", linthresh=0.1, linscale=0.5)
    axes.set_xlim(-0.012, 30)
    axes.set_xticks([0, 0.1, 1, 10])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.set_ylim(-4, 104)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.set_xlabel("sessions that do not loop and would be stopped; the tick: at most (95 %)")
    axes.set_ylabel("looping sessions that would be stopped")
    axes.set_title("Recorded sessions: upper left is better", loc="left", fontsize=11)


def _draw_delays(axes: object, scores: list[Score]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    seen = sorted((s for s in scores if s.delays), key=lambda s: -max(s.delays))
    unseen = [s for s in scores if not s.delays]
    names = [s.name for s in [*unseen, *seen]]
    for place, score in enumerate(seen, len(unseen)):
        low, high = min(score.delays), max(score.delays)
        within = synthetic.WITHIN[score.name]
        axes.barh(place, high, color="#eaa39f", height=0.62)
        axes.barh(place, low, color="tab:red", height=0.62)
        axes.plot([within, within], [place - 0.42, place + 0.42], color="0.2", linewidth=1.6)
    for place, _ in enumerate(unseen):
        axes.text(0.5, place, "never: nothing repeats", va="center", fontsize=9, color="0.35")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_xlim(0, 32)
    axes.set_ylim(-0.7, len(names) - 0.4)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.set_xlabel("calls of the loop before the stop (soonest, latest); line: gate")
    axes.set_title("Invented runaways: shorter is better", loc="left", fontsize=11)
