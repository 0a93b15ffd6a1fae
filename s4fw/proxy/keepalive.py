"""Asks the kernel to keep quiet connections known to what stands between.

A model may think for minutes without a byte.  Gateways forget a connection by then: those of AWS
that translate addresses after 350 s (docs.aws.amazon.com/vpc, "NAT gateway troubleshooting"), and
its end is never told.  A probe a minute keeps them, and finds a peer that is gone in six minutes.
"""

from __future__ import annotations

import socket
from typing import Final, Protocol

IDLE_S: Final = 60
INTERVAL_S: Final = 60
PROBES: Final = 5


class Socket(Protocol):
    """A socket, or what an event loop shows of one."""

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """As of `socket.socket`."""


def keep_alive(sock: Socket) -> None:
    """Probe a connection that is quiet.  What a listener accepts inherits it (socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
