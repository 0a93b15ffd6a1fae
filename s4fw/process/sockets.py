"""Listening sockets: one for each worker on one port, and one for the admin listener.

SO_REUSEPORT shares a port silently, with a stranger of the same user too.  So each port is first
bound once without it: a port that is taken is an error, not half of somebody else's traffic.  The
probe stays bound (never listening) until all listeners exist, so nobody slips in between; it
carries SO_REUSEPORT by then, which Linux checks at each new bind.
"""

from __future__ import annotations

import socket
import time

from s4fw.process.exitcode import FAILED, Stop
from s4fw.proxy.keepalive import keep_alive

BACKLOG = 4096  # capped by net.core.somaxconn; a burst waits here rather than being refused
# Orphans of a killed master close their listeners within about a second of its death.
TAKEN_WAIT_S = 2.0
_RETRY_S = 0.05


def listeners(host: str, port: int, count: int, what: str) -> list[socket.socket]:
    """`count` listening sockets on one port (0: one that is free).  Raises Stop when it is taken.

    `what` names the setting in the message: "server" or "admin".
    """
    family, address = _resolved(host, port, what)
    probe = _probe(family, address, what)
    try:
        bound = probe.getsockname()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return [_listener(family, bound) for _ in range(count)]
    finally:
        probe.close()


def place_of(listener: socket.socket) -> str:
    """`127.0.0.1:8080` or `[::1]:8080`, as in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolved(host: str, port: int, what: str) -> tuple[int, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except OSError as fault:
        raise Stop(FAILED, f"{what}.host {host}: {fault.strerror}") from fault
    family, _, _, _, address = found[0]
    return family, address


def _probe(family: int, address: tuple[object, ...], what: str) -> socket.socket:
    deadline_s = time.monotonic() + TAKEN_WAIT_S
    while True:
        probe = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        # Without it a port with connections in TIME_WAIT could not be taken after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            return probe
        except OSError as fault:
            probe.close()
            if time.monotonic() >= deadline_s:
                place = f"{address[0]}:{address[1]}"
                sentence = f"cannot listen on {place} ({what}): {(fault.strerror or '').lower()}"
                raise Stop(FAILED, sentence) from fault
        time.sleep(_RETRY_S)


def _listener(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    keep_alive(listener)
    listener.setblocking(False)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener
