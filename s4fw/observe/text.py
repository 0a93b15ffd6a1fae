"""One family, one line of the Prometheus text format 0.0.4; numbers as exact decimal text.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from s4fw.observe.meters import Meter
from s4fw.observe.tally import Histogram

Labels = Sequence[tuple[str, str]]
Sample = tuple[Labels, str]


def family(meter: Meter, rows: Sequence[str]) -> Iterator[str]:
    """The lines of one family; none where it has no rows."""
    if rows:
        yield f"# HELP {meter.name} {_escaped_help(meter.sentence)}"
        yield f"# TYPE {meter.name} {meter.kind}"
        yield from rows


def line(name: str, labels: Labels, value: str) -> str:
    """One sample."""
    if not labels:
        return f"{name} {value}"
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{inner}}} {value}"


def histogram(name: str, labels: Labels, counted: Histogram, per_unit: int) -> Iterable[str]:
    """The samples of one histogram, whose integers are parts of `per_unit` of the metric's unit."""
    bounds = [*(decimal(bound, per_unit) for bound in counted.bounds), "+Inf"]
    counts = list(accumulate(counted.counts))
    for bound, count in zip(bounds, counts, strict=True):
        yield line(f"{name}_bucket", [*labels, ("le", bound)], str(count))
    yield line(f"{name}_sum", labels, decimal(counted.total, per_unit))
    yield line(f"{name}_count", labels, str(counts[-1]))


def decimal(value: int, per_unit: int) -> str:
    """An integer of 1/`per_unit`, a power of ten, as exact decimal text."""
    if per_unit == 1:
        return str(value)
    return f"{value // per_unit}.{value % per_unit:0{len(str(per_unit)) - 1}d}"


# A surrogate cannot be encoded; a stray control byte is legal in the format but hurts terminals.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


def _escaped(text: str) -> str:
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
