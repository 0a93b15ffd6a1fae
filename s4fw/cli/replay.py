"""`s4fw replay`: what the loop breaker would have done with recorded traffic.  Nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from s4fw.cli import show
from s4fw.cli.show import Column
from s4fw.config.load import load, parse
from s4fw.process.estate import rates_of
from s4fw.replay import lines, records
from s4fw.replay.lines import Progress as Report
from s4fw.replay.offline import Offline
from s4fw.replay.tallies import BENIGN, LOOP, Row, Tallies, read_label
from s4fw.units import usd

PRICED_AS = "gpt-4o"
SWEEP_SESSIONS = 5_000  # between two looks at the sessions that are over

# What holds without a configuration: everything in shadow.
_PLAIN = """
upstreams:
  openai: {base_url: https://api.openai.com}
  anthropic: {base_url: https://api.anthropic.com}
"""

_Paths = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=_Paths, metavar="FILE...")
@click.option("--labels", type=_Paths, help='Lines of {"session": ..., "loop": true or false}.')
@click.option("-c", "--config", type=_Paths, help="Thresholds, lists and prices; else defaults.")
@click.option(
    "--priced-as",
    default=PRICED_AS,
    show_default=True,
    metavar="MODEL",
    help="Whose price those models have that have none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with amounts in nano-USD.")
def command(
    files: tuple[Path, ...],
    labels: Path | None,
    config: Path | None,
    priced_as: str,
    as_json: bool,
) -> None:
    """Put recorded requests through the loop breaker, offline, and tell what each rule would save.

    FILE holds a JSON object a line, may be packed with gzip, and is one of: transcripts
    ({"messages": [...], "calls": [...], "session": ...}), request bodies of OpenAI's or
    Anthropic's API, or log lines with such a body under "body", "request" or "params".
    """
    configured = load(config, os.environ) if config is not None else parse(_PLAIN, "", {})
    rates = rates_of(configured)
    if rates.row(priced_as) is None:
        raise click.UsageError(f"--priced-as: {priced_as} has no price; see `s4fw prices show`")
    offline = Offline(configured, rates, priced_as)
    tallies = replayed(files, labels, offline)
    if as_json:
        show.print_json(tallies.as_json(offline.memory))
    else:
        render(show.terminal(), tallies, offline, priced_as)


def replayed(files: Iterable[Path], labels: Path | None, offline: Offline) -> Tallies:
    """Replay all files, with a bar where somebody watches.  Raises click's exceptions."""
    paths = list(files)
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("replaying"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[requests]:,} requests"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    size = sum(path.stat().st_size for path in paths)
    tallies = Tallies(_labels(labels) if labels is not None else {})
    with shown if console.is_terminal else nullcontext():
        bar = shown.add_task("", total=size, requests=0)

        def read(count: int) -> None:
            shown.update(bar, advance=count, requests=tallies.requests)

        for path in paths:
            try:
                replay_file(path, offline, tallies, read)
            except (OSError, EOFError) as fault:
                raise click.ClickException(f"cannot read {path}: {fault}") from fault
    offline.settle()
    return tallies


def replay_file(path: Path, offline: Offline, tallies: Tallies, progress: Report) -> None:
    """Replay the records of one file into the sums.  Raises OSError, EOFError."""
    for line in lines.lines_of(path, progress):
        try:
            if line is None:
                raise records.BadRecord("is too long")
            record = records.read(line)
        except records.BadRecord:
            tallies.unread += 1
            continue
        tallies.saw_record(record)
        for asked in record.requests:
            tallies.add(record.session, offline.ask(asked))
        if tallies.sessions % SWEEP_SESSIONS == 0:
            offline.settle()


def _labels(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines.lines_of(path), 1):
        try:
            session, label = read_label(line or b"")
        except records.BadRecord as bad:
            raise click.ClickException(f"{path}, line {number}: {bad}") from bad
        found[session] = label
    return found


# -- for people ---


def render(console: Console, tallies: Tallies, offline: Offline, priced_as: str) -> None:
    """The table of rules, and below it what it was made of."""
    *rows, total = tallies.rows(offline.memory)
    benign = tallies.labelled.get(BENIGN, 0)
    has_labels = bool(tallies.labelled)
    listing = show.Listing(_columns(total, benign, has_labels), console)
    for row in rows:
        listing.add(*_cells(row, benign, has_labels))
    if rows:
        listing.print()
    else:
        console.print("no rule found anything")
    for sentence in _notes(tallies, total, priced_as):
        console.print(show.note(sentence))


def _columns(total: Row, benign: int, has_labels: bool) -> list[Column]:
    """Labels say more than hindsight: where there are some, they stand in its place."""
    texts = _cells(total, benign, has_labels)
    names = ["Rule", "Warned", "Sessions", "Blocks", "Calls", "Saved", "Turns"]
    names += ["Caught", "Falsely", "at most"] if has_labels else ["Right", "Wrong", "at most"]
    wide = {"Warned", "Sessions", "Turns"}
    return [
        Column(name, name != "Rule", name in wide, text)
        for name, text in zip(names, texts, strict=True)
    ]


def _cells(row: Row, benign: int, has_labels: bool) -> list[str]:
    facts = row.as_json(benign)
    cells = [
        row.rule,
        show.count(row.warned),
        show.count(row.sessions),
        show.count(row.episodes),
        show.count(row.calls_saved),
        usd(row.saved_nusd),
        f"{row.turns_of_loops / row.episodes:.1f}" if row.episodes else "",
    ]
    if has_labels:
        bound = facts["false_share_max_by_labels"]
        return [*cells, show.count(row.caught), show.count(row.wrong), percent(bound)]
    bound = facts["false_share_max_by_hindsight"]
    return [*cells, show.count(row.proved), show.count(row.disproved), percent(bound)]


def percent(share: float | None) -> str:
    """A share for people, nothing where there is none."""
    return "" if share is None else f"{100 * share:.2f}%"


def _notes(tallies: Tallies, total: Row, priced_as: str) -> Iterable[str]:
    yield (
        "calls and dollars: of the requests that would have been refused; turns: of a loop when it"
        " was found; at most: the share of false ones, with 95 % confidence"
    )
    if tallies.labelled:
        judged = f"{total.proved:,} right, {total.disproved:,} wrong, {total.uncertain:,} open"
        yield f"by what came after, without the labels: {judged}"
    yield (
        f"{tallies.sessions:,} sessions, {tallies.requests:,} requests of"
        f" {usd(tallies.cost_nusd)}: input at the uncached rate, output where it was recorded"
    )
    if tallies.labelled:
        said: dict[str, Any] = tallies.labelled
        yield (
            f"labels: {said.get(LOOP, 0):,} loops, {said.get(BENIGN, 0):,} others,"
            f" {said.get('ambiguous', 0):,} ambiguous; {total.caught:,} loops caught,"
            f" {total.wrong:,} others blocked"
        )
    if tallies.priced_as_other:
        yield f"{tallies.priced_as_other:,} requests of models without a price: as {priced_as}"
    if tallies.unread:
        yield f"{tallies.unread:,} lines stand for no request and were left out"
    for code, count in tallies.refused.items():
        yield f"{count:,} requests were refused before a verdict: {code}"
