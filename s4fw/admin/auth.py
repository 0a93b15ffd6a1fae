"""Who may ask the admin listener what: one decision, made before a route does anything.

health    always open: fixed bodies, no figures
read      open without any token (then the listener is on loopback), else one of the two tokens
change    the token, always: a web page in a browser on this machine can reach loopback, but it
          cannot know the token; the `Host` header is an attacker's text and decides nothing

The read token is for those who look by themselves, as a scraper does, and hold it in a file of
their own: who takes it learns figures, but moves no budget.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Access(Enum):
    """What a route does, as far as permission goes."""

    HEALTH = "health"
    READ = "read"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not: a status, a code to program against and a sentence for people."""

    status: int
    code: str
    message: str


NO_TOKEN_SET = Denial(403, "changes_need_a_token", "set admin.token to allow changes")
TOKEN_MISSING = Denial(401, "token_missing", "send the header: Authorization: Bearer <admin token>")
TOKEN_WRONG = Denial(401, "token_wrong", "the admin token is not the configured one")
TOKEN_READS_ONLY = Denial(403, "token_reads_only", "changes need admin.token, not the read token")


class Guard:
    """Holds digests of the tokens, not the tokens."""

    def __init__(self, token: str | None, read_token: str | None, is_loopback: bool) -> None:
        """Raises ValueError for what would be open to the network: no token beyond loopback."""
        if token is None and read_token is None and not is_loopback:
            raise ValueError("an admin listener beyond loopback needs a token")
        self._token = _digest_of(token)
        self._read_token = _digest_of(read_token)

    def __repr__(self) -> str:
        has_any = self._token is not None or self._read_token is not None
        return f"<Guard {'token' if has_any else 'loopback, no token'}>"

    def judge(self, access: Access, authorizations: Sequence[bytes]) -> Denial | None:
        """None when the request may go on.  `authorizations`: every Authorization header given."""
        if access is Access.HEALTH:
            return None
        if access is Access.CHANGE and self._token is None:
            return NO_TOKEN_SET
        if self._token is None and self._read_token is None:
            return None
        if len(authorizations) != 1:  # two of them: someone in between may have judged the other
            return TOKEN_MISSING if not authorizations else TOKEN_WRONG
        scheme, _, given = authorizations[0].partition(b" ")
        if scheme.lower() != b"bearer":
            return TOKEN_MISSING
        # Digests are of one length and unrelated to the text: the comparison tells nothing of it.
        digest = hashlib.sha256(given.strip()).digest()
        if _is_equal(self._token, digest):
            return None
        if _is_equal(self._read_token, digest):
            return None if access is Access.READ else TOKEN_READS_ONLY
        return TOKEN_WRONG


def _digest_of(token: str | None) -> bytes | None:
    if token is None:
        return None
    if not token.strip():
        raise ValueError("the admin token is empty")
    return hashlib.sha256(token.encode()).digest()


def _is_equal(expected: bytes | None, digest: bytes) -> bool:
    return expected is not None and hmac.compare_digest(expected, digest)
