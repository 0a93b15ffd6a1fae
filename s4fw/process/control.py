"""The control channel between the master and one child: a socketpair that carries messages.

Its end of file is how a child learns that the master died.  The master writes without ever
waiting: what the socket does not take stays here and follows later, so a stuck child costs the
master some memory until the heartbeat check kills it.  Both ends are ours and were made before the
fork, so messages are pickled.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_MESSAGE_BYTES_MAX = 64 * 2**20


class Sender:
    """The master's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self._waiting = bytearray()

    @property
    def has_waiting(self) -> bool:
        """Whether something still has to be written once the socket is writable."""
        return bool(self._waiting)

    def send(self, message: tuple[Any, ...]) -> None:
        """Queue a message and write what the socket takes now."""
        data = pickle.dumps(message)
        self._waiting += _LENGTH.pack(len(data)) + data
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes.  A dead child's messages are dropped."""
        try:
            while self._waiting:
                written = self.socket.send(self._waiting)
                del self._waiting[:written]
        except BlockingIOError:
            return
        except OSError:
            self._waiting.clear()  # the child is gone; waitpid will tell

    def close(self) -> None:
        self.socket.close()


class Receiver:
    """The child's end: `read` is called when its socket is readable."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self.is_at_end = False
        self._data = bytearray()

    def read(self) -> list[tuple[Any, ...]]:
        """The messages that are complete by now; sets `is_at_end` when the master is gone."""
        try:
            while chunk := self.socket.recv(262_144):
                self._data += chunk
            self.is_at_end = True
        except BlockingIOError:
            pass
        except OSError:
            self.is_at_end = True
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> tuple[Any, ...] | None:
        if len(self._data) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._data)
        assert length <= _MESSAGE_BYTES_MAX, "the control channel lost its framing"
        end = _LENGTH.size + length
        if len(self._data) < end:
            return None
        message: tuple[Any, ...] = pickle.loads(bytes(self._data[_LENGTH.size : end]))
        del self._data[:end]
        return message
