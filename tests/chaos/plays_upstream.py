"""UPS-*: the provider fails in every way it can; what it costs is void, exact or the worst case."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from tests.chaos import scene as s
from tests.chaos.oracle import CANARY
from tests.chaos.scene import QUICK, Scene, ask, asking, leave, streams, usd, worst
from tests.harness import Firewall, firewall_config, post_chat, quiesce, wait_until
from tests.harness.quote import dollars

VOID, EXACT, WORST = "void", "exact", "worst"


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to fail, by the simulator's fault, and what one request then costs."""

    fault: str
    outcome: str
    status: int
    is_stream: bool = False
    is_quick: bool = True  # of the short version


def modes_of(*modes: Mode) -> Any:
    """A play that asks once with each mode and compares what was charged, one by one."""

    def play(scene: Scene) -> str:
        chosen = [mode for mode in modes if scene.is_whole or mode.is_quick]
        proxy = scene.firewall(server={"workers": 1, "timeouts": QUICK | {"total": "2s"}},
                               upstreams=_patient(scene))  # fmt: skip
        accrued = sum(_judge(scene, proxy, mode) for mode in chosen)
        entry = scene.end(proxy, accrued_nusd=accrued)
        told = ", ".join(f"{mode.fault} {mode.outcome}" for mode in chosen)
        return f"{told}; spent {usd(entry['spent_nusd'])}, accrued {usd(accrued)}"

    return play


def _patient(scene: Scene) -> dict[str, Any]:
    """These plays fail on purpose, again and again: the breaker has a play of its own."""
    return {"openai": {"base_url": scene.simulator.url, "breaker": {"failures": 0}}}


def _judge(scene: Scene, proxy: Firewall, mode: Mode) -> int:
    """Ask once; fails unless the outcome is the mode's.  Returns what was accrued."""
    body: dict[str, Any] = {"content": f"{CANARY} [[fault {mode.fault}]]", "max_tokens": 20}
    if mode.is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    before, paid_before = quiesce(proxy).one("all"), _paid(scene)
    status = _status(proxy, body)
    assert mode.status == status, f"{mode}: answered {status}"
    after, paid = quiesce(proxy).one("all"), _paid(scene) - paid_before
    spent = after["spent_nusd"] - before["spent_nusd"]
    accrued: int = after["accrued_nusd"] - before["accrued_nusd"]
    expected = {VOID: (0, 0), EXACT: (paid, 0), WORST: (0, worst(1, **body))}[mode.outcome]
    assert expected == (spent, accrued), f"{mode}: {spent} spent, {accrued} accrued, {paid} paid"
    return accrued


def _paid(scene: Scene) -> int:
    scene.simulator.wait_idle()
    return int(scene.simulator.ledger()["total_nusd"])


def _status(proxy: Firewall, body: dict[str, Any]) -> int:
    """The status of the answer's head, however the rest of it ends."""
    with asking(proxy, **body) as sock:
        data, _ = s.read_all(sock)
    return int(data[9:12]) if data else 0


unanswered = modes_of(Mode("hang", WORST, 504))
cut = modes_of(
    Mode("reset", WORST, 502),
    Mode("drop", WORST, 502),
    Mode("reset_stream:2", WORST, 200, True),
    Mode("hang_stream:2", WORST, 200, True),
)
half_closed = modes_of(Mode("cut:2", WORST, 200, True), Mode("end_early:2", WORST, 200, True))
endless = modes_of(Mode("endless", WORST, 200, True))
usage_lies = modes_of(
    Mode("no_usage", WORST, 200, True),
    Mode("usage_mid", EXACT, 200, True),
    Mode("usage_twice", EXACT, 200, True),
    Mode("negative_usage", WORST, 200, True),
    Mode("huge_usage", WORST, 200, True),
    Mode("string_usage", WORST, 200, True),
    Mode("no_usage", WORST, 200),
    Mode("huge_usage", WORST, 200),
)
unreadable = modes_of(
    Mode("garbage", WORST, 502),
    Mode("header_bomb:300", WORST, 502),
    Mode("header_flood:20000", WORST, 502, is_quick=False),
    Mode("early_hints", EXACT, 200),
    Mode("two_answers", EXACT, 200),
)
refused = modes_of(*(Mode(f"status:{code}", VOID, code) for code in
                     (429, 400, 401, 403, 404, 413, 422)))  # fmt: skip
failing = modes_of(
    *(Mode(f"status:{code}", VOID, code) for code in (500, 502, 503, 529)),
    Mode("error_event:3", WORST, 200, True),
)
errors_in_streams = modes_of(
    Mode("error_event:0", WORST, 200, True), Mode("error_event:2", WORST, 200, True)
)
closed_at_reuse = modes_of(Mode("close_after", EXACT, 200), Mode("close_after", EXACT, 200),
                           Mode("comments", EXACT, 200, True))  # fmt: skip
