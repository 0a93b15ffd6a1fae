"""Our AWS credentials in a worker, and requests signed with them.

The steward finds the credentials of the machine and renews them; a worker only has what it was last
given, whole.  A request is signed as the very last thing before it is sent, so a renewal takes
effect with the next request, and what waits for a connection is never signed too early.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from s4fw.config.upstreams import Upstream
from s4fw.dialects import sigv4
from s4fw.errors import CREDENTIALS_MISSING, Refusal

_UNKNOWN_YET: Final = "the firewall is still looking for its AWS credentials; try again"
_EXPIRED: Final = "the AWS credentials of the firewall have expired and could not be renewed yet"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of them.  `expires_s` in seconds since 1970, None where they do not expire."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_s: int | None = None


class Wallet:
    """The credentials of the moment, or why there are none."""

    __slots__ = ("_credentials", "_missing")

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._missing = _UNKNOWN_YET

    def __repr__(self) -> str:
        return f"<Wallet {'empty' if self._credentials is None else 'filled'}>"

    def put(self, credentials: Credentials) -> None:
        """Sign with these from now on."""
        self._credentials = credentials

    def empty(self, why: str) -> None:
        """There are none; `why` is a sentence for callers."""
        self._credentials = None
        self._missing = why

    @property
    def is_empty(self) -> bool:
        """Whether it was said that there are none."""
        return self._credentials is None and self._missing is not _UNKNOWN_YET

    def lack(self, now_s: float) -> str | None:
        """Why nothing can be signed now, None where it can."""
        credentials = self._credentials
        if credentials is None:
            return self._missing
        if credentials.expires_s is not None and credentials.expires_s <= now_s:
            return _EXPIRED
        return None

    def take(self, now_s: float) -> Credentials:
        """What to sign with.  Raises Refusal."""
        why = self.lack(now_s)
        if why is not None:
            raise Refusal(CREDENTIALS_MISSING, why)
        assert self._credentials is not None
        return self._credentials


@dataclass(frozen=True, slots=True)
class AwsSigner:
    """Signs for one region and service.  With `fixed` credentials the wallet is not asked."""

    region: str
    service: str
    wallet: Wallet = field(repr=False)
    fixed: Credentials | None = field(default=None, repr=False)
    now_s: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    def has_nothing(self) -> bool:
        """Whether it is certain that there is nothing to sign with, not only nothing yet."""
        return self.fixed is None and self.wallet.is_empty

    def lack(self) -> str | None:
        """Why nothing can be signed now, None where it can."""
        return None if self.fixed is not None else self.wallet.lack(self.now_s())

    def sign(
        self,
        method: bytes,
        authority: bytes,
        path: bytes,
        query: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        pieces: Sequence[bytes | bytearray | memoryview],
        body_sha256: bytes,
    ) -> bytes:
        """The header lines to add (see `origin.Signer`).  Raises Refusal."""
        now_s = self.now_s()
        credentials = self.fixed or self.wallet.take(now_s)
        stamp = sigv4.stamp_of(int(now_s))
        added = {b"x-amz-date": stamp}
        if credentials.session_token is not None:
            added[b"x-amz-security-token"] = credentials.session_token.encode("ascii")
        # Everything else is left open: what stands between us and AWS may still change it.
        signed = {n: v for n, v in fields if n == b"content-type" or n.startswith(b"x-amz")}
        signed |= added
        signed[b"host"] = authority
        names = sorted(signed)
        digest = body_sha256 or sigv4.sha256_of(pieces)
        canonical = sigv4.canonical_request(method, path, query, signed, names, digest)
        added[b"authorization"] = sigv4.authorization_of(
            credentials.access_key_id.encode("ascii"),
            credentials.secret_access_key.encode("ascii"),
            stamp,
            self.region.encode("ascii"),
            self.service.encode("ascii"),
            names,
            canonical,
        )
        return b"".join([b"%b: %b\r\n" % line for line in added.items()])


def signer_of(upstream: Upstream, wallet: Wallet) -> AwsSigner:
    """The signer of an upstream that `is_signed`."""
    assert upstream.region is not None, "the configuration was checked"
    # What requests are signed for, by host: *.REGION.amazonaws.com and *.REGION.api.aws.
    host = urlsplit(upstream.url).hostname or ""
    service = "bedrock-mantle" if host.startswith("bedrock-mantle.") else "bedrock"
    given = upstream.credentials
    if given is None:
        return AwsSigner(upstream.region, service, wallet)
    token = given.session_token
    fixed = Credentials(
        given.access_key_id,
        given.secret_access_key.get_secret_value(),
        token.get_secret_value() if token is not None else None,
    )
    return AwsSigner(upstream.region, service, wallet, fixed)
