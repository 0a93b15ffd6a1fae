"""CLI-*: callers that leave, stall, creep and guess."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from pathlib import Path
from typing import Any

from tests.chaos import scene as s
from tests.chaos.oracle import CANARY
from tests.chaos.scene import QUICK, Scene, ask, asking, leave, read_until, request_of, usd
from tests.harness import Firewall, chat_body, chat_request, fetch, wait_until
from tests.harness.quote import dollars


def left_at_any_time(scene: Scene) -> str:
    """CLI-01: after the request, after the first chunk, before the usage."""
    proxy = scene.firewall()
    times = scene.either(20, 3)
    plain = {"content": f"{CANARY} [[fault latency:50]]", "max_tokens": 20}
    slow = {"content": f"{CANARY} [[fault drip:0]]", "max_tokens": 20, "stream": True,
            "stream_options": {"include_usage": True}}  # fmt: skip
    for _ in range(times):
        with asking(proxy, **plain) as sock:
            before = scene.simulator.request_count()
            wait_until(lambda seen=before: scene.simulator.request_count() >= seen, "it came")
            leave(sock)
        with asking(proxy, **slow) as sock:
            read_until(sock, b"data: ")
            leave(sock)
        with asking(proxy, **slow) as sock:
            read_until(sock, b'"finish_reason"')
            leave(sock)
    entry = scene.end(proxy, accrued_nusd=0)
    return f"{3 * times} callers left, spent exactly {usd(entry['spent_nusd'])}"


def half_closed(scene: Scene) -> str:
    """CLI-02."""
    proxy = scene.firewall(server={"workers": 1})
    with asking(proxy, max_tokens=5) as sock:
        sock.shutdown(socket.SHUT_WR)
        data, end = s.read_all(sock)
    assert data.startswith(b"HTTP/1.1 200 ")
    assert "fin" == end
    entry = scene.end(proxy, accrued_nusd=0)
    return f"answered, spent {usd(entry['spent_nusd'])}"


def never_reading(scene: Scene) -> str:
    """CLI-03: a caller with a small window that reads nothing, of answers of a megabyte."""
    count = scene.either(100, 8)
    proxy = scene.firewall(server={"workers": 1, "timeouts": QUICK | {"total": "30s"}})
    assert 200 == ask(proxy)
    (worker,) = proxy.pids()
    before = memory_bytes(worker)
    body = {"content": f"{CANARY} [[fault big:1]]", "max_tokens": 20, "stream": True,
            "stream_options": {"include_usage": True}}  # fmt: skip
    socks = []
    most = before
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        sock.connect((proxy.host, proxy.port))
        sock.sendall(request_of(body))
        socks.append(sock)
        most = max(most, memory_bytes(worker))
    end_s = time.monotonic() + 20
    while any(entry["held_nusd"] for entry in proxy.budgets()) and time.monotonic() < end_s:
        most = max(most, memory_bytes(worker))
        time.sleep(0.05)
    for sock in socks:
        sock.close()
    each = (most - before) // count
    if scene.is_whole:  # of a few streams, the fixed part would be most of it
        assert each < 256 * 1024, f"{each} bytes for each stream"
    entry = scene.end(proxy)
    return f"{count} deaf callers, {each // 1024} KiB each; charged {usd(entry['charged_nusd'])}"


def memory_bytes(pid: int) -> int:
    """The resident set of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def creeping(scene: Scene) -> str:
    """CLI-04: heads and bodies that come byte by byte; held is looked at all the time."""
    heads, bodies = scene.either(5000, 150), scene.either(1000, 50)
    proxy = scene.firewall(server={"timeouts": QUICK | {"headers": "1s", "body": "2s"}})
    whole = chat_request(chat_body(content=CANARY))
    at = whole.index(b"\r\n\r\n") + 4

    async def creep(start: int) -> bytes:
        """Send up to here, then a byte at a time; what came back."""
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        try:
            answer = asyncio.create_task(reader.read(100))
            writer.write(whole[:start])
            for byte in whole[start:]:
                writer.write(bytes([byte]))
                done, _ = await asyncio.wait([answer], timeout=0.5)
                if done:
                    break
            return await answer
        finally:
            writer.close()

    async def all_of_them() -> list[bytes]:
        plays = [creep(20) for _ in range(heads)] + [creep(at + 5) for _ in range(bodies)]
        return list(await asyncio.gather(*plays))

    answers = asyncio.run(all_of_them())
    assert {b"HTTP/1.1 408"} == {answer[:12] for answer in answers}
    assert 0 == scene.simulator.request_count()
    assert 0 == scene.used_max_nusd(), "something was held for a request that never came"
    assert 200 == ask(proxy)
    scene.end(proxy, accrued_nusd=0)
    return f"{heads} heads and {bodies} bodies ended with 408, nothing held at any time"


