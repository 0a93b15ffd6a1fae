"""One connection to an upstream: sends a request, hands its answer to the exchange it serves.

The request is written to the socket at once, past the event loop's own queue, because only the
kernel can say that not one byte of it left: on a kept connection that the upstream has closed, that
is what allows a second try without the risk of paying twice.  What the kernel does not take at once
goes to the transport as usual, and counts as sent.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Sequence
from typing import Final, Protocol, cast

from s4fw.proxy.answer import AnswerReader
from s4fw.proxy.deadlines import Timed, Wheel
from s4fw.proxy.keepalive import keep_alive

_PIECES_MAX: Final = 64  # of one writev; far below IOV_MAX (1024)

# All connections read into one buffer: what is read is parsed at once, and what is kept is copied
# by the parser.  Its size bounds what one read can add to a caller's unsent bytes.
_buffer: Final = memoryview(bytearray(64 * 1024))


class Served(Protocol):
    """The exchange that a connection serves."""

    def received(self, reader: AnswerReader) -> None:
        """Bytes of the answer were read."""

    def upstream_lost(self) -> None:
        """The connection is gone before the answer was complete."""

    def upstream_late(self) -> None:
        """The deadline of the connection has passed."""

    def broken(self, fault: Exception) -> None:
        """A fault of our own met the exchange."""


class Owner(Protocol):
    """Who keeps the connection while it is idle."""

    def lost(self, upstream: Upstream) -> None:
        """The connection is gone."""


class Upstream(Timed):
    """One connection; `served` is None while it is idle."""

    __slots__ = ("_fd", "_owner", "_poll", "_wheel", "is_counted", "reader", "served", "transport")

    def __init__(self, owner: Owner, wheel: Wheel, head_bytes_max: int) -> None:
        super().__init__()
        self._owner = owner
        self._wheel = wheel
        self._fd = -1  # of a plain connection; -1 where bytes must go through TLS
        self._poll: select.poll | None = None
        self.is_counted = True  # among the connections of its pool
        self.reader = AnswerReader(head_bytes_max)
        self.served: Served | None = None
        self.transport: asyncio.Transport | None = None

    def __repr__(self) -> str:
        state = "closed" if self.transport is None else "busy" if self.served else "idle"
        return f"<Upstream {state}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        keep_alive(sock)
        fd = sock.fileno()
        is_tls = transport.get_extra_info("sslcontext") is not None
        self._fd = -1 if is_tls else fd
        self._poll = select.poll()
        # Between answers nothing may arrive; over TLS session tickets do, so look for the end only.
        self._poll.register(fd, select.POLLRDHUP if is_tls else select.POLLIN | select.POLLRDHUP)

    def is_usable(self) -> bool:
        """Whether a request may be sent: open, and the upstream said nothing while it was idle.

        Asks the kernel, because a close may have arrived that the event loop has not come to yet
        (httpcore does the same before it reuses a connection).
        """
        transport = self.transport
        if transport is None or transport.is_closing() or self._poll is None:
            return False
        return not self._poll.poll(0)

    def send(
        self, served: Served, pieces: Sequence[bytes | bytearray | memoryview], size: int
    ) -> bool:
        """Send a request of `size` bytes.  False says that provably not one byte of it left."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if len(pieces) > _PIECES_MAX:
            pieces = (b"".join(pieces),)
        self.reader.expect()
        if self._fd < 0:
            self.served = served
            transport.writelines(pieces)
            return True
        try:
            written = os.writev(self._fd, pieces)
        except BlockingIOError:
            written = 0
        except OSError:
            return False
        self.served = served
        if written < size:
            transport.writelines(_after(pieces, written))
        return True

    def until(self, deadline_ns: int) -> None:
        """Give the present phase a deadline, nearer or further than the last one."""
        self._wheel.set(self, deadline_ns)

    def is_flushed(self) -> bool:
        """Whether the whole request has gone to the kernel."""
        return self.transport is not None and self.transport.get_write_buffer_size() == 0

    def pause(self) -> None:
        """Read no more for now: the caller is slower than the upstream."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Drop the connection at once: nothing of it is wanted any more."""
        self.served = None
        if self.transport is not None:
            self.transport.abort()

    # Called by the event loop.

    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        served = self.served
        if served is None:  # bytes that answer no request
            self.close()
            return
        reader = self.reader
        try:
            reader.feed(_buffer[:nbytes])
            served.received(reader)
        except Exception as fault:
            served.broken(fault)

    def eof_received(self) -> None:
        served, reader = self.served, self.reader
        if served is None or not (reader.ends_at_close and reader.has_head) or reader.is_faulty:
            return  # the transport closes, `connection_lost` follows
        reader.is_complete = True
        try:
            served.received(reader)
        except Exception as fault:
            served.broken(fault)

    def pause_writing(self) -> None:
        """A request is bounded and whole: the loop may keep what the kernel does not take."""

    def resume_writing(self) -> None:
        """Nothing was paused."""

    def connection_lost(self, exc: Exception | None) -> None:
        served, self.served = self.served, None
        self.transport = None
        self._poll = None
        self._fd = -1
        self.reader.close()
        self._wheel.forget(self)
        self._owner.lost(self)
        if served is not None:
            try:
                served.upstream_lost()
            except Exception as fault:
                served.broken(fault)

    def on_deadline(self) -> None:
        served = self.served
        if served is None:
            self.close()
            return
        try:
            served.upstream_late()
        except Exception as fault:
            served.broken(fault)


def _after(
    pieces: Sequence[bytes | bytearray | memoryview], count: int
) -> list[bytes | bytearray | memoryview]:
    """What is left of the pieces after `count` bytes."""
    rest: list[bytes | bytearray | memoryview] = []
    for piece in pieces:
        if count >= len(piece):
            count -= len(piece)
        else:
            rest.append(memoryview(piece)[count:] if count else piece)
            count = 0
    return rest
