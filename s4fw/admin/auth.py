"""Who may ask the admin listener what: one decision, made before a route does anything.

health    always open: fixed bodies, no figures
read      open without a token (then the listener is on loopback), else the token
change    the token, always: a web page in a browser on this machine can reach loopback, but it
          cannot know the token; the `Host` header is an attacker's text and decides nothing
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
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


def is_loopback(host: str) -> bool:
    """Whether a listener bound to `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Holds a digest of the token, not the token."""

    def __init__(self, token: str | None, is_loopback: bool) -> None:
        """Raises ValueError for what would be open to the network: no token beyond loopback."""
        if token is None and not is_loopback:
            raise ValueError("an admin listener beyond loopback needs a token")
        if token is not None and not token.strip():
            raise ValueError("the admin token is empty")
        self._digest = None if token is None else _digest(token.encode())

    def __repr__(self) -> str:
        return f"<Guard {'loopback, no token' if self._digest is None else 'token'}>"

    def judge(self, access: Access, authorizations: Sequence[bytes]) -> Denial | None:
        """None when the request may go on.  `authorizations`: every Authorization header given."""
        if access is Access.HEALTH:
            return None
        if self._digest is None:
            return NO_TOKEN_SET if access is Access.CHANGE else None
        if len(authorizations) != 1:  # two of them: someone in between may have judged the other
            return TOKEN_MISSING if not authorizations else TOKEN_WRONG
        scheme, _, given = authorizations[0].partition(b" ")
        if scheme.lower() != b"bearer":
            return TOKEN_MISSING
        # Digests are of one length and unrelated to the text: the comparison tells nothing of it.
        is_right = hmac.compare_digest(self._digest, _digest(given.strip()))
        return None if is_right else TOKEN_WRONG


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
