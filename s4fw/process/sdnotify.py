"""What systemd is told, where it asked for it (Type=notify-reload).  See sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from time import monotonic_ns


class Systemd:
    """The notification socket of systemd; every call is a no-op where there is none.

    Sends never block: a datagram that does not fit is lost, and the next watchdog ping follows.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]  # an abstract socket
        self._socket: socket.socket | None = None
        self.watchdog_s = _watchdog_s(env) if self._address else None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self, status: str) -> None:
        """Started, or done with a reload."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload began; `ready` must follow, also when the new configuration is refused."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Draining from now on."""
        self._send("STOPPING=1\nSTATUS=draining")

    def watchdog(self) -> None:
        """The master's loop is alive."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def close(self) -> None:
        """For children: only the master speaks to systemd."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            return  # systemd is restarting or its buffer is full; it is never worth a failure


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    """How often to ping: half of what systemd waits, as sd_watchdog_enabled(3) advises."""
    microseconds = env.get("WATCHDOG_USEC", "")
    is_for_us = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not microseconds.isdecimal() or not is_for_us:
        return None
    return int(microseconds) / 2_000_000
