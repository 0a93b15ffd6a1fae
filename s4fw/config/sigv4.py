"""Pairs for callers that sign (AWS SDKs): the secret of each is derived, none is stored.

    secret access key = first 40 characters of
        base64url(HMAC-SHA256(key=master, message="s4fw sigv4 secret 1\\n" + access key id))

where master is the text of `server.sigv4_master` without white space around it, as ASCII bytes.
40 characters are what AWS's own have, and 240 bits.  Another master makes all pairs void; another
access key id makes another pair, which is how one is revoked: give the key a new id.
"""

from __future__ import annotations

import base64
import hmac
import secrets

# What real AWS access key ids begin with (docs.aws.amazon.com/IAM, "unique identifiers").
AWS_ID_PREFIXES = ("AKIA", "ASIA")

MASTER_CHARACTERS_MIN = 32
_PURPOSE = b"s4fw sigv4 secret 1\n"
_SECRET_CHARACTERS = 40
_ID_PREFIX = "S4FW"
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def sigv4_secret(master: str, access_key_id: str) -> str:
    """The secret access key that belongs to an access key id."""
    message = _PURPOSE + access_key_id.encode("ascii")
    digest = hmac.digest(master.encode("ascii"), message, "sha256")
    return base64.urlsafe_b64encode(digest)[:_SECRET_CHARACTERS].decode("ascii")


def new_access_key_id() -> str:
    """A new one: 20 characters as AWS has, that cannot be taken for one of AWS."""
    return _ID_PREFIX + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))
