"""TLS on the listener of callers, with a certificate that can be replaced while it listens.

The event loop keeps the context it was given.  So that one is asked at the beginning of each
handshake (OpenSSL calls back whether the caller names a server or not) and hands the connection to
the context of the present configuration.  Connections that are open keep theirs.
"""

from __future__ import annotations

import ssl
from typing import Final

from s4fw.config.tls import Tls, listener_context

# A handshake takes a few round trips; until it is done nothing else bounds the connection.
HANDSHAKE_S: Final = 10.0
# From our goodbye to the caller's: what it is slow to take may still be on its way.  Deaf callers
# are cut sooner, by the deadline of lingering.
SHUTDOWN_S: Final = 60.0


class ListenerTls:
    """`context` is for the event loop; `swap` changes what new connections meet."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self.context = listener_context(tls)
        self._present = self.context
        self.context.sni_callback = self._hand_over

    def __repr__(self) -> str:
        return f"<ListenerTls {self._tls.cert.path}>"

    def swap(self, tls: Tls) -> None:
        """Use another pair from now on.  Raises ValueError, and keeps the old one, where it cannot
        be used."""
        if tls != self._tls:
            self._present = listener_context(tls)
            self._tls = tls

    def _hand_over(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext
    ) -> None:
        connection.context = self._present
