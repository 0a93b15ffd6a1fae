"""Ledgers made by hand for tests: segments with any rows, chained and signed as the writer does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from s4fw.ledger import chain, segments
from s4fw.ledger.segments import SegmentFile
from s4fw.ledger.signing import KeySigner

SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def row(slot: int, seq: int, **more: Any) -> bytes:
    said = {"kind": "settle", "at": "2026-01-31T00:00:00.000Z", "slot": slot, "seq": seq}
    return orjson.dumps(said | {"charged_nusd": 10 * seq} | more)


class Chain:
    """Makes one segment after the other; `last` are the rows so far, by slot."""

    def __init__(self, signer: KeySigner = SIGNER) -> None:
        self.signer = signer
        self.writer = chain.Writer(chain.ORIGIN)
        self.number = 0
        self.last: dict[int, int] = {}

    def segment(self, rows: int = 4, *, is_sealed: bool = True) -> bytes:
        """A segment with so many rows, of slots 0 and 1 in turn."""
        self.number += 1
        head = {
            "schema": chain.SCHEMA, "chain": "c0ffee", "segment": self.number,
            "prev": chain.text_of(self.writer.digest), "at": "2026-01-31T00:00:00.000Z",
            "table": "t1", "after": {str(s): n for s, n in self.last.items()},
            "key": self.signer.public.hex(),
        }  # fmt: skip
        self.writer = chain.Writer(self.writer.digest)
        lines = [self.writer.add(chain.signed("head", head, self.signer))]
        for at in range(rows):
            slot = at % 2
            self.last[slot] = self.last.get(slot, 0) + 1
            lines.append(self.writer.add(row(slot, self.last[slot])))
        if is_sealed:
            seal = {
                "at": "2026-01-31T00:01:00.000Z", "lines": self.writer.lines,
                "digest": chain.text_of(self.writer.digest),
            }  # fmt: skip
            lines.append(self.writer.add(chain.signed("seal", seal, self.signer)))
        return b"".join(lines)


def plain(number: int) -> SegmentFile:
    return SegmentFile(number, Path(segments.open_name(number)), False)
