"""What the watch for loops adds to a request: `python -m load.bench.watched FILE`.

Recorded sessions are replayed as the requests that their agents sent, through the stages of a
worker with and without the watch, in turn.  For each request the best of the rounds counts on each
side, because everything else on a shared machine is noise; what is told is the difference, once the
memory that the watch shares with other workers is mapped.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path

from s4fw import dialects
from s4fw.config.load import parse
from s4fw.core.exchange import Exchange
from s4fw.core.pipeline import Pipeline
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.process.estate import rates_of
from s4fw.replay import records
from s4fw.replay.lines import lines_of
from s4fw.replay.offline import Offline, finished
from s4fw.replay.records import Asked
from s4fw.stages.anomaly import Anomaly

CONFIG = "upstreams: {openai: {base_url: https://api.openai.com}}"
MODEL = "gpt-4o"
ROUNDS = 5
SESSIONS = 250  # every third of the sample


def bodies(path: Path) -> list[list[Asked]]:
    """The requests of each session, all of a model with a price."""
    sessions = []
    for line in islice(lines_of(path), 0, SESSIONS * 3, 3):
        assert line is not None
        session = json.loads(line) | {"model": MODEL}
        sessions.append(list(records.read(json.dumps(session).encode()).requests))
    return sessions


def timed(pipeline: Pipeline, asked: Asked) -> int:
    """Nanoseconds of one request, from its body to its end."""
    route = dialects.match(b"POST", asked.path)
    assert not isinstance(route, Block)
    request = Request(b"POST", asked.path, b"", {b"x-session-id": asked.headers[b"x-session-id"]})
    request.body = asked.body
    x = Exchange(route, request)
    began = time.perf_counter_ns()
    verdict = finished(pipeline.admit(x))
    x.is_sent, x.status, x.billed_nusd = True, 200, 1_000_000
    pipeline.finish(x)
    ended = time.perf_counter_ns()
    assert verdict is None, verdict
    return ended - began


def one_round(sessions: list[list[Asked]]) -> tuple[list[int], list[int]]:
    """The times of all requests, with the watch and without it."""
    config = parse(CONFIG, "", {})
    rates = rates_of(config)
    whole, other = Offline(config, rates, MODEL), Offline(config, rates, MODEL)
    bytes(whole.memory.words)  # a worker maps each page once: not a matter of the median request
    bare = Pipeline([s for s in other.pipeline.stages if not isinstance(s, Anomaly)])
    pairs = [
        (timed(whole.pipeline, asked), timed(bare, asked)) for asked in
        (asked for session in sessions for asked in session)
    ]  # fmt: skip
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def figures(path: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds: the median request with and without, and what is added at p50 and p99."""
    sessions = bodies(path)
    measured = [one_round(sessions) for _ in range(rounds)]
    watched = [min(times) for times in zip(*(one[0] for one in measured), strict=True)]
    bare = [min(times) for times in zip(*(one[1] for one in measured), strict=True)]
    added = sorted(a - b for a, b in zip(watched, bare, strict=True))
    count = len(added)
    return {
        "requests": count,
        "with": sorted(watched)[count // 2] / 1000,
        "without": sorted(bare)[count // 2] / 1000,
        "p50": added[count // 2] / 1000,
        "p99": added[count * 99 // 100] / 1000,
    }


if __name__ == "__main__":
    print(json.dumps(figures(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else ROUNDS)))
