"""LOD-*: load beyond what there is room for: idle connections, streams, twice the capacity.

Callers, firewall and provider share the processors of this machine, so what is judged are counts
and ratios of one run; times are for the report.
"""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from tests.chaos.oracle import CANARY
from tests.chaos.scene import ALL, Scene, usd
from tests.harness import Firewall, Simulator, chat_body, chat_request

ROOT = Path(__file__).parents[2]
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_OWN_OF_CALL = re.compile(rb'"id":"[^"]*"|"created":\d+|"obfuscation":"[^"]*"|"cached_tokens":\d+')
_SPARE = 500  # descriptors of this process that are no connections


class Caller:
    """One kept connection; `ask` opens it anew where it was closed."""

    def __init__(self, proxy: Firewall) -> None:
        self._proxy = proxy
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and head of the answer; its body is read and dropped.  0: the connection broke."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._proxy.host, self._proxy.port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""
        if b"connection: close" in head.lower():
            self.close()
        return int(head[9:12]), head

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass(slots=True)
class Load:
    """What came of an open-loop load: statuses, and milliseconds from when each was due."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    served_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    told: int = 0  # refusals that say when to come again

    def rate(self) -> float:
        """Answers of status 200 a second."""
        return self.statuses[200] / self.seconds if self.seconds else 0.0


def p99(values: list[float]) -> float:
    """The 99th of a hundred; 0 of none."""
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0


async def open_loop(proxy: Firewall, request: bytes, rate: float, seconds: float) -> Load:
    """Ask so many times a second, whatever becomes of it, on as many connections as that takes."""
    load = Load(seconds)
    idle: deque[Caller] = deque()  # the longest idle first: all workers in turn
    running: set[asyncio.Task[None]] = set()

    async def one(due_s: float) -> None:
        caller = idle.popleft() if idle else Caller(proxy)
        status, head = await caller.ask(request)
        took_ms = 1000 * (time.monotonic() - due_s)
        load.statuses[status] += 1
        (load.served_ms if status == 200 else load.refused_ms).append(took_ms)
        load.told += status == 503 and b"retry-after:" in head
        idle.append(caller)

    began_s = time.monotonic()
    for number in range(int(rate * seconds)):
        due_s = began_s + number / rate
        if (ahead_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(ahead_s)
        task = asyncio.create_task(one(due_s))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running, timeout=30)
    for caller in idle:
        caller.close()
    return load


async def closed_loop(proxy: Firewall, request: bytes, callers: int, seconds: float) -> float:
    """Answers a second when so many ask again at once; those refused wait a little."""
    served = 0
    end_s = time.monotonic() + seconds

    async def one() -> None:
        nonlocal served
        caller = Caller(proxy)
        while time.monotonic() < end_s:
            status, _ = await caller.ask(request)
            served += status == 200
            if status != 200:
                await asyncio.sleep(0.02)
        caller.close()

    await asyncio.gather(*(one() for _ in range(callers)))
    return served / seconds


def twice_the_capacity(scene: Scene) -> str:
    """LOD-03: the capacity is what may be in flight, of an upstream that takes 100 ms."""
    seconds = scene.either(15, 3)
    limits = {"in_flight": 16}
    proxy = scene.firewall(server={"workers": 2, "limits": limits})
    content = f"{CANARY} [[fault latency:100]]"
    request = chat_request(chat_body(content=content, max_tokens=5), close=False)

    async def run() -> tuple[float, Load, Load]:
        peak = await closed_loop(proxy, request, 64, seconds)
        hurt = await open_loop(proxy, request, 2 * peak, seconds)
        after = await open_loop(proxy, request, peak / 3, seconds / 2)
        return peak, hurt, after

    peak, hurt, after = uvloop.run(run())
    goodput = hurt.rate()
    said = (
        f"peak {peak:.0f}/s; at twice that {goodput:.0f}/s served ({100 * goodput / peak:.0f} %), "
        f"{hurt.statuses[503]} refused, p99 {p99(hurt.refused_ms):.0f} ms; afterwards "
        f"{after.statuses[200]} of {sum(after.statuses.values())} served"
    )
    assert set(hurt.statuses) <= {200, 503}, said
    assert hurt.told == hurt.statuses[503], said
    assert goodput >= 0.9 * peak, said
    assert after.statuses[200] >= 0.95 * sum(after.statuses.values()), said
    scene.end(proxy, accrued_nusd=0)
    return said


def many_streams(scene: Scene) -> str:
    """LOD-02: streams of different prompts at once; each is compared with what its prompt gets."""
    count, prompts = scene.either(1000, 100), 20
    simulator = scene.keep(Simulator(_made(scene.folder / "sim"), "--pace", "realistic"))
    scene.simulator = simulator
    proxy = scene.firewall(server={"workers": 2})
    requests = [
        chat_request(
            chat_body(content=f"{CANARY} {number} [[output 160]]", max_tokens=200, stream=True,
                      stream_options={"include_usage": True})
        )
        for number in range(prompts)
    ]  # fmt: skip

    async def whole(host: str, port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        data = await reader.read()
        writer.close()
        return _comparable(data)

    async def run() -> tuple[list[bytes], list[bytes], float]:
        expected = await asyncio.gather(
            *(whole(simulator.host, simulator.port, one) for one in requests)
        )
        simulator.reset()  # its account begins here, as the firewall's
        began_s = time.monotonic()
        got = await asyncio.gather(
            *(whole(proxy.host, proxy.port, requests[i % prompts]) for i in range(count))
        )
        return list(expected), list(got), time.monotonic() - began_s

    expected, got, took_s = uvloop.run(run())
    wrong = [i for i, data in enumerate(got) if data != expected[i % prompts]]
    assert not wrong, f"{len(wrong)} of {count} streams differ, the first is {wrong[0]}"
    entry = scene.end(proxy, accrued_nusd=0)
    return (
        f"{count} streams in {took_s:.0f} s, {len(got[0])} bytes of each compared, none differs; "
        f"spent {usd(entry['spent_nusd'])}, as the provider"
    )


def _comparable(data: bytes) -> bytes:
    """The body of a raw chunked answer, without what is of one call only."""
    _, _, rest = data.partition(b"\r\n\r\n")
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return _OWN_OF_CALL.sub(b"", bytes(body))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def idle_connections(scene: Scene) -> str:
    """LOD-01: kept connections that do nothing, beside 200 requests a second."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(scene.either(10_000, 300), most - _SPARE)
    seconds = scene.either(10, 2)
    proxy = scene.firewall(budgets=ALL, server={"workers": 2})
    request = chat_request(chat_body(content=CANARY, max_tokens=5), close=False)
    health = b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n"

    async def run() -> tuple[Load, Load, int]:
        quiet = await open_loop(proxy, request, 200, seconds)
        before = _memory(proxy)
        idle = [Caller(proxy) for _ in range(count)]
        for at in range(0, count, 200):
            answers = await asyncio.gather(*(one.ask(health) for one in idle[at : at + 200]))
            assert {200} == {status for status, _ in answers}
        each = (_memory(proxy) - before) // count
        loud = await open_loop(proxy, request, 200, seconds)
        answers = await asyncio.gather(*(one.ask(health) for one in idle[:200]))
        assert {200} == {status for status, _ in answers}, "an idle connection was lost"
        for one in idle:
            one.close()
        return quiet, loud, each

    quiet, loud, each = uvloop.run(run())
    said = (
        f"{count} idle connections, {each / 1000:.1f} kB each; p99 of traffic "
        f"{p99(loud.served_ms):.1f} ms against {p99(quiet.served_ms):.1f} ms without"
    )
    assert {200} == set(loud.statuses), said
    assert each < 10_000 or not scene.is_whole, said
    entry = scene.end(proxy, accrued_nusd=0)
    return f"{said}; spent {usd(entry['spent_nusd'])}"


def mixed(scene: Scene) -> str:
    """LOD-06, for two minutes; `make soak` goes on for as long as you like."""
    made = scene.folder / "soak"
    command = [sys.executable, "-m", "tests.chaos.soak", "--minutes", "2", "--fault-every", "6"]
    command += ["--seed", str(scene.random.randrange(1000)), "--results", str(made)]
    done = subprocess.run(
        [*command, "--plot", str(scene.folder / "soak.png")], cwd=ROOT, capture_output=True,
        text=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    wrong = [line for line in lines if line.startswith("NOT RIGHT")]
    assert 0 == done.returncode, "; ".join(wrong) or done.stderr[-300:]
    return "; ".join(lines[:3])


def _memory(proxy: Firewall) -> int:
    """The proportional set of the workers: what is theirs alone, and their part of the rest."""
    total = 0
    for pid in proxy.pids():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
