"""The hash chain of the ledger: every line carries a digest of itself and of all before it.

Theory of operation.  A line is one JSON object without its last member, `h`; appended to it is
h = SHA-256(h of the line before, then these bytes), cut to 24 bytes and written in 32 characters.
A segment is a file of such lines.  It opens with a head that repeats the last h of the segment
before, and ends with a seal that tells how many lines there are; head and seal are signed.  Hence a
line that is changed, removed, added or moved breaks the chain at its place; lines cut off the end
miss the seal; a segment that is missing breaks the link of heads.  Whoever can sign can of course
write another history: the key is for the firewall alone.

Pure: bytes in, bytes out.  Used by the writer (`s4fw.process.spool`) and by `s4fw audit`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final, Protocol

import orjson

SCHEMA: Final = 1
DIGEST_BYTES: Final = 24
ORIGIN: Final = bytes(DIGEST_BYTES)  # what the first segment of a chain follows
_H: Final = b',"h":"'
_FOR_URLS: Final = bytes.maketrans(b"+/", b"-_")
_H_TAIL: Final = len(_H) + 32 + 2  # `"}` closes it

_CONTEXT: Final = {"head": b"s4fw-ledger-head-1\n", "seal": b"s4fw-ledger-seal-1\n"}
_SIG: Final = b',"sig":"'
_SIG_TAIL: Final = len(_SIG) + 88 + 2  # 64 bytes in base64


class Signer(Protocol):
    """Signs heads and seals of segments: seldom, so it may be slow."""

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes.  Raises OSError where it cannot sign just now."""


def _written(digest: bytes) -> bytes:
    """In base64 for URLs: what `base64.urlsafe_b64encode` says, at a third of its price."""
    return binascii.b2a_base64(digest, newline=False).translate(_FOR_URLS)


def text_of(digest: bytes) -> str:
    return _written(digest).decode()


def digest_of(text: str) -> bytes:
    """Raises ValueError when it is none."""
    digest = base64.urlsafe_b64decode(text)
    if len(digest) != DIGEST_BYTES:
        raise ValueError("no digest")
    return digest


def link(digest: bytes, body: bytes) -> bytes:
    """The digest of a line that follows one with `digest`."""
    return hashlib.sha256(digest + body).digest()[:DIGEST_BYTES]


def line(body: bytes, digest: bytes) -> bytes:
    """A body with its digest, as it stands in the file."""
    return body[:-1] + _H + _written(digest) + b'"}\n'


def split(text: bytes) -> tuple[bytes, bytes]:
    """A line without its newline as (body, digest).  Raises ValueError when it is none."""
    if len(text) <= _H_TAIL or text[-_H_TAIL:][: len(_H)] != _H or text[-2:] != b'"}':
        raise ValueError("is no line of a ledger")
    return text[:-_H_TAIL] + b"}", digest_of(text[-34:-2].decode("latin-1"))


def signed(kind: str, content: dict[str, Any], signer: Signer) -> bytes:
    """The body of a head or a seal: what it says, and the signature over exactly these bytes."""
    unsigned = orjson.dumps({"kind": kind} | content)
    signature = base64.b64encode(signer.sign(_CONTEXT[kind] + unsigned))
    return b'%b%b%b"}' % (unsigned[:-1], _SIG, signature)


def unsigned(kind: str, body: bytes) -> tuple[bytes, bytes]:
    """What was signed in such a body, and the signature.  Raises ValueError when there is none."""
    if len(body) <= _SIG_TAIL or body[-_SIG_TAIL:][: len(_SIG)] != _SIG:
        raise ValueError("is not signed")
    signature = base64.b64decode(body[-90:-2], validate=True)
    return _CONTEXT[kind] + body[:-_SIG_TAIL] + b"}", signature


class Writer:
    """The chain as its one writer keeps it: `add` gives the lines to append."""

    __slots__ = ("digest", "lines")

    def __init__(self, digest: bytes, lines: int = 0) -> None:
        self.digest = digest  # of the last line
        self.lines = lines  # of the segment

    def copy(self) -> Writer:
        """To be kept only once its lines are written."""
        return Writer(self.digest, self.lines)

    def add(self, body: bytes) -> bytes:
        self.digest = link(self.digest, body)
        self.lines += 1
        return line(body, self.digest)