odd_lines = modes_of(
    Mode("big:1", EXACT, 200, True),
    Mode("chunk_split", EXACT, 200, True),
    Mode("cr", EXACT, 200, True),
    Mode("crlf", EXACT, 200, True),
    Mode("comments", EXACT, 200, True),
)


def unreachable(scene: Scene) -> str:
    """UPS-01: refused, no such host, no TLS; then the breaker answers at once."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        breaker = {"failures": 3, "open": "500ms"}
        upstreams = {
            "openai": {"base_url": dead, "breaker": breaker},
            "gone": {"dialect": "openai", "prefix": "/gone", "base_url": "http://no.invalid"},
            "tls": {"dialect": "openai", "prefix": "/tls",
                    "base_url": scene.simulator.url.replace("http:", "https:")},
        }  # fmt: skip
        proxy = scene.firewall(server={"workers": 1, "timeouts": QUICK}, upstreams=upstreams)
        for prefix in ("/gone", "/tls"):
            answer = post_chat(f"{proxy.url}{prefix}/v1", content=CANARY, max_tokens=5)
            assert 502 == answer.status, (prefix, answer.body)
        for _ in range(3):
            assert 502 == ask(proxy)
        answer = post_chat(proxy.base_url, content=CANARY, max_tokens=5)
        assert (502, "upstream_unreachable") == (answer.status, answer.json()["error"]["code"])
        assert "has not answered lately" in answer.json()["error"]["message"]
        shown = [s.figure(proxy, f"s4fw_{n}") for n in ("breaker_refused_total", "breakers_open")]
        assert [1, 1] == shown
        back = firewall_config(scene.simulator, s.ALL, server={"workers": 1, "timeouts": QUICK})
        proxy.reload(back)
        wait_until(lambda: ask(proxy) == 200, "the upstream is back", timeout_s=5.0)
        wait_until(lambda: s.figure(proxy, "s4fw_breakers_open") == 0, "the breaker is closed")
    entry = scene.end(proxy, accrued_nusd=0)
    return f"502, void; the breaker refuses from the 4th on; spent {usd(entry['spent_nusd'])} later"


def callers_gone(scene: Scene) -> str:
    """UPS-11: answers are read on for callers that left, up to a bound."""
    proxy = scene.firewall(server={"workers": 1})
    count = scene.either(300, 20)
    body = {"content": f"{CANARY} [[fault hold]]", "max_tokens": 5}
    socks = []
    for _ in range(count):
        sock = socket.create_connection((proxy.host, proxy.port), timeout=10)
        sock.sendall(s.request_of(body))
        socks.append(sock)
    scene.simulator.wait_held(count)
    for sock in socks:
        leave(sock)
    over = max(0, count - 256)  # more than are read on at once: see proxy/settings
    wait_until(lambda: proxy.budgets()[0]["accrued_nusd"] >= worst(over, **body) if over else True,
               "those over the bound are charged")  # fmt: skip
    scene.simulator.release()
    entry = scene.end(proxy, accrued_nusd=worst(over, **body) if over else 0)
    return f"{count - over} exact {usd(entry['spent_nusd'])}, {over} × worst case"


def dearer_model(scene: Scene) -> str:
    """UPS-13, UPS-14: what really ran, beyond the reservation, is counted and stops the next."""
    scene.may_exceed = True
    body = {"content": f"{CANARY} [[fault overrun:4]]", "max_tokens": 2000}
    limit = worst(1, **body) + worst(1, max_tokens=20, content=CANARY) // 2
    proxy = scene.firewall(budgets=[s.ALL[0] | {"limit_usd": dollars(limit)}])
    assert 200 == ask(proxy, **body)
    wait_until(lambda: proxy.budgets()[0]["held_nusd"] == 0, "it is settled")
    overrun = proxy.budgets()[0]
    assert overrun["charged_nusd"] > limit, (overrun, limit)
    assert 402 == ask(proxy, max_tokens=20)
    config = firewall_config(scene.simulator, s.ALL)
    proxy.reload(config)
    wait_until(lambda: proxy.budgets()[0]["limit_nusd"] == 10**10, "there is room again")
    assert 200 == ask(proxy, content=f"{CANARY} [[fault dearer_model]]", max_tokens=20)
    scene.end(proxy, accrued_nusd=0)
    return (
        f"{usd(overrun['charged_nusd'])} of {usd(limit)}: counted, next one 402; dearer model exact"
    )


def streams_compared(scene: Scene) -> str:
    """UPS-05: many slow streams at once, each whole."""
    proxy = scene.firewall()
    body = {"content": f"{CANARY} [[fault drip:0]]", "max_tokens": 10, "stream": True,
            "stream_options": {"include_usage": True}}  # fmt: skip
    with streams(proxy, scene.either(50, 5), **body) as socks:
        for sock in socks:
            s.read_stream(sock)
    entry = scene.end(proxy, accrued_nusd=0)
    return f"spent {usd(entry['spent_nusd'])}, as the provider"
