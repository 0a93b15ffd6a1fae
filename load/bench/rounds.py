"""Paired rounds: ours, theirs, ours, theirs; then the median of the rounds' ratios.

What disturbs the machine for a while disturbs both sides of a round; what disturbs one round is
not the median.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median

from load.bench import cpu, streams
from load.bench.bed import Bed
from load.bench.cpu import TreeChanged
from load.bench.rivals import Rival
from load.bench.shapes import CHAT, Delay, Shape
from load.bench.streams import Streams
from load.bench.wrk import CONNECTIONS, BadRun, Load, Report

BROKEN_SHARE_MAX = 0.001  # of the requests; more and the round measured something else
DELAY_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of a round."""

    us_each: float  # processor time per request or chunk
    beside_us: float  # of it, outside the workers: master, steward
    per_second: float
    p99_ms: float
    joined: float = 1.0  # chunks in each read of a caller


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a shape came to: medians, and the range of the rounds' values."""

    name: str
    says: str
    unit: str
    ours: float
    theirs: float
    value: float  # ours over theirs, or ours minus theirs for a delay
    low: float
    high: float
    mark: float | None
    notes: tuple[str, ...] = ()
    extra: dict[str, float] = field(default_factory=dict)


def sample(
    bed: Bed, rival: Rival, load: Load | Streams, seconds: float, is_refused: bool = False
) -> Sample:
    """Load one rival for a while; the answers must be what the shape is about.

    Raises BadRun, BadStream, TreeChanged.
    """
    before = rival.ticks()
    if isinstance(load, Streams):
        seen = streams.run(rival.stream_port, load)
        spent = cpu.spent(before, rival.ticks(), rival.workers)
        return Sample(
            spent.us / seen.chunks,
            spent.beside_us / seen.chunks,
            0.0,
            seen.p99_ms(),
            seen.chunks / seen.reads,
        )
    report = bed.wrk.run(load, rival.port, seconds)
    spent = cpu.spent(before, rival.ticks(), rival.workers)
    check(report, is_refused)
    return Sample(
        spent.us / report.requests,
        spent.beside_us / report.requests,
        report.requests / report.seconds,
        report.p99_ms,
    )


def check(report: Report, is_refused: bool) -> None:
    """All answers were refusals, or none was.  Raises BadRun."""
    if not report.requests:
        raise BadRun("nothing was answered")
    wanted = report.requests if is_refused else 0
    wrong = abs(report.refused - wanted) + report.broken
    if wrong > report.requests * BROKEN_SHARE_MAX:
        raise BadRun(f"{wrong} of {report.requests} answers were not as they should be")


def compare(bed: Bed, shape: Shape, rounds: int, seconds: float) -> Comparison:
    """Measure a shape with fresh rivals."""
    is_stream = isinstance(shape.ours, Streams)
    with contextlib.ExitStack() as stack:
        behind = bed.pacer if is_stream else bed.fixed
        ours = stack.enter_context(bed.firewall(behind, shape.workers))
        theirs: Rival = ours
        if not shape.against_itself:
            theirs = stack.enter_context(bed.nginx(shape.workers))

        def our_side() -> Sample:
            return sample(bed, ours, shape.ours, seconds, shape.is_refused)

        def their_side() -> Sample:
            return sample(bed, theirs, shape.theirs, seconds)

        _warm(bed, ours, shape.ours, shape.is_refused)
        _warm(bed, theirs, shape.theirs)
        pairs = [(_steady(our_side), _steady(their_side)) for _ in range(rounds)]
        result = _of_pairs(shape, pairs)
        if shape.workers == 1:
            return result
        return _free(bed, ours, theirs, shape, seconds, result)


def _warm(bed: Bed, rival: Rival, load: Load | Streams, is_refused: bool = False) -> None:
    """Let the rival make what it makes once: connections, and a budget cell for each session."""
    if isinstance(load, Streams):
        streams.run(rival.stream_port, replace(load, chunks=20))
        return
    left = max(load.sessions, 1)
    while left > 0:
        report = bed.wrk.run(load, rival.port, 1.0)
        check(report, is_refused)
        left -= report.requests


def _steady(side: Callable[[], Sample]) -> Sample:
    """Measure one side; once more where a process came or went meanwhile."""
    try:
        return side()
    except TreeChanged:
        return side()


def _of_pairs(shape: Shape, pairs: list[tuple[Sample, Sample]]) -> Comparison:
    ratios = [ours.us_each / theirs.us_each for ours, theirs in pairs]
    rate = [median(side[which].per_second for side in pairs) for which in (0, 1)]
    beside_us = median(ours.beside_us for ours, _ in pairs)
    notes = [f"{beside_us:.1f} us of it in steward and master"]
    extra = {"ours_per_second": rate[0], "theirs_per_second": rate[1], "beside_us": beside_us}
    if isinstance(shape.ours, Streams):
        joined = [median(side[which].joined for side in pairs) for which in (0, 1)]
        extra = {
            "ours_chunks_per_read": joined[0],
            "theirs_chunks_per_read": joined[1],
            "beside_us": beside_us,
        }
        notes.append(f"{joined[0]:.2f} chunks a read behind us, {joined[1]:.2f} behind nginx")
    return Comparison(
        shape.name,
        shape.says,
        shape.unit,
        median(ours.us_each for ours, _ in pairs),
        median(theirs.us_each for _, theirs in pairs),
        median(ratios),
        min(ratios),
        max(ratios),
        shape.mark,
        tuple(notes),
        extra,
    )


def _free(
    bed: Bed, ours: Rival, theirs: Rival, shape: Shape, seconds: float, result: Comparison
) -> Comparison:
    """Add the throughput with all cores free to use, which the load generator shares."""
    rates = []
    for rival, load in ((ours, shape.ours), (theirs, shape.theirs)):
        cpu.pin(rival.child.pid, bed.all_cores)
        rates.append(sample(bed, rival, load, seconds).per_second)
    note = f"on all cores {rates[0]:,.0f}/s, nginx {rates[1]:,.0f}/s"
    extra = {"ours_free_per_second": rates[0], "theirs_free_per_second": rates[1]}
    return replace(result, notes=(*result.notes, note), extra=result.extra | extra)


def delay(bed: Bed, wanted: Delay, rounds: int, seconds: float) -> Comparison:
    """Measure an added delay; both sides get requests at the same rate."""
    load = wanted.load
    behind = bed.pacer if isinstance(load, Streams) else bed.fixed
    with bed.firewall(behind) as ours, bed.nginx() as theirs:
        notes: tuple[str, ...] = ()
        if isinstance(load, Load):
            load, note = _at_half_load(bed, ours, load)
            notes = (note,)
        sample(bed, theirs, load, 1.0)
        pairs = [
            (sample(bed, ours, load, seconds).p99_ms, sample(bed, theirs, load, seconds).p99_ms)
            for _ in range(rounds)
        ]
    gaps = [mine - other for mine, other in pairs]
    return Comparison(
        wanted.name,
        wanted.says,
        "ms",
        median(mine for mine, _ in pairs),
        median(other for _, other in pairs),
        median(gaps),
        min(gaps),
        max(gaps),
        wanted.mark_ms,
        notes,
    )


def _at_half_load(bed: Bed, ours: Rival, load: Load) -> tuple[Load, str]:
    """The load that keeps our core half busy, by what a request costs us at full load."""
    us_each = sample(bed, ours, CHAT, 2.0).us_each
    pause_ms = max(1, round(2 * us_each * CONNECTIONS / 1000))
    return replace(load, pause_ms=pause_ms), f"about {CONNECTIONS * 1000 // pause_ms:,} requests/s"
