"""An nginx of our own: its configuration, its temporary folder, never the system's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from load.bench.children import Child

# Everything that would make nginx slower than it can be is off: access log, temporary files, the
# end of kept connections after 1,000 requests.
_CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 64m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def find_nginx() -> str | None:
    """The program; many systems keep it where only root looks."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def start_nginx(
    folder: Path, name: str, servers: str, workers: int, cores: set[int], ports: list[int]
) -> Child:
    """Start one with these `server` blocks and wait until all ports answer."""
    own = folder / f"{name}-{ports[0]}"
    own.mkdir()
    file = own / "nginx.conf"
    file.write_text(_CONFIGURATION.format(workers=workers, folder=own, servers=servers))
    program = find_nginx()
    assert program is not None, "checked at the start"
    args: list[str | Path] = [program, "-p", own, "-c", file, "-e", own / "error.log"]
    child = Child(args, cores, own, has_ready_line=False)
    try:
        for port in ports:
            child.wait_listening(port)
    except BaseException:
        child.end()
        raise
    return child
