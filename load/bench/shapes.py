"""What is compared, each shape with its mark.  The marks are promises: see the README."""

from __future__ import annotations

from dataclasses import dataclass, replace

from load.bench import payloads, wires
from load.bench.rivals import BROKE
from load.bench.streams import Streams
from load.bench.wrk import Load


@dataclass(frozen=True, slots=True)
class Shape:
    """Two loads side by side: processor time of ours each, over that of theirs.

    `theirs` goes to nginx, or to the same firewall (`against_itself`).  `mark`: the ratio that must
    not be passed; None where a figure is told but nothing promised.
    """

    name: str
    says: str
    ours: Load | Streams
    theirs: Load | Streams
    mark: float | None
    against_itself: bool = False
    is_refused: bool = False
    workers: int = 1

    @property
    def unit(self) -> str:
        """What the processor time is counted by."""
        return "chunk" if isinstance(self.ours, Streams) else "request"


@dataclass(frozen=True, slots=True)
class Delay:
    """p99 of ours minus p99 of nginx's, in milliseconds."""

    name: str
    says: str
    load: Load | Streams
    mark_ms: float


CHAT = Load(payloads.chat())
TRANSCRIPT = Load(payloads.transcript())

# 13,000 chunks a second: far from saturation, so that chunks pass one by one.
LONG_STREAMS = Streams(callers=200, chunks=200, every_ms=15)
ANTHROPIC_STREAMS = replace(LONG_STREAMS, wire=wires.ANTHROPIC)
BEDROCK_STREAMS = replace(LONG_STREAMS, wire=wires.BEDROCK)
# About 500 streams a second, each with its first token.
SHORT_STREAMS = Streams(callers=100, chunks=10, every_ms=20, seconds=2.0)


def _both(name: str, says: str, load: Load | Streams, mark: float | None, **more: int) -> Shape:
    return Shape(name, says, load, load, mark, workers=more.get("workers", 1))


SHAPES = (
    _both("chat", "chat request of 0.7 kB, the same again (counts remembered)", CHAT, 2.0),
    _both("chat-new", "chat request of 0.7 kB, each question new", Load(payloads.chat_new()), None),
    Shape(
        "refusal",
        "over budget, against nginx proxying the same request",
        Load(payloads.chat(), tenant=BROKE),
        CHAT,
        1.0,
        is_refused=True,
    ),
    _both("stream", "200 streams of 200 chunks at once", LONG_STREAMS, 1.5),
    _both("stream-anthropic", "the same of Anthropic's messages", ANTHROPIC_STREAMS, 1.5),
    _both("stream-bedrock", "the same of Bedrock's Converse", BEDROCK_STREAMS, 1.5),
    _both("transcript", "agent transcript of 100 kB, its last turn new", TRANSCRIPT, 4.0),
    Shape(
        "cells",
        "10,000 sessions with a budget each, against 10",  # a tenth is what noise may look like
        Load(payloads.chat(), sessions=10_000),
        Load(payloads.chat(), sessions=10),
        1.1,
        against_itself=True,
    ),
    _both("connect", "a new connection for each request", Load(payloads.chat(), closes=True), None),
    _both("workers-2", "chat, 2 workers each", CHAT, None, workers=2),
    _both("workers-4", "chat, 4 workers each", CHAT, None, workers=4),
)

DELAYS = (
    Delay("latency", "chat at half of our load", CHAT, 1.0),
    Delay("first-token", "time to the first token of a stream", SHORT_STREAMS, 1.0),
)

OVERHEAD = "overhead"  # of all that watches; see `load.bench.overhead`
OVERHEAD_MARK = 1.05

FIGURES = ("table", "start", "memory", "pause", "loops")

NAMES = (
    *(shape.name for shape in SHAPES),
    OVERHEAD,
    *(delay.name for delay in DELAYS),
    *FIGURES,
)
