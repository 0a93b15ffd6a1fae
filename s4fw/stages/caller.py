"""Caller: who calls.

A credential is judged at the head, before the body costs anything: a key as it is (in whichever
header an SDK puts it), or a signature with a pair of ours.  A signature covers the body, so it is
verified as soon as that is there, before a byte of it is parsed.

Theory of operation (signatures).  The access key id names the caller and is no secret; the secret
is derived from `server.sigv4_master` (see `s4fw.config.sigv4`), so nothing is stored for a pair.
At the head everything is refused that no secret could make right: unknown ids, other services,
times off by more than `SKEW_S`, parts of the head that are not covered.  What must be covered: the
host, the time, and every x-amz-* and x-amzn-bedrock-* field, because those select tiers and
guardrails that cost money.  Labels (x-s4fw-*) need not be, since a label is no authority.  A body
that is not covered (UNSIGNED-PAYLOAD, the streaming forms) is refused whatever the transport.

Replay: within the ten minutes around its time a request that was overheard can be sent again, as it
is, and spends its caller's money again.  Remembering signatures would not help: an SDK that repeats
a request within the same second signs it to the same bytes.  TLS on the listener keeps requests
from being overheard, and the caps hold in any case.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, Protocol

from s4fw.config.sigv4 import AWS_ID_PREFIXES, sigv4_secret
from s4fw.core.exchange import Exchange, Offload
from s4fw.core.stage import Admitted, Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.dialects import sigv4
from s4fw.dialects.sigv4 import Signature
from s4fw.errors import INVALID_API_KEY, INVALID_REQUEST, INVALID_SIGNATURE

# Where the SDKs put a key: Anthropic's, ours beside a credential of another kind, Azure's.
_KEY_HEADERS: Final = (b"x-api-key", b"x-s4fw-key", b"api-key")

SKEW_S: Final = 300  # as AWS itself allows
# Of bedrock-runtime.REGION.amazonaws.com, and of bedrock-mantle.REGION.api.aws.
SERVICES: Final = frozenset({b"bedrock", b"bedrock-mantle"})
_MUST_BE_SIGNED: Final = (b"x-amz-", b"x-amzn-bedrock-")
_SHA256: Final = re.compile(rb"[0-9a-f]{64}")
# A larger body is hashed in a thread: about a millisecond of it at 1 GB/s.
OFFLOADED_BYTES_MIN: Final = 1024 * 1024


class Key(Protocol):
    """A configured caller (see `s4fw.config`)."""

    @property
    def id(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def access_key_id(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def feature(self) -> str | None: ...
    @property
    def customer(self) -> str | None: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def may_set(self) -> Set[str]: ...


class Caller:
    """A key, prepared for the hot path: plain values instead of a model of the configuration."""

    __slots__ = ("id", "may_set", "pins")

    def __init__(self, key: Key) -> None:
        self.id = key.id
        self.may_set = frozenset(key.may_set)
        pinned = {
            "tenant": key.tenant,
            "feature": key.feature,
            "customer": key.customer,
            "agent": key.agent,
        }
        self.pins = {name: value for name, value in pinned.items() if value is not None}


def keys_in(headers: Mapping[bytes, bytes]) -> set[bytes]:
    """The different keys that a head carries as they are."""
    found = {value for name in _KEY_HEADERS if (value := headers.get(name))}
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, value = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and value.strip():
            found.add(value.strip())
    return found


class Identify(Stage):
    """Sets `x.caller`; without `keys` it lets everybody in, and signatures are not looked at."""

    name = "caller"
    is_for_free_routes = True

    def __init__(
        self,
        keys: Sequence[Key],
        sigv4_master: str | None,
        offload: Offload,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        callers = [(key, Caller(key)) for key in keys]
        # Keyed by digest: looking a digest up tells an attacker nothing about another one.
        self._callers = {bytes.fromhex(k.sha256): c for k, c in callers if k.sha256 is not None}
        self._pairs: dict[str, tuple[Caller, bytes]] = {}
        for key, caller in callers:
            if key.access_key_id is not None and sigv4_master is not None:
                secret = sigv4_secret(sigv4_master, key.access_key_id)
                self._pairs[key.access_key_id] = caller, secret.encode("ascii")
        self._are_keys_needed = bool(keys)
        self._offload = offload
        self._now_s = now_s

    def open(self, x: Exchange) -> Verdict:
        """Judge the credential; refuses before the body is read."""
        if not self._are_keys_needed:
            return None
        headers = x.request.headers
        keys = keys_in(headers)
        authorization = headers.get(b"authorization", b"")
        if sigv4.is_signed(authorization):
            signature = sigv4.read_authorization(authorization)
            pair = None if signature is None else self._pairs.get(signature.access_key_id)
            # A key beside a signature that is not for us decides alone: an SDK that cannot leave
            # its signature out is told to send one so.
            if not keys or pair is not None:
                return self._judge_signature(x, signature, pair, bool(keys))
        if not keys:
            return Block(INVALID_API_KEY, "the request carries no key of this firewall")
        if len(keys) > 1:
            return _two_keys()
        x.caller = self._callers.get(hashlib.sha256(keys.pop()).digest())
        if x.caller is None:
            return Block(INVALID_API_KEY, "this key is not known to the firewall")
        return None

    def _judge_signature(
        self,
        x: Exchange,
        signature: Signature | None,
        pair: tuple[Caller, bytes] | None,
        has_keys: bool,
    ) -> Block | None:
        """All that can be known of a signature without the body."""
        if signature is None:
            return Block(INVALID_SIGNATURE, "the Authorization header is no AWS4-HMAC-SHA256 one")
        if pair is None:
            return _unknown_id(signature.access_key_id)
        if has_keys:
            return _two_keys()
        complaint = self._complaint(signature, x.request.headers)
        if complaint is not None:
            return Block(INVALID_SIGNATURE, complaint)
        x.caller = pair[0]
        x.signature = signature
        return None

    def _complaint(self, signature: Signature, headers: Mapping[bytes, bytes]) -> str | None:
        """What is wrong with the head of a signed request, None when nothing is."""
        if signature.service not in SERVICES:
            return "the signature is for another service than bedrock"
        stamp = headers.get(b"x-amz-date", b"")
        signed_s = sigv4.seconds_of(stamp)
        if signed_s is None:
            return "x-amz-date is missing or malformed"
        if stamp[:8] != signature.day:
            return "x-amz-date and the day in the credential differ"
        ahead_s = signed_s - int(self._now_s())
        if abs(ahead_s) > SKEW_S:
            where = "ahead of" if ahead_s > 0 else "behind"
            return (
                f"the request was signed {abs(ahead_s)} seconds {where} the firewall's clock;"
                f" {SKEW_S} are allowed"
            )
        if _SHA256.fullmatch(headers.get(b"x-amz-content-sha256", sigv4.EMPTY_SHA256)) is None:
            return "x-amz-content-sha256 must be the hash of the body: it has to be signed"
        return _uncovered(signature, headers)

    def admit(self, x: Exchange) -> Admitted:
        """Verify the signature, if there is one, over the whole request."""
        if x.signature is None:
            return None
        body = x.request.body
        if len(body) < OFFLOADED_BYTES_MIN:
            return self._verified(x, sigv4.sha256_of((body,)))
        return self._verify_large(x)

    async def _verify_large(self, x: Exchange) -> Verdict:
        body = x.request.body
        return self._verified(x, await self._offload(lambda: sigv4.sha256_of((body,))))

    def _verified(self, x: Exchange, body_sha256: bytes) -> Block | None:
        request, signature = x.request, x.signature
        headers = request.headers
        claimed = headers.get(b"x-amz-content-sha256", body_sha256)
        if not hmac.compare_digest(claimed, body_sha256):
            return Block(INVALID_SIGNATURE, "x-amz-content-sha256 is not the hash of the body")
        canonical = sigv4.canonical_request(
            request.method, request.path, request.query, headers, signature.names, body_sha256
        )
        secret = self._pairs[signature.access_key_id][1]
        if not sigv4.is_valid(signature, secret, headers[b"x-amz-date"], canonical):
            return Block(
                INVALID_SIGNATURE,
                "the signature does not match the request: the secret access key is another one,"
                " or something between the client and the firewall changed the request",
            )
        request.body_sha256 = body_sha256
        return None


def _uncovered(signature: Signature, headers: Mapping[bytes, bytes]) -> str | None:
    """What the signature leaves open and must not."""
    if not signature.is_well_formed:
        return "the signed headers are not sorted"
    names = frozenset(signature.names)
    if not names <= headers.keys():
        return "a signed header is missing"
    if b"host" not in names or b"x-amz-date" not in names:
        return "host and x-amz-date must be signed"
    if any(n.startswith(_MUST_BE_SIGNED) and n not in names for n in headers):
        return "every x-amz-* and x-amzn-bedrock-* header must be signed"
    return None


def _two_keys() -> Block:
    return Block(INVALID_REQUEST, "the request carries two different keys; send one")


def _unknown_id(access_key_id: str) -> Block:
    if access_key_id.startswith(AWS_ID_PREFIXES):
        return Block(
            INVALID_API_KEY,
            "the request is signed with AWS credentials, which only AWS can verify; use a pair"
            " that the firewall issued (`s4fw keys sigv4`), or send its key as x-s4fw-key",
        )
    return Block(INVALID_API_KEY, "this access key id is not known to the firewall")
