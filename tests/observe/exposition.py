"""A small strict parser of the Prometheus text format 0.0.4: what it does not know, it refuses.

Grammar: https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) (.+)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
_ESCAPE = re.compile(r"\\(.)")

Labels = frozenset[tuple[str, str]]


@dataclass
class Family:
    """One metric with its help, its type and its samples by their labels."""

    help: str
    kind: str = ""
    samples: dict[Labels, Decimal] = field(default_factory=dict)

    def value(self, **labels: str) -> Decimal:
        return self.samples[frozenset(labels.items())]


def parse(page: bytes) -> dict[str, Family]:
    """All families by name.  Raises AssertionError for whatever a scraper might reject."""
    text = page.decode("utf-8")
    assert text.endswith("\n"), "the last line must end with a line feed"
    families: dict[str, Family] = {}
    current = ""
    for line in text.splitlines():
        if not line:
            continue
        if match := _HELP.fullmatch(line):
            current = match[1]
            assert current not in families, f"{current} comes twice"
            families[current] = Family(match[2])
        elif match := _TYPE.fullmatch(line):
            assert match[1] == current, f"TYPE of {match[1]} is not after its HELP"
            assert not families[current].samples, "TYPE must come before the samples"
            families[current].kind = match[2]
        else:
            match = _SAMPLE.fullmatch(line)
            assert match is not None, f"not a sample: {line!r}"
            assert match[1] == current, f"{match[1]} is not grouped with its family"
            labels = _labels(match[2] or "")
            samples = families[current].samples
            assert labels not in samples, f"a series comes twice: {line!r}"
            samples[labels] = Decimal(match[3])
    for name, family in families.items():
        assert family.kind, f"{name} has no TYPE"
        assert family.samples, f"{name} has no samples"
        assert (family.kind == "counter") == name.endswith("_total"), name
    return families


def _labels(text: str) -> Labels:
    pairs, at = [], 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match is not None, f"not a label: {text[at:]!r}"
        pairs.append((match[1], _ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), match[2])))
        at = match.end()
        assert at == len(text) or text[at] == ",", f"no comma: {text!r}"
        at += 1
    assert len(pairs) == len(dict(pairs)), f"a label comes twice: {text!r}"
    return frozenset(pairs)
