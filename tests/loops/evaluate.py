"""`make loops-eval`: the loop breaker over recorded and invented sessions, beside other tools.

    python -m tests.loops.evaluate [DATA] [--write]

DATA is a folder of *.jsonl.gz with sessions ({"session", "messages", "calls", "protocol"}), and
labels.jsonl.gz with what they are ({"session", "loop", "ambiguous", "spans": [{"c0", "c1"}]}); the
sample in tests/samples/loops holds both in each line.  The sessions go through the real stages
(`s4fw.replay`), as they do for `s4fw replay`.  Exit code 1 where a gate does not hold.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from s4fw.config.load import parse
from s4fw.loops.hindsight import wilson_upper
from s4fw.loops.rules import WARN_ONLY
from s4fw.loops.tenants import tallies
from s4fw.process.estate import rates_of
from s4fw.replay import records
from s4fw.replay.lines import lines_of
from s4fw.replay.offline import Offline, Outcome
from tests.loops import reference, synthetic
from tests.loops.rivals import RIVALS
from tests.loops.rivals.steps import first_stop, steps_of

SAMPLE = Path(__file__).parents[1] / "samples" / "loops"
OURS = "this firewall"
MODEL = "gpt-4o"  # whose price those have that have none

_CONFIG = """
upstreams: {openai: {base_url: https://api.openai.com}}
loops: {mode: shadow%s}
"""


def offline(more: str = "") -> Offline:
    """The stages with a configuration of their own."""
    config = parse(_CONFIG % more, "", {})
    return Offline(config, rates_of(config), MODEL)


# -- sessions and their labels ---


@dataclass(frozen=True, slots=True)
class Label:
    """What a session is, by hindsight: `wasted` are the requests that only went on with a loop,
    `onset` is the first request of it."""

    is_loop: bool
    is_ambiguous: bool = False
    onset: int | None = None
    wasted: frozenset[int] = frozenset()


def label_of(document: dict[str, Any]) -> Label:
    """The label that a line holds."""
    spans = document.get("spans") or []
    wasted = {call for s in spans for call in range(s["c0"] + 1, s["c1"] + 1)}
    onset = min((s["c0"] for s in spans), default=None)
    return Label(document["loop"], document.get("ambiguous", False), onset, frozenset(wasted))


def recorded(folder: Path) -> Iterator[tuple[dict[str, Any], Label]]:
    """All sessions of a folder that have a label."""
    labels: dict[str, Label] = {}
    known = folder / "labels.jsonl.gz"
    if known.exists():
        for line in gzip.decompress(known.read_bytes()).splitlines():
            document = json.loads(line)
            labels[document["session"]] = label_of(document)
    for path in sorted(folder.glob("*.jsonl.gz")):
        if path == known:
            continue
        for packed in lines_of(path):
            assert packed is not None
            session = json.loads(packed)
            if "loop" in session:
                yield session, label_of(session)
            elif session["session"] in labels:
                yield session, labels[session["session"]]


# -- what is measured ---


@dataclass(slots=True)
class Score:
    """How one detector did."""

    name: str
    loops: int = 0
    caught: int = 0
    wasted: int = 0
    cut: int = 0
    benign: int = 0
    wrong: int = 0
    delays: list[int] = field(default_factory=list)

    def add(self, label: Label, stop: int | None) -> None:
        """Note the first request of a session that would have been stopped."""
        if label.is_ambiguous:
            return
        if not label.is_loop:
            self.benign += 1
            self.wrong += stop is not None
            return
        self.loops += 1
        self.wasted += len(label.wasted)
        if stop is not None:
            self.caught += 1
            self.cut += sum(call >= stop for call in label.wasted)
            self.delays.append(max(stop - (label.onset or 0), 0))

    @property
    def recall(self) -> float:
        return self.caught / self.loops if self.loops else 0.0

    @property
    def share_cut(self) -> float:
        return self.cut / self.wasted if self.wasted else 0.0

    @property
    def false_share(self) -> float:
        return self.wrong / self.benign if self.benign else 0.0

    @property
    def false_share_max(self) -> float:
        return wilson_upper(self.wrong, self.benign)


@dataclass(slots=True)
class Warned:
    """What a rule that only warns said, in recorded sessions and in invented ones."""

    requests: int = 0  # of recorded sessions that do not loop
    benign: int = 0  # of those sessions, how many it warned of
    loops: int = 0  # and of those that do
    look_alikes: int = 0  # of the invented ones
    families: dict[str, int] = field(default_factory=dict)  # of runaways

    def add(self, label: Label, family: str | None, requests: int) -> None:
        """Note a session of which it warned in so many requests."""
        if family is not None:
            if label.is_loop:
                self.families[family] = self.families.get(family, 0) + 1
            else:
                self.look_alikes += 1
        elif label.is_loop:
            self.loops += 1
        elif not label.is_ambiguous:
            self.requests += requests
            self.benign += 1


def warned_of(stages: Offline) -> dict[str, int]:
    """Requests in which each rule that only warns spoke, since the start."""
    found = dict.fromkeys(sorted(WARN_ONLY), 0)
    for tally in tallies(stages.memory):
        if tally.rule in WARN_ONLY:
            found[tally.rule] += tally.warned + tally.would_block
    return found


def replayed(stages: Offline, session: dict[str, Any]) -> list[Outcome]:
    """What the real stages say of each request of a session."""
    record = records.read(json.dumps(session).encode())
    return [stages.ask(asked) for asked in record.requests]


def said(outcome: Outcome) -> reference.Verdict:
    """A would-be block as the reference says it."""
    if not outcome.would_block:
        return None
    return outcome.rule, outcome.period, outcome.turns


def first_block(outcomes: Iterable[Outcome]) -> int | None:
    """The first request that would have been refused."""
    return next((at for at, outcome in enumerate(outcomes) if outcome.would_block), None)


@dataclass(slots=True)
class Findings:
    """All of a run."""

    sessions: int = 0
    requests: int = 0
    cost_nusd: int = 0
    saved_nusd: int = 0
    differences: list[str] = field(default_factory=list)  # from the reference
    refused: int = 0
    wrong: list[str] = field(default_factory=list)  # sessions falsely blocked by us
    scores: dict[str, Score] = field(default_factory=dict)
    families: dict[str, Score] = field(default_factory=dict)
    warned: dict[str, Warned] = field(default_factory=dict)
    benign_requests: int = 0

    def of(self, name: str) -> Score:
        return self.scores.setdefault(name, Score(name))


def evaluate(
    sessions: Iterable[tuple[dict[str, Any], Label]],
    tick: Callable[[], None] = lambda: None,
) -> Findings:
    """Replay sessions through everything."""
    findings = Findings()
    # The reference knows no tools that may repeat and no patience: so with it both are off.
    strict, real = offline(", allowed_tools: []"), offline()
    for session, label in sessions:
        timeless = {name: value for name, value in session.items() if name != "t"}
        turns = reference.turns_of(session)
        for at, outcome in enumerate(replayed(strict, timeless)):
            expected = reference.verdict(turns[:at])
            if said(outcome) != expected:
                findings.differences.append(
                    f"{session['session']}, request {at}: {said(outcome)}, reference {expected}"
                )
        before = warned_of(real)
        outcomes = replayed(real, session)
        findings.sessions += 1
        findings.requests += len(outcomes)
        findings.cost_nusd += sum(outcome.cost_nusd for outcome in outcomes)
        findings.saved_nusd += sum(o.cost_nusd for o in outcomes if o.would_block)
        findings.refused += sum(bool(outcome.refused) for outcome in outcomes)
        stop = first_block(outcomes)
        if stop is not None and not label.is_loop and not label.is_ambiguous:
            findings.wrong.append(session["session"])
        family = session.get("family")
        for rule, count in warned_of(real).items():
            warned = findings.warned.setdefault(rule, Warned())
            if count > before[rule]:
                warned.add(label, family, count - before[rule])
        if family is None:
            if not label.is_loop and not label.is_ambiguous:
                findings.benign_requests += len(outcomes)
            findings.of(OURS).add(label, stop)
            steps = steps_of(session)
            for rival in RIVALS:
                findings.of(rival.name).add(label, first_stop(rival, steps))
        else:
            findings.families.setdefault(family, Score(family)).add(label, stop)
        tick()
    strict.memory.close()
    real.memory.close()
    return findings


# -- gates ---


def broken_gates(findings: Findings) -> Iterator[str]:
    """What must hold and does not, one sentence each."""
    if findings.differences:
        yield f"{len(findings.differences)} verdicts differ: {findings.differences[:5]}"
    if findings.wrong:
        yield f"{len(findings.wrong)} sessions were falsely blocked: {findings.wrong[:5]}"
    if findings.refused:
        yield f"{findings.refused} requests were refused before a verdict"
    ours = findings.of(OURS)
    if ours.loops and ours.share_cut < 0.5:
        yield f"only {ours.share_cut:.1%} of the wasted calls were cut"
    for name, within in synthetic.WITHIN.items():
        score = findings.families.get(name)
        if score is None or not score.loops:
            continue
        if score.caught < score.loops:
            yield f"{name}: {score.caught} of {score.loops} were found"
        elif max(score.delays) > within:
            yield f"{name}: found after {max(score.delays)} calls instead of {within}"


def delay(score: Score) -> str:
    """The delays of a detector in words."""
    return f"{median(score.delays):.0f}" if score.delays else ""


def main() -> None:
    """Run it, print the tables, and with --write put them into docs/loops.md."""
    from rich.progress import track

    from tests.loops import picture

    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    folder = Path(arguments[0]) if arguments else SAMPLE
    sessions = [*recorded(folder), *synthetic.sessions()]
    findings = evaluate(track(sessions, "replaying", transient=True))
    for line in picture.tables(findings):
        print(line)
    broken = list(broken_gates(findings))
    for sentence in broken:
        print(f"BROKEN: {sentence}")
    if "--write" in sys.argv:
        picture.write(findings, folder)
    if not broken:
        print("every gate holds")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
