"""What stands behind: nginx with one fixed answer, the pacer for streams, the sink of AWS."""

from __future__ import annotations

import sys
from pathlib import Path

from load.bench.children import Child, free_port
from load.bench.nginx import start_nginx
from load.bench.payloads import COMPLETION

# The answer is given before the request's body is discarded; a body of the sizes used here is
# whole in the socket's buffer by then.
_FIXED = """
    server {{
        listen 127.0.0.1:{port} reuseport;
        location / {{ default_type application/json; return 200 '{answer}'; }}
    }}
"""


class Upstream:
    """A listening upstream."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port


def fixed(folder: Path, cores: set[int]) -> Upstream:
    """nginx that returns one completion of 0.6 kB, with its usage."""
    port = free_port()
    servers = _FIXED.format(port=port, answer=COMPLETION)
    return Upstream(start_nginx(folder, "upstream", servers, 1, cores, [port]), port)


def pacer(folder: Path, cores: set[int]) -> Upstream:
    """The streaming upstream; see `pacer`."""
    return _module("load.bench.pacer", folder, cores)


def sink(folder: Path, cores: set[int]) -> Upstream:
    """What takes the place of AWS and of a webhook; see `sink`."""
    return _module("load.bench.sink", folder, cores)


def _module(name: str, folder: Path, cores: set[int]) -> Upstream:
    args = [sys.executable, "-m", name]
    child = Child(args, cores, folder, has_ready_line=True)
    return Upstream(child, int(child.ready_line("ready ")[1]))
