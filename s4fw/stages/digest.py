"""Digest: the hash of a large body that will be signed for its upstream, made in a thread.

A small one is hashed when it is signed, and one that came signed has its hash already.  This is
only about time on the loop: what is edited afterwards is hashed again when it is signed.
"""

from __future__ import annotations

from collections.abc import Collection

from s4fw.core.exchange import Exchange, Offload
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Verdict
from s4fw.dialects import sigv4
from s4fw.stages.caller import OFFLOADED_BYTES_MIN


class Digest(Stage):
    """Hashes large bodies on their way to the upstreams that want a signature."""

    name = "digest"

    def __init__(self, signed_upstreams: Collection[str], offload: Offload) -> None:
        self._upstreams = frozenset(signed_upstreams)
        self._offload = offload

    def admit(self, x: Exchange) -> Admitted:
        """Wait for the hash where it takes long."""
        request = x.request
        if (
            x.upstream not in self._upstreams
            or len(request.body) < OFFLOADED_BYTES_MIN
            or request.edits is not None
            or request.body_sha256
        ):
            return None
        return self._hash(x)

    async def _hash(self, x: Exchange) -> Verdict:
        request = x.request
        body = request.body
        request.body_sha256 = await self._offload(lambda: sigv4.sha256_of((body,)))
        return None
