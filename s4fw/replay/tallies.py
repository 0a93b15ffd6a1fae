"""What a replay found, rule by rule: what a block would have saved, and how often it was wrong.

A session counts for the rule that would have blocked it first.  Calls and dollars saved are those
of the requests that would have been refused; what an agent had done instead is not known.  Whether
a would-be block was right is told by labels, where there are some, and by hindsight (see
`s4fw.loops.hindsight`) in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from s4fw.loops.hindsight import wilson_upper
from s4fw.loops.memory import Memory
from s4fw.loops.rules import RULES
from s4fw.loops.tenants import tallies
from s4fw.replay.offline import Outcome
from s4fw.replay.records import BadRecord, Record

SEEN_MAX = 1_000_000  # names of sessions that are kept: the rest counts as one session each

LOOP, BENIGN, AMBIGUOUS = "loop", "benign", "ambiguous"


def read_label(line: bytes) -> tuple[str, str]:
    """A session and its label, of `{"session": "...", "loop": true, "ambiguous": false}`.  Raises
    BadRecord."""
    try:
        document = orjson.loads(line)
        session, is_loop = document["session"], document["loop"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadRecord('must be {"session": "...", "loop": true}') from None
    if not isinstance(session, str) or not isinstance(is_loop, bool):
        raise BadRecord('must be {"session": "...", "loop": true}')
    if document.get("ambiguous") is True:
        return session, AMBIGUOUS
    return session, LOOP if is_loop else BENIGN


@dataclass(slots=True)
class Row:
    """One rule, or all of them."""

    rule: str
    warned: int = 0  # requests that would have got a warning
    episodes: int = 0  # would-be blocks
    sessions: int = 0  # that it would have blocked first
    calls_saved: int = 0
    saved_nusd: int = 0
    turns_of_loops: int = 0  # of all episodes, when they were found
    proved: int = 0
    disproved: int = 0
    uncertain: int = 0
    caught: int = 0  # sessions labelled as loops
    wrong: int = 0  # sessions labelled as none

    def as_json(self, benign: int) -> dict[str, Any]:
        judged = self.proved + self.disproved + self.uncertain
        return asdict(self) | {
            "false_share_max_by_hindsight": round(wilson_upper(self.disproved, judged), 6)
            if judged
            else None,
            "false_share_max_by_labels": round(wilson_upper(self.wrong, benign), 6)
            if benign
            else None,
        }


@dataclass(slots=True)
class Tallies:
    """The sums of one replay."""

    labels: Mapping[str, str] = field(default_factory=dict)
    sessions: int = 0
    requests: int = 0
    cost_nusd: int = 0
    priced_as_other: int = 0
    unread: int = 0  # lines
    refused: dict[str, int] = field(default_factory=dict)  # requests, by code
    labelled: dict[str, int] = field(default_factory=dict)  # sessions that came, by label
    first: dict[str, str] = field(default_factory=dict)  # session -> the rule that blocked it
    _loops_caught: dict[str, int] = field(default_factory=dict)
    _wrong: dict[str, int] = field(default_factory=dict)
    _of_rule: dict[str, int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)  # names of sessions whose requests lie apart

    def saw_record(self, record: Record) -> None:
        """A line came: a session, or a request of one."""
        name = record.session
        if record.is_whole or (name and name not in self._seen):
            self.sessions += 1
            label = self.labels.get(name)
            if label is not None:
                self.labelled[label] = self.labelled.get(label, 0) + 1
        if name and not record.is_whole and len(self._seen) < SEEN_MAX:
            self._seen.add(name)

    def add(self, name: str, outcome: Outcome) -> None:
        """One request of a session; `name` is empty where its record has none."""
        self.requests += 1
        self.cost_nusd += outcome.cost_nusd
        self.priced_as_other += outcome.is_priced_as
        if outcome.refused:
            self.refused[outcome.refused] = self.refused.get(outcome.refused, 0) + 1
        if not outcome.would_block:
            return
        session = name or outcome.session
        if session in self.first:
            return
        self.first[session] = rule = outcome.rule
        self._of_rule[rule] = self._of_rule.get(rule, 0) + 1
        label = self.labels.get(session)
        if label == LOOP:
            self._loops_caught[rule] = self._loops_caught.get(rule, 0) + 1
        elif label == BENIGN:
            self._wrong[rule] = self._wrong.get(rule, 0) + 1

    def rows(self, shared: Memory) -> list[Row]:
        """A row for each rule that found anything, then one of all."""
        rows = {rule: Row(rule) for rule in RULES}
        for tally in tallies(shared):
            row = rows[tally.rule]
            row.warned += tally.warned
            row.episodes += tally.episodes
            row.calls_saved += tally.would_block
            row.saved_nusd += tally.saved_nusd
            row.turns_of_loops += tally.turns
            row.proved += tally.proved
            row.disproved += tally.disproved
            row.uncertain += tally.uncertain
        for rule, row in rows.items():
            row.sessions = self._of_rule.get(rule, 0)
            row.caught = self._loops_caught.get(rule, 0)
            row.wrong = self._wrong.get(rule, 0)
        found = [row for row in rows.values() if row.episodes or row.warned or row.calls_saved]
        return [*found, _sum(found)]

    def as_json(self, shared: Memory) -> dict[str, Any]:
        """All of it, amounts in nano-USD."""
        benign = self.labelled.get(BENIGN, 0)
        *rules, total = self.rows(shared)
        return {
            "sessions": self.sessions,
            "requests": self.requests,
            "cost_nusd": self.cost_nusd,
            "labelled": self.labelled,
            "rules": [row.as_json(benign) for row in rules],
            "total": total.as_json(benign),
            "unread_lines": self.unread,
            "refused": self.refused,
            "priced_as_other": self.priced_as_other,
        }


def _sum(rows: list[Row]) -> Row:
    total = Row("all")
    for name in _figures():
        setattr(total, name, sum(getattr(row, name) for row in rows))
    return total


def _figures() -> Iterator[str]:
    return (name for name in Row.__slots__ if name != "rule")
