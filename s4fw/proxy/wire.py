"""The caller's socket: writing, pausing, and closing so that what was written arrives.

A close loses what is not yet read on the other side, so the last answer is followed by lingering:
our side is closed, what the caller still sends is dropped for a bounded time (RFC 9112 9.6).  A
caller that takes its bytes slowly is waited for as long as it takes any; a deaf one is cut.

TLS has no half-close: there the transport's own close does the same, it says goodbye after the last
byte and drops what comes until the caller has said it, too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from time import monotonic_ns
from typing import Final, cast

from s4fw.proxy.deadlines import Timed, Wheel
from s4fw.proxy.outbox import Outbox

# Up to here one copy into one buffer is cheaper than three buffers for the kernel.
_JOINED_BYTES_MAX: Final = 8 * 1024
# What is gathered for the end of a turn; more is sent at once, so that the loop can say stop.
_GATHERED_BYTES_MAX: Final = 16 * 1024
# What a caller may leave unread before its upstream is paused; over plain TCP the loop's default.
_UNSENT_BYTES_MAX: Final = 64 * 1024


class Wire(Timed):
    """One accepted connection, without a notion of requests."""

    __slots__ = (
        "_ahead",
        "_has_eof",
        "_is_paused",
        "_is_stalled",
        "_is_tls",
        "_outbox",
        "_transport",
        "_unsent",
        "_unwritten",
        "_wheel",
    )

    def __init__(self, wheel: Wheel, outbox: Outbox) -> None:
        super().__init__()
        self._wheel = wheel
        self._outbox = outbox
        self._transport: asyncio.Transport | None = None
        self._ahead = b""  # bytes of later requests, until their turn comes
        self._has_eof = False  # the caller closed its writing side
        self._is_paused = False  # we do not read
        self._is_stalled = False  # the caller does not read
        self._is_tls = False
        self._unsent = 0  # bytes it had not taken when last looked at
        self._unwritten = b""  # what goes out at the end of this turn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if transport.get_extra_info("sslcontext") is not None:
            self._is_tls = True
            self._transport.set_write_buffer_limits(_UNSENT_BYTES_MAX)  # uvloop has 512 KiB here

    def write(self, data: bytes) -> None:
        """Send bytes as they are, at the end of this turn."""
        if self._transport is None:
            return
        if not self._unwritten:
            self._outbox.add(self.flush)
        self._unwritten += data
        if len(self._unwritten) > _GATHERED_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Send what was written in this turn, now."""
        unwritten, self._unwritten = self._unwritten, b""
        if unwritten and self._transport is not None:
            self._transport.write(unwritten)

    def write_chunk(self, chunk: bytes) -> None:
        """Send one chunk of a chunked body."""
        transport = self._transport
        if transport is None:
            return
        if len(chunk) <= _JOINED_BYTES_MAX:
            self.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        else:
            self.flush()
            transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))

    def abort(self) -> None:
        """Close at once; what the kernel takes of our bytes still goes."""
        self.flush()
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close at once, so that the caller sees a reset: what it has is not the whole answer."""
        self._unwritten = b""
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def _close(self) -> None:
        """Close when everything is sent."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def _half_close(self) -> None:
        """Close our side when everything is sent; read on, to drop what comes."""
        transport = self._transport
        self._ahead = b""
        self.flush()
        if transport is None or transport.is_closing():
            return
        self._read_on()
        if self._has_eof or self._is_tls:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()

    def _keep(self, data: bytes) -> None:
        """Keep what came too early and read no more until its turn."""
        self._ahead += data
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _set_deadline(self, after_ns: int) -> None:
        self._wheel.set(self, monotonic_ns() + after_ns)

    def _is_taking(self) -> bool:
        """Whether the caller took any of our bytes since this was last asked."""
        self.flush()
        if self._transport is None:
            return False
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        return self._unsent > 0 and self._unsent != before