def pipelined(scene: Scene) -> str:
    """CLI-05: allowed and denied in one pipeline of 64, each with its own verdict."""
    tiny = {"id": "t", "per": ["tenant"], "window": "day", "limit_usd": "1",
            "overrides": {"poor": dollars(1)}}  # fmt: skip
    proxy = scene.firewall(budgets=[*s.ALL, tiny], server={"workers": 1})
    body = {"content": CANARY, "max_tokens": 5}
    kinds = [scene.random.choice(("rich", "poor")) for _ in range(64)]
    data = b"".join(
        chat_request(chat_body(**body), {"x-s4fw-tenant": kind}, close=at == 63)
        for at, kind in enumerate(kinds)
    )
    with socket.create_connection((proxy.host, proxy.port), timeout=20) as sock:
        sock.sendall(data)
        received, _ = s.read_all(sock)
    answers = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert [200 if kind == "rich" else 402 for kind in kinds] == answers
    scene.end(proxy, accrued_nusd=0)
    return f"{answers.count(200)} relayed and {answers.count(402)} refused, in order"


def guessing(scene: Scene) -> str:
    """CLI-07: wrong keys at full speed beside a caller with a good one."""
    guesses = scene.either(100_000, 600)
    key = "sk-test-good-key-of-the-play"
    known = {"id": "app", "sha256": hashlib.sha256(key.encode()).hexdigest(), "tenant": "acme"}
    upstreams = {"openai": {"base_url": scene.simulator.url, "api_key": "sk-of-the-upstream"}}
    proxy = scene.firewall(keys=[known], upstreams=upstreams)
    quiet_ms = _p99_ms(proxy, key)
    statuses: dict[int, int] = {}

    async def guess(count: int) -> None:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        for number in range(count):
            wrong = {"authorization": f"Bearer sk-guess-{number}"}
            request = chat_request(chat_body(content=CANARY), wrong, close=False)
            writer.write(request.replace(b"authorization: Bearer sk-test\r\n", b""))
            head = await reader.read(4096)
            status = int(head[9:12]) if head else 0
            statuses[status] = statuses.get(status, 0) + 1
            if b"connection: close" in head.lower() or not head:
                writer.close()
                reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.close()

    async def all_of_them() -> float:
        each = guesses // 20
        plays = asyncio.gather(*(guess(each) for _ in range(20)))
        worst_ms = await asyncio.to_thread(_p99_ms, proxy, key)
        await plays
        return worst_ms

    loud_ms = asyncio.run(all_of_them())
    assert {401} == set(statuses), statuses
    logged = len(proxy.stderr())
    assert logged < 200_000, f"{logged} bytes of log"
    scene.end(proxy, accrued_nusd=0)
    return (
        f"{statuses[401]} × 401, {logged} bytes of log; "
        f"p99 of the good key {loud_ms:.0f} ms against {quiet_ms:.0f} ms when quiet"
    )


def _p99_ms(proxy: Firewall, key: str) -> float:
    body: dict[str, Any] = chat_body(content=CANARY, max_tokens=5)
    times = []
    for _ in range(100):
        began_s = time.monotonic()
        answer = fetch(
            f"{proxy.base_url}/chat/completions", "POST", body, {"authorization": f"Bearer {key}"}
        )
        times.append(1000 * (time.monotonic() - began_s))
        assert 200 == answer.status, answer.body
    return sorted(times)[98]
