"""`s4fw demo`: 500 parallel calls against a cap that pays for exactly 40.

The simulator holds its answers until all 500 calls were decided, so every one of them meets the
cap while the others are in flight: the hardest moment for it.
"""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from s4fw.cli.stack import Stack, StackFailed, running
from s4fw.sim.models import price_overrides
from s4fw.units import nusd_from_usd, usd, usd_9

CALLS = 500
PAID = 40
TIMEOUT_S = 60

_BODY = {
    "model": "mock-hold",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Where is my order?"}],
}


def _ask(url: str, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def _call(stack: Stack) -> int:
    status, _, _ = _ask(stack.url, "POST", "/v1/chat/completions", _BODY)
    return int(status)


def _config(limit_usd: str) -> dict[str, Any]:
    return {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 4},
        "admin": {"host": "127.0.0.1", "port": 0},
        "budgets": [
            {"id": "demo", "per": [], "window": "total", "limit_usd": limit_usd, "visible": True}
        ],
        "pricing": {"overrides": price_overrides()},
    }


def _quote(folder: Path) -> str:
    """What one call is quoted, as the firewall itself says it in its answer."""
    with running(folder, _config("1000"), quiet=True) as stack:
        _release_when_decided(stack, [], 1)
        _, headers, _ = _ask(stack.url, "POST", "/v1/chat/completions", _BODY)
        return str(headers["x-s4fw-reserved-usd"])


def _release_when_decided(stack: Stack, calls: list[Future[int]], count: int) -> None:
    """Let the held answers go as soon as every call is either refused or held at the provider."""

    def watch() -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            held = _ask(stack.simulator_url, "GET", "/sim/state")[2]["held"]
            if held + sum(call.done() for call in calls) >= count:
                break
            time.sleep(0.02)
        _ask(stack.simulator_url, "POST", "/sim/release", {})

    threading.Thread(target=watch, daemon=True).start()


def _run(stack: Stack) -> Counter[int]:
    with ThreadPoolExecutor(CALLS) as pool:
        calls = [pool.submit(_call, stack) for _ in range(CALLS)]
        _release_when_decided(stack, calls, CALLS)
        return Counter(call.result() for call in calls)


@click.command(name="demo")
def command() -> None:
    """Watch a cap hold: 500 parallel calls on 4 workers, money for exactly 40.

    Uses fresh state and free ports, and leaves nothing behind.  The last line is the result.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="s4fw-demo-") as folder:
            quote_nusd = nusd_from_usd(_quote(Path(folder) / "quote"))
            limit_nusd = PAID * quote_nusd
            click.echo(f"one call could cost up to ${usd_9(quote_nusd)}")
            click.echo(f"the budget is {usd(limit_nusd)}: it pays for {PAID} such calls at once")
            click.echo(f"{CALLS} calls start now, on 4 workers ...")
            with running(Path(folder) / "demo", _config(usd_9(limit_nusd)), quiet=True) as stack:
                statuses = _run(stack)
                budget = _ask(stack.admin_url, "GET", "/v1/budgets")[2]["budgets"][0]
                upstream = _ask(stack.simulator_url, "GET", "/sim/ledger")[2]
    except StackFailed as failed:
        click.echo(str(failed), err=True)
        sys.exit(failed.exit_code)
    relayed, blocked = statuses[200], statuses[402]
    spent_nusd = budget["charged_nusd"]
    click.echo(
        f"the provider charged ${usd_9(upstream['total_nusd'])}; the firewall says the same"
        if upstream["total_nusd"] == spent_nusd
        else f"the provider charged ${usd_9(upstream['total_nusd'])}, which differs"
    )
    click.echo(
        f"relayed {relayed}  blocked {blocked}  used ${usd_9(spent_nusd)}  "
        f"limit ${usd_9(limit_nusd)}"
    )
    is_exact = (relayed, blocked) == (PAID, CALLS - PAID)
    sys.exit(0 if is_exact and spent_nusd <= limit_nusd == PAID * quote_nusd else 1)
