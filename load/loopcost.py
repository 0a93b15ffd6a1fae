"""What the watch for loops adds to a request: processor time of the stage, over real sessions.

    python -m load.loopcost [FILE.jsonl.gz ...]

Each file holds sessions as tests/samples/loops does; every prefix of one is read as a request, as
its agent sent it, and the stage is timed around it.  The best of five rounds counts for each
request, because on a shared machine everything else is noise.  Written down in docs/loops.md.
"""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from s4fw.core.attribution import Attribution
from s4fw.core.counter import COUNTERS
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import ROUTES
from s4fw.loops.memory import BYTES_DEFAULT, Memory
from s4fw.loops.policy import Policies, Policy
from s4fw.loops.watch import Watch
from s4fw.stages.anomaly import Anomaly

SAMPLE = Path(__file__).parents[1] / "tests" / "samples" / "loops" / "sessions.jsonl.gz"
ROUNDS = 5
TURN_MS = 5_000
CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
PAYER = Attribution(("key", "acme", "support", "unattributed", None, None, "gpt-4o", "openai"))


def sessions(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """All sessions of all files."""
    for path in paths:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            yield orjson.loads(line)


def bodies(session: dict[str, Any]) -> list[bytes]:
    """The requests of a session."""
    return [
        orjson.dumps({"model": "gpt-4o", "messages": session["messages"][:end]})
        for end in session["calls"]
    ]


def read(body: bytes) -> Exchange:
    """One request as the stage gets it."""
    x = Exchange(CHAT, Request(b"POST", CHAT.upstream_path, b"", {b"authorization": b"Bearer x"}))
    x.request.body = body
    CHAT.dialect.read(x)
    x.attribution = PAYER
    return x


async def at_once(work: Callable[[], Any]) -> Any:
    """In place of a thread, which nothing in the sample is long enough for."""
    return work()


def timed(stage: Anomaly, x: Exchange) -> int:
    """Nanoseconds of one request in the stage, its end included."""
    began = time.perf_counter_ns()
    verdict = stage.admit(x)
    admitted = time.perf_counter_ns()
    assert verdict is None, verdict
    x.is_sent, x.billed_nusd, x.status = True, 1_000_000, 200
    finishes = time.perf_counter_ns()
    stage.finish(x)
    return admitted - began + time.perf_counter_ns() - finishes


def one_round(all_bodies: list[list[bytes]]) -> list[int]:
    """The time of each request, sessions one after the other."""
    clock = [0]
    memory = Memory(BYTES_DEFAULT)
    bytes(memory.words)  # mapped, as a worker's is after a while
    counters = memoryview(bytearray(8 * len(COUNTERS))).cast("q")
    watch = Watch(memory, Policies(Policy()))
    stage = Anomaly(watch, at_once, counters, frozenset(), lambda: clock[0])
    times = []
    for of_session in all_bodies:
        for body in of_session:
            clock[0] += TURN_MS
            times.append(timed(stage, read(body)))
    memory.close()
    return times


def main() -> None:
    """Print the percentiles."""
    paths = [Path(name) for name in sys.argv[1:]] or [SAMPLE]
    all_bodies = [bodies(session) for session in sessions(paths)]
    best = [
        min(times) for times in zip(*(one_round(all_bodies) for _ in range(ROUNDS)), strict=True)
    ]
    best.sort()
    shown = (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))
    figures = [
        f"{name} {best[min(len(best) * p // 100, len(best) - 1)] / 1000:.1f} us"
        for name, p in shown
    ]
    print(f"{len(best)} requests of {len(all_bodies)} sessions:", ", ".join(figures))


if __name__ == "__main__":
    main()
