"""AWS Signature Version 4: signing and verifying, as pure functions over bytes.

Theory of operation (docs.aws.amazon.com, "Signature Version 4 signing process").  Both sides write
the request in one canonical form, hash it, bind the hash to a time and a scope (day, region,
service), and authenticate that with a key which is derived from the secret for the scope alone:

    canonical request   method, path, query, headers that are signed, their names, hash of the body
    string to sign      algorithm, time, scope, hash of the canonical request
    signature           HMAC-SHA256(key of the scope, string to sign), in hex

Two rules are easy to get wrong.  The path is the one on the wire, percent-encoded once more (every
service but S3), and with a prefix in front of the API the prefix is part of it.  The host is the
one the client wrote.  Nothing here does I/O or asks for the time; botocore is what the tests
compare with.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes

ALGORITHM: Final = b"AWS4-HMAC-SHA256"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest().encode()
# One key for each day, region and service; credentials change a few times a day.
KEYS_REMEMBERED: Final = 256

_AUTHORIZATION: Final = re.compile(
    rb"AWS4-HMAC-SHA256 +"
    rb"Credential=([!-+.0-~-]{1,128})/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})/aws4_request"
    rb"[ ,]+SignedHeaders=([!-+.-~-]{1,4096})"
    rb"[ ,]+Signature=([0-9a-f]{64})"
)
_STAMP: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


@dataclass(frozen=True, slots=True)
class Signature:
    """What an `Authorization` header says; `names` are the signed headers as they stand there."""

    access_key_id: str
    day: bytes
    region: bytes
    service: bytes
    names: tuple[bytes, ...]
    digest: bytes  # hex

    @property
    def is_well_formed(self) -> bool:
        """Whether the names stand as the canonical form wants them: sorted, each of them once."""
        return list(self.names) == sorted(set(self.names))


def is_signed(authorization: bytes) -> bool:
    """Whether a header is of this kind at all, or of a newer one."""
    return authorization.startswith(b"AWS4-")


def read_authorization(authorization: bytes) -> Signature | None:
    """Read the header's value, None where it has another form."""
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        return None
    return Signature(
        access_key_id=match[1].decode("ascii"),
        day=match[2],
        region=match[3],
        service=match[4],
        names=tuple(match[5].split(b";")),
        digest=match[6],
    )


# Time: `20261121T203526Z`, as in x-amz-date.


def stamp_of(now_s: int) -> bytes:
    """A time (whole seconds since 1970) as it is signed."""
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")


def seconds_of(stamp: bytes) -> int | None:
    """The time of a stamp, None where it is none."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


# The canonical request.


def canonical_path(path: bytes) -> bytes:
    """The path as it stood on the wire, without empty and dot segments, percent-encoded again."""
    if b"//" in path or b"/." in path or not path.startswith(b"/"):
        path = _without_dot_segments(path)
    return quote_from_bytes(path, safe="/").encode("ascii")


def _without_dot_segments(path: bytes) -> bytes:
    """RFC 3986 5.2.4, and no two slashes in a row, which AWS removes too."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    end = b"/" if kept and path.endswith(b"/") else b""
    return (b"/" if path.startswith(b"/") or not path else b"") + b"/".join(kept) + end


def canonical_query(query: bytes) -> bytes:
    """The members sorted by name, then value; each with an equals sign, encoded as they came."""
    if not query:
        return b""
    members = sorted(member.partition(b"=")[::2] for member in query.split(b"&"))
    return b"&".join(b"%b=%b" % member for member in members)


def canonical_request(
    method: bytes,
    path: bytes,
    query: bytes,
    headers: Mapping[bytes, bytes],
    names: Sequence[bytes],
    body_sha256: bytes,
) -> bytes:
    """The one form of a request.  `path` and `query` as on the wire, `headers` with lower-case
    names, `names` those that are signed, sorted; `body_sha256` in hex.  Raises KeyError."""
    lines = [method, canonical_path(path), canonical_query(query)]
    lines += [b"%b:%b" % (name, b" ".join(headers[name].split())) for name in names]
    lines += (b"", b";".join(names), body_sha256)
    return b"\n".join(lines)


# Signing.


def sha256_of(pieces: Sequence[bytes | bytearray | memoryview]) -> bytes:
    """The hash of a body in pieces, in hex."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest().encode("ascii")


@lru_cache(KEYS_REMEMBERED)
def signing_key(secret: bytes, day: bytes, region: bytes, service: bytes) -> bytes:
    """The key of one scope; the same all day."""
    key = b"AWS4" + secret
    for part in (day, region, service, b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    return key


def signature_of(
    secret: bytes, stamp: bytes, day: bytes, region: bytes, service: bytes, canonical: bytes
) -> bytes:
    """The signature of a canonical request, in hex."""
    scope = b"/".join((day, region, service, b"aws4_request"))
    digest = hashlib.sha256(canonical).hexdigest().encode("ascii")
    to_sign = b"\n".join((ALGORITHM, stamp, scope, digest))
    key = signing_key(secret, day, region, service)
    return hmac.digest(key, to_sign, "sha256").hex().encode("ascii")


def authorization_of(
    access_key_id: bytes,
    secret: bytes,
    stamp: bytes,
    region: bytes,
    service: bytes,
    names: Sequence[bytes],
    canonical: bytes,
) -> bytes:
    """The value of the `Authorization` header of a request to be sent."""
    day = stamp[:8]
    digest = signature_of(secret, stamp, day, region, service, canonical)
    scope = b"/".join((access_key_id, day, region, service, b"aws4_request"))
    return b"%b Credential=%b, SignedHeaders=%b, Signature=%b" % (
        ALGORITHM,
        scope,
        b";".join(names),
        digest,
    )


def is_valid(signature: Signature, secret: bytes, stamp: bytes, canonical: bytes) -> bool:
    """Whether the signature is that of the canonical request; takes the same time either way."""
    expected = signature_of(
        secret, stamp, signature.day, signature.region, signature.service, canonical
    )
    return hmac.compare_digest(expected, signature.digest)
