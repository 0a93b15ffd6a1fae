"""Our reading of requests beside nginx and haproxy, in front of the same recording upstream.

Beside: what we forward, they refuse or forward as the same number of requests.  In front: what they
let pass and we read must be what they thought they passed.  `make http-diff` runs it and names what
was not run; without the two programs installed nothing here is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Firewall, firewall_config, wait_until
from tests.http import framing, heads
from tests.http.playing import Outcome, Player, Recording
from tests.http.rows import KEY, Row

ROWS = [row for row in framing.rows() + heads.rows() if len(row.raw) < 20_000]
_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host; }} }}
}}
"""
_HAPROXY = """
defaults
  mode http
  timeout connect 2s
  timeout client 2s
  timeout server 2s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""
SERVERS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "nginx": (_NGINX, lambda path: ["nginx", "-c", str(path), "-p", str(path.parent)]),
    "haproxy": (_HAPROXY, lambda path: ["haproxy", "-db", "-f", str(path)]),
}
pytestmark = [
    pytest.mark.parametrize("name", SERVERS),
    pytest.mark.skipif(os.environ.get("S4FW_HTTP_DIFF") != "1", reason="run by `make http-diff`"),
]
QUIET_S = 0.25


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def server(name: str, tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Starts the server in front of a port; returns its own."""
    if shutil.which(name) is None and not Path(f"/usr/sbin/{name}").exists():
        pytest.skip(f"{name} is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(upstream: int) -> int:
        text, command = SERVERS[name]
        port, path = _free_port(), tmp_path / "server.conf"
        path.write_text(text.format(folder=tmp_path, port=port, upstream=upstream))
        with (tmp_path / "told").open("wb") as told:
            running.append(subprocess.Popen(command(path), stdout=told, stderr=told))

        def is_up() -> bool:
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        wait_until(is_up, f"{name} listens")
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(5)


def played(port: int, recording: Recording, first: int) -> tuple[list[Outcome], list[int]]:
    """The outcomes of all rows, and how many requests of each arrived."""
    outcomes = Player("127.0.0.1", port, quiet_s=QUIET_S).play(ROWS, first)
    return outcomes, [recording.seen[one.mark] for one in outcomes]


def edge(recording: Recording, folder: Path) -> Firewall:
    """Our firewall in front of the recording upstream."""
    upstream = {"base_url": f"http://127.0.0.1:{recording.port}", "api_key": "sk-upstream"}
    keys = [{"id": "caller", "sha256": hashlib.sha256(KEY).hexdigest()}]
    url = f"http://127.0.0.1:{recording.port}"
    config = firewall_config(url, server={"workers": 1}, upstreams={"openai": upstream}, keys=keys)
    return Firewall(folder, config)


def test_what_we_forward_the_other_reads_as_the_same_requests(
    name: str, server: Callable[[int], int], tmp_path: Path
) -> None:
    """It may refuse what we take; it must not see more or fewer requests in it."""
    with Recording() as recording, edge(recording, tmp_path) as ours:
        other = server(recording.port)
        our_outcomes, by_us = played(ours.port, recording, 0)
        its_outcomes, by_other = played(other, recording, 10_000)

    def differing(mine: int, theirs: int, we: Outcome, it: Outcome) -> str:
        # Who saw fewer must have refused the rest.
        fewer = we if mine < theirs else it
        refused = not fewer.statuses or fewer.statuses[-1] >= 400
        if not (mine and theirs) or mine == theirs or refused:
            return ""
        return f"{we.row.id}: we {mine}, {name} {theirs}"

    told = map(differing, by_us, by_other, our_outcomes, its_outcomes)
    assert "" == "\n".join(filter(None, told))
    assert sum(map(bool, by_other)) > 60  # it does forward


def test_nothing_is_smuggled_through_the_other_to_us(
    name: str, server: Callable[[int], int], tmp_path: Path
) -> None:
    """Behind it we forward no more requests than it answered: none was hidden in another."""

    def hidden(row: Row, outcome: Outcome, count: int) -> str:
        answered = sum(status == 200 for status in outcome.statuses)
        return f"{row.id}: {count} arrived, {answered} answered" if count > answered else ""

    with Recording() as recording, edge(recording, tmp_path) as ours:
        front = server(ours.port)
        outcomes, counts = played(front, recording, 20_000)
    complaints = map(hidden, ROWS, outcomes, counts)
    assert "" == "\n".join(filter(None, complaints))
    assert sum(map(bool, counts)) > 60
