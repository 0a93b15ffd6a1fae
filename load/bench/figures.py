"""Figures that need no rival: table, start and respawn, memory, the loop's longest pause."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from load.bench import cpu, payloads
from load.bench.bed import Bed
from load.bench.children import ROOT
from load.bench.rivals import Firewall
from load.bench.wires import OPENAI

CONNECTIONS = 2000
STREAMS = 200
WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One value with its mark; `is_least` where more is better."""

    name: str
    says: str
    unit: str
    value: float
    mark: float | None
    is_least: bool = False
    notes: tuple[str, ...] = ()


# The table


def table(bed: Bed, is_quick: bool) -> list[Figure]:
    """Reserve and settle over 4 cells, from one process and from two on the same cells."""
    says = "reserve and settle over 4 cells, from Python"
    total = sum(1000 / ns for ns in _pair_ns(2))
    return [
        Figure("reserve-settle", says, "ns", _pair_ns(1)[0], 1000),
        Figure("table-total", "the same from 2 processes on one budget", "M/s", total, 1.0, True),
    ]


def _pair_ns(processes: int) -> list[float]:
    program = ROOT / "native" / "tests" / "bench_table.py"
    done = subprocess.run(
        [sys.executable, program, str(processes)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
    )
    return parse_pairs(done.stdout, 4)


def parse_pairs(output: str, cells: int) -> list[float]:
    """The nanoseconds that each process reported for so many cells."""
    found = re.findall(rf"^{cells} cells, process \d+: +(\d+) ns", output, re.MULTILINE)
    return [float(ns) for ns in found]


# Start and respawn


def start(bed: Bed, is_quick: bool) -> list[Figure]:
    """From the command to ready, and from SIGKILL of the only worker to the next answer."""
    ready_s, respawn_s = [], []
    for _ in range(3 if is_quick else 7):
        with bed.firewall(bed.fixed) as rival:
            ready_s.append(rival.ready_s)
            get(rival.port, "/healthz")
            os.kill(workers(rival)[0], signal.SIGKILL)
            killed_s = time.monotonic()
            get(rival.port, "/healthz")
            respawn_s.append(time.monotonic() - killed_s)
    return [
        Figure("ready", "from start to ready", "s", median(ready_s), 1.5),
        Figure("respawn", "from SIGKILL of a worker to an answer", "s", median(respawn_s), 0.3),
    ]


# Memory


def memory(bed: Bed, is_quick: bool) -> list[Figure]:
    """Of one more worker, an idle connection, a live stream."""
    few, many = 1, 3
    with bed.firewall(bed.fixed, few) as rival:
        tree_few = pss_bytes(*cpu.tree(rival.child.pid))
    with bed.firewall(bed.fixed, many) as rival:
        tree_many = pss_bytes(*cpu.tree(rival.child.pid))
    worker = (tree_many - tree_few) / (many - few) / 2**20
    return [
        Figure("worker", "one more idle worker (PSS)", "MB", worker, 20),
        _idle(bed),
        _live(bed),
    ]


def _idle(bed: Bed) -> Figure:
    with bed.firewall(bed.fixed) as rival:
        pid = workers(rival)[0]
        says = "an idle kept connection, after one request"
        body = payloads.http(payloads.chat().encode())
        _hold(rival.port, body, 50)  # what is made once is made now
        before = pss_bytes(pid)
        each = (_hold(rival.port, body, CONNECTIONS, lambda: pss_bytes(pid)) - before) / CONNECTIONS
        return Figure("idle-connection", says, "kB", each / 1000, 10)


def _live(bed: Bed) -> Figure:
    with bed.firewall(bed.pacer) as rival:
        pid = workers(rival)[0]
        body = OPENAI.request(30, 100)
        _hold(rival.port, OPENAI.request(2, 1), 20)
        before = pss_bytes(pid)

        def look() -> int:
            time.sleep(1.0)  # ten chunks into the streams
            return pss_bytes(pid)

        each = (_hold(rival.port, body, STREAMS, look) - before) / STREAMS
        return Figure("live-stream", "a live stream", "kB", each / 1000, 64)


def _hold(port: int, request: bytes, count: int, look: Callable[[], int] = lambda: 0) -> int:
    """Open connections, send the request on each and read the beginning of the answer; then look.

    Connections are opened in groups, so that no queue overflows.
    """
    with contextlib.ExitStack() as stack:
        opened = []
        for number in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S))
            one.sendall(request)
            opened.append(one)
            if number % 50 == 49:
                _read_all(opened[-50:])
        return look()


