"""Read: the dialect's one strict reading of the body.

Up to OFFLOAD_BYTES the scan takes well below a millisecond and runs at once; a larger body is read
in a thread, where the scanner runs without the interpreter's lock.
"""

from __future__ import annotations

from typing import Final

from s4fw.core.exchange import Exchange, Offload
from s4fw.core.stage import Admitted, Stage

OFFLOAD_BYTES: Final = 512 * 1024


class Read(Stage):
    """First of all: what cannot be read in exactly one way is refused."""

    name = "read"

    def __init__(self, offload: Offload, opaque_file_tokens: int | None = None) -> None:
        """`opaque_file_tokens` bounds each file that a body only names, see `core.request`."""
        self._offload = offload
        self._opaque_file_tokens = opaque_file_tokens

    def admit(self, x: Exchange) -> Admitted:
        """Fill the metered part of the request.  Raises Refusal."""
        x.request.opaque_file_tokens = self._opaque_file_tokens
        if len(x.request.body) <= OFFLOAD_BYTES:
            x.route.dialect.read(x)
            return None
        return self._offload(lambda: x.route.dialect.read(x))
