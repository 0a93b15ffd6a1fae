"""The two that are compared: nginx's bare `proxy_pass` and the firewall with everything on."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from load.bench import cpu
from load.bench.build import Build
from load.bench.children import Child, free_port
from load.bench.nginx import start_nginx
from load.bench.payloads import KEY_SHA256

BROKE = "broke"  # the tenant whose budget pays for nothing

_PROXY = """
    upstream behind_{port} {{
        server 127.0.0.1:{behind};
        keepalive 512; keepalive_requests 1000000000; keepalive_timeout 600s;
    }}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        location / {{
            proxy_pass http://behind_{port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {more}
        }}
    }}
"""


class Rival:
    """A running proxy: `port` stands before the fixed answer, `stream_port` before the pacer."""

    def __init__(self, name: str, child: Child, workers: int, port: int, stream_port: int) -> None:
        self.name = name
        self.workers = workers
        self.child = child
        self.port = port
        self.stream_port = stream_port

    def ticks(self) -> dict[int, int]:
        """Processor time so far, by process."""
        return cpu.ticks(self.child.pid)


def nginx(folder: Path, workers: int, cores: set[int], behind: int, behind_stream: int) -> Rival:
    """nginx as a proxy of both upstreams; streams are not buffered."""
    port, stream_port = free_port(), free_port()
    servers = _PROXY.format(port=port, behind=behind, more="")
    servers += _PROXY.format(port=stream_port, behind=behind_stream, more="proxy_buffering off;")
    child = start_nginx(folder, "nginx", servers, workers, cores, [port, stream_port])
    return Rival("nginx", child, workers, port, stream_port)


def _configuration(folder: Path, workers: int, behind: int) -> dict[str, Any]:
    """Four budgets, of which none is ever reached but that of the broke tenant."""
    much = 1_000_000_000
    return {
        "server": {"port": 0, "workers": workers, "timeouts": {"drain": "2s"}},
        "admin": {"port": 0},
        "upstreams": {
            name: {"base_url": f"http://127.0.0.1:{behind}", "api_key": "sk-bench-upstream"}
            for name in ("openai", "anthropic", "bedrock")
        },
        "keys": [
            {"id": "bench", "sha256": KEY_SHA256, "may_set": ["tenant", "feature", "session"]}
        ],
        "budgets": [
            {"id": "all-month", "per": [], "window": "month", "limit_usd": much},
            {
                **{"id": "tenant-day", "per": ["tenant"], "window": "day", "limit_usd": much},
                "overrides": {BROKE: 0.0001},
            },
            {"id": "feature", "per": ["tenant", "feature"], "window": "day", "limit_usd": much},
            {"id": "session", "per": ["session"], "window": "total", "limit_usd": much},
        ],
        "paths": {"runtime": str(folder / "runtime"), "state": str(folder / "state")},
    }


class Firewall(Rival):
    """The firewall before one of the upstreams: both ports are the same."""

    def __init__(
        self, child: Child, workers: int, port: int, admin_port: int, ready_s: float
    ) -> None:
        super().__init__("firewall", child, workers, port, port)
        self.admin_port = admin_port
        self.ready_s = ready_s  # from its start to its ready line


def firewall(
    build: Build,
    folder: Path,
    workers: int,
    cores: set[int],
    behind: int,
    more: Mapping[str, Any],
    environment: Mapping[str, str],
) -> Firewall:
    """`s4fw serve` with its state in `folder`, which should be in memory.

    `more` are further sections of its configuration, `environment` further variables.
    """
    own = folder / f"firewall-{time.monotonic_ns()}"
    own.mkdir(mode=0o700)
    file = own / "s4fw.yaml"
    file.touch(mode=0o600)
    configuration = {**_configuration(own, workers, behind), **more}
    file.write_text(yaml.safe_dump(configuration, sort_keys=False))
    start_s = time.monotonic()
    args: list[str | Path] = [sys.executable, "-m", "s4fw", "serve", "-c", file]
    child = Child(args, cores, own, has_ready_line=True, root=build.root, environment=environment)
    try:
        words = child.ready_line("s4fw ready ")
    except BaseException:
        child.end()
        raise
    ports = [urlsplit(words[at]).port or 0 for at in (2, 4)]
    return Firewall(child, workers, ports[0], ports[1], time.monotonic() - start_s)