def _read_all(connections: list[socket.socket]) -> None:
    for one in connections:
        got = one.recv(65536)
        assert got.startswith(b"HTTP/1.1 200"), got[:200]


def pss_bytes(*pids: int) -> int:
    """The proportional share of memory of these processes together (proc_pid_smaps(5))."""
    return sum(parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids)


def parse_pss(text: str) -> int:
    """The `Pss:` line, in bytes."""
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    assert found is not None, text
    return int(found[1]) * 1024


# The longest pause of the loop


def pause(bed: Bed, is_quick: bool) -> list[Figure]:
    """How long another caller of the same worker waits at most while a big body is worked on."""
    figures = []
    repeats = 2 if is_quick else 5
    with bed.firewall(bed.pacer) as rival:
        quiet = median(_longest_ms(rival.port, lambda: time.sleep(0.5)) for _ in range(repeats))
        for name, size in (("512 kB", 512 * 1024), ("32 MiB", 32 * 2**20)):
            longest = []
            for number in range(repeats):
                request = payloads.http(payloads.big(size, f"{name} {number}"))
                longest.append(_longest_ms(rival.port, partial(_send, rival.port, request)))
            note = f"at most {max(longest):.1f}; without it {quiet:.1f}"
            says = f"longest pause of the loop, new body of {name}"
            key = f"pause-{name.replace(' ', '').lower()}"
            figures.append(Figure(key, says, "ms", median(longest), None, notes=(note,)))
    return figures


def _longest_ms(port: int, action: Callable[[], None]) -> float:
    """The longest answer of /healthz while `action` runs in a thread."""
    thread = threading.Thread(target=action)
    longest_s = 0.0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    thread.start()
    while thread.is_alive():
        asked_s = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        longest_s = max(longest_s, time.perf_counter() - asked_s)
        time.sleep(0.0005)
    thread.join()
    connection.close()
    return longest_s * 1000


def _send(port: int, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


# The watch for loops


def loops(bed: Bed, is_quick: bool) -> list[Figure]:
    """What the watch adds to a request, of the build that is measured, on one core."""
    sample = ROOT / "tests" / "samples" / "loops" / "labelled.jsonl.gz"
    done = subprocess.run(
        [sys.executable, "-m", "load.bench.watched", sample, "2" if is_quick else "5"],
        cwd=bed.build.root,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}),
    )
    found = json.loads(done.stdout)
    note = (
        f"of {found['requests']:,.0f} requests of real sessions; the median one takes"
        f" {found['with']:.1f} with and {found['without']:.1f} without, from body to verdict"
    )
    return [
        Figure("loops-p50", "the watch for loops, added to a request", "us", found["p50"], 15.0),
        Figure("loops-p99", "the same, p99", "us", found["p99"], 100.0, notes=(note,)),
    ]


# Asking the firewall


def get(port: int, path: str) -> bytes:
    """The body of an answer of 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status)
        return answer.read()
    finally:
        connection.close()


def workers(rival: Firewall) -> list[int]:
    """The pids of the workers that are ready."""
    rows = json.loads(get(rival.admin_port, "/v1/workers"))["workers"]
    pids = [row["pid"] for row in rows if row["kind"] == "worker" and row["state"] == "ready"]
    assert set(pids) <= cpu.tree(rival.child.pid), "pids that are not ours"
    return pids


FIGURES: dict[str, Callable[[Bed, bool], list[Figure]]] = {
    "table": table,
    "start": start,
    "memory": memory,
    "pause": pause,
    "loops": loops,
}
