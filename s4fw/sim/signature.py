"""Verifies AWS signatures (SigV4) of calls, with the one key pair that the simulator knows.

Written apart from the firewall's own: two that agree are worth more than one with itself.
Source: AWS, "Create a signed AWS API request"; every service but S3 encodes the path once more.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from s4fw.sim.form import ProviderError
from s4fw.sim.reply import Call

SCHEME = "AWS4-HMAC-SHA256"

_SKEW_S = 300
_SERVICES = ("bedrock", "bedrock-mantle")


def is_signed(call: Call) -> bool:
    """Whether the call carries a signature at all."""
    return call.headers.get("authorization", "").startswith(SCHEME)


def check(call: Call, key_id: str, secret: str) -> None:
    """Raises ProviderError where the signature is not that of this key pair."""
    fields = dict(
        part.strip().partition("=")[::2]
        for part in call.headers["authorization"].removeprefix(SCHEME).split(",")
    )
    given_id, _, scope = fields.get("Credential", "").partition("/")
    date = call.headers.get("x-amz-date", "")
    if given_id != key_id:
        raise _refusal("UnrecognizedClientException", "The security token is invalid.")
    day, region, service, end = [*scope.split("/"), "", "", ""][:4]
    if service not in _SERVICES or end != "aws4_request" or not date.startswith(day or "?"):
        raise _refusal("InvalidSignatureException", f"Credential scope {scope!r} is not valid.")
    if abs((datetime.now(UTC) - _time(date)).total_seconds()) > _SKEW_S:
        raise _refusal("InvalidSignatureException", f"Signature expired: {date}")
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = "\n".join((SCHEME, date, scope, _digest(_canonical(call, fields))))
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    if not hmac.compare_digest(expected, fields.get("Signature", "")):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
        raise _refusal("InvalidSignatureException", message)


def _canonical(call: Call, fields: dict[str, str]) -> bytes:
    path, _, query = call.target.partition("?")
    signed = fields.get("SignedHeaders", "")
    lines = [f"{n}:{' '.join(call.headers.get(n, '').split())}\n" for n in signed.split(";")]
    body = call.headers.get("x-amz-content-sha256") or _digest(call.body)
    ordered = "&".join(sorted(query.split("&"))) if query else ""
    encoded = quote(path, safe="/-_.~")
    return "\n".join((call.method, encoded, ordered, "".join(lines), signed, body)).encode()


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _refusal("IncompleteSignatureException", "Date must be in ISO-8601.") from None


def _digest(data: bytes | bytearray) -> str:
    return sha256(data).hexdigest()


def _refusal(kind: str, message: str) -> ProviderError:
    return ProviderError(403, message, kind=kind)
