"""Signed requests: who is let in, what is refused at the head, what only with the body."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from s4fw.config.sigv4 import sigv4_secret
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Answer, Block
from s4fw.dialects import ROUTES, sigv4
from s4fw.stages.caller import OFFLOADED_BYTES_MIN, SKEW_S, Identify

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
MASTER = "m" * 40
ID = "S4FWABCDEFGHIJKLMNOP"
OTHER_ID = "S4FWOTHEROTHEROTHER1"
NOW_S = 1_795_293_326
PATH = b"/t/acme/model/us.anthropic.claude-v1%3A0/converse"
BODY = b'{"messages":[]}'


@dataclass(frozen=True)
class Key:
    """A caller as the configuration has it."""

    id: str = "bot"
    sha256: str | None = None
    access_key_id: str | None = ID
    tenant: str | None = None
    feature: str | None = None
    customer: str | None = None
    agent: str | None = None
    may_set: frozenset[str] = frozenset()


def signed(
    extra: dict[bytes, bytes] | None = None,
    *,
    access_key_id: str = ID,
    secret: str | None = None,
    at_s: int = NOW_S,
    service: bytes = b"bedrock",
    body: bytes = BODY,
    path: bytes = PATH,
    unsigned: tuple[bytes, ...] = (),
) -> dict[bytes, bytes]:
    """The head of a request as an AWS SDK sends it."""
    stamp = sigv4.stamp_of(at_s)
    headers = {b"host": b"fw:8080", b"content-type": b"application/json", b"x-amz-date": stamp}
    headers |= extra or {}
    names = sorted(name for name in headers if name not in unsigned)
    digest = sigv4.sha256_of((body,))
    canonical = sigv4.canonical_request(b"POST", path, b"", headers, names, digest)
    secret = sigv4_secret(MASTER, access_key_id) if secret is None else secret
    authorization = sigv4.authorization_of(
        access_key_id.encode(), secret.encode(), stamp, b"eu-west-1", service, names, canonical
    )
    return headers | {b"authorization": authorization}


async def in_a_thread(function: Callable[[], Any]) -> Any:
    """What a worker does with long work."""
    return await asyncio.to_thread(function)


def stage(*keys: Key, now_s: int = NOW_S) -> Identify:
    return Identify(
        keys or (Key(), Key("b", access_key_id=OTHER_ID)), MASTER, in_a_thread, lambda: now_s
    )


def opened(headers: dict[bytes, bytes], made: Identify | None = None) -> Exchange | Block:
    """The head is read: the exchange, or its refusal."""
    x = Exchange(CHAT, Request(b"POST", PATH, b"", headers))
    verdict = (made or stage()).open(x)
    assert not isinstance(verdict, Answer)
    return verdict or x


def walk(
    headers: dict[bytes, bytes],
    body: bytes = BODY,
    path: bytes = PATH,
    method: bytes = b"POST",
    threads: list[bool] | None = None,
) -> str:
    """The whole way: the caller's id, or the code of the refusal.  Notes in `threads` a wait."""
    made = stage()
    x = Exchange(CHAT, Request(method, path, b"", headers))
    verdict: Any = made.open(x)
    if verdict is None:
        x.request.body = body
        verdict = made.admit(x)
        if isinstance(verdict, Awaitable):
            (threads if threads is not None else []).append(True)
            verdict = asyncio.run(asyncio.wait_for(_result(verdict), 10))
    return str(x.caller.id) if verdict is None else str(verdict.code.name)


async def _result(waiting: Awaitable[Any]) -> Any:
    return await waiting


def test_signed_request_is_its_callers() -> None:
    """A pair of ours, the prefix in the path and any region: the caller is known by it."""
    assert "bot" == walk(signed())
    assert "b" == walk(signed(access_key_id=OTHER_ID))
    assert "bot" == walk(signed(service=b"bedrock-mantle"))


def test_large_body_is_hashed_in_a_thread() -> None:
    """Nobody else waits for it."""
    body = b"x" * OFFLOADED_BYTES_MIN
    threads: list[bool] = []
    assert "bot" == walk(signed(body=body), body, threads=threads)
    assert [True] == threads
    assert "invalid_signature" == walk(signed(body=body), body[:-1] + b"y")


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("body", {"body": BODY + b" "}),
        ("body gone", {"body": b""}),
        ("path", {"path": PATH.replace(b"haiku", b"opus") + b"-stream"}),
        ("prefix", {"path": PATH.replace(b"acme", b"globex")}),
        ("encoding of the path", {"path": PATH.replace(b"%3A", b":")}),
        ("method", {"method": b"DELETE"}),
    ],
)
def test_altered_request_is_refused(what: str, changed: dict[str, bytes]) -> None:
    """Whatever is signed cannot be changed on the way."""
    arguments: dict[str, Any] = changed
    assert "invalid_signature" == walk(signed(), **arguments), what


@pytest.mark.parametrize(
    "alteration",
    [
        {b"host": b"other:8080"},
        {b"content-type": b"text/plain"},
        {b"x-amz-date": sigv4.stamp_of(NOW_S + 1)},
        {b"x-amz-date": b""},
        {b"x-amzn-bedrock-service-tier": b"flex, priority"},
    ],
)
def test_altered_field_is_refused(alteration: dict[bytes, bytes]) -> None:
    """A second field of the same name is joined to the first: that is another value, too."""
    headers = signed({b"x-amzn-bedrock-service-tier": b"flex"})
    assert "bot" == walk(headers)
    assert "invalid_signature" == walk(headers | alteration)


def test_wrong_secret_is_refused() -> None:
    """Of another pair of ours, of another master, none."""
    for secret in (sigv4_secret(MASTER, OTHER_ID), sigv4_secret("n" * 40, ID), ""):
        assert "invalid_signature" == walk(signed(secret=secret))


@pytest.mark.parametrize("name", [b"x-amz-target", b"x-amzn-bedrock-service-tier"])
def test_field_that_costs_money_must_be_signed(name: bytes) -> None:
    """Added on the way it would choose a dearer tier, or none of the caller's guardrails."""
    headers = signed() | {name: b"priority"}
    block = opened(headers)
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name
    assert "bot" == walk(signed({name: b"priority"}))


def test_fields_that_proxies_add_need_not_be_signed() -> None:
    """Load balancers trace, SDKs count their tries."""
    added = {
        b"x-amzn-trace-id": b"Root=1",
        b"amz-sdk-request": b"attempt=1",
        b"x-s4fw-tenant": b"a",
    }
    assert "bot" == walk(signed() | added)


@pytest.mark.parametrize("name", [b"host", b"x-amz-date"])
def test_host_and_time_must_be_signed(name: bytes) -> None:
    """Without them a request could be sent anywhere, for ever."""
    headers = signed(unsigned=(name,))
    block = opened(headers)
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name


def test_signed_field_that_is_not_there_is_refused_at_the_head() -> None:
    """Not a fault of ours later."""
    headers = signed({b"x-extra": b"1"})
    del headers[b"x-extra"]
    block = opened(headers)
    assert isinstance(block, Block)
    assert "a signed header is missing" in block.message


@pytest.mark.parametrize(
    ("off_s", "is_good"),
    [(SKEW_S, True), (-SKEW_S, True), (SKEW_S + 1, False), (-SKEW_S - 1, False), (86_400, False)],
)
def test_clock_may_be_off_by_five_minutes(off_s: int, is_good: bool) -> None:
    """As with AWS; the sentence says which clock, because that is what has to be repaired."""
    outcome = opened(signed(at_s=NOW_S + off_s))
    assert is_good == isinstance(outcome, Exchange)
    if isinstance(outcome, Block):
        assert f"{abs(off_s)} seconds {'ahead of' if off_s > 0 else 'behind'}" in outcome.message


def test_day_of_the_credential_must_be_that_of_the_time() -> None:
    """A key of one day signs for that day only."""
    headers = signed()
    headers[b"authorization"] = headers[b"authorization"].replace(b"/20261121/", b"/20261120/")
    block = opened(headers)
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name


@pytest.mark.parametrize("service", [b"s3", b"sts", b"bedrock-agent"])
def test_signature_for_another_service_is_refused(service: bytes) -> None:
    """Nothing else is served here."""
    block = opened(signed(service=service))
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name


@pytest.mark.parametrize(
    "value", [b"UNSIGNED-PAYLOAD", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"", b"0" * 63, b"A" * 64]
)
def test_body_that_is_not_covered_is_refused(value: bytes) -> None:
    """It could be exchanged for a dearer one on the way."""
    block = opened(signed({b"x-amz-content-sha256": value}))
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name


def test_hash_of_the_body_must_be_that_of_the_body() -> None:
    """The field alone is signed with, by some; the body must be the one it names."""
    digest = sigv4.sha256_of((BODY,))
    headers = signed({b"x-amz-content-sha256": digest})
    assert "bot" == walk(headers)
    assert "invalid_signature" == walk(headers, BODY + b" ")
    assert "invalid_signature" == walk(signed({b"x-amz-content-sha256": b"0" * 64}))


def test_unknown_access_key_id_is_an_unknown_key() -> None:
    """It is named neither in the answer nor anywhere else."""
    block = opened(signed(access_key_id="S4FWNOBODY"))
    assert isinstance(block, Block)
    assert "invalid_api_key" == block.code.name
    assert "S4FWNOBODY" not in block.message


@pytest.mark.parametrize("access_key_id", ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"])
def test_credentials_of_aws_are_refused_with_what_to_do(access_key_id: str) -> None:
    """The usual first mistake: boto3 took the developer's own profile."""
    block = opened(signed(access_key_id=access_key_id))
    assert isinstance(block, Block)
    assert "invalid_api_key" == block.code.name
    assert "s4fw keys sigv4" in block.message


@pytest.mark.parametrize(
    "authorization",
    [
        b"AWS4-HMAC-SHA256",
        b"AWS4-ECDSA-P256-SHA256 Credential=a",
        b"AWS4-HMAC-SHA256 Credential=a/b",
    ],
)
def test_authorization_that_cannot_be_read_is_refused(authorization: bytes) -> None:
    """Never taken for none."""
    block = opened(signed() | {b"authorization": authorization})
    assert isinstance(block, Block)
    assert "invalid_signature" == block.code.name


def test_key_beside_a_signature_of_aws_decides() -> None:
    """An SDK that cannot leave its signature out sends our key in a header of its own."""
    key = b"k-of-the-firewall"
    plain = Key("plain", sigv4.sha256_of((key,)).decode(), None)
    made = stage(plain, Key())
    foreign = signed(access_key_id="AKIAIOSFODNN7EXAMPLE")
    x = opened(foreign | {b"x-s4fw-key": key}, made)
    assert isinstance(x, Exchange)
    assert ("plain", None) == (x.caller.id, x.signature)
    block = opened(foreign | {b"x-s4fw-key": b"wrong"}, made)
    assert isinstance(block, Block)


def test_key_beside_a_signature_of_ours_is_refused() -> None:
    """Nobody may choose the richer one."""
    key = b"k-of-the-firewall"
    plain = Key("plain", sigv4.sha256_of((key,)).decode(), None)
    block = opened(signed() | {b"x-api-key": key}, stage(plain, Key()))
    assert isinstance(block, Block)
    assert 400 == block.code.status


@pytest.mark.parametrize("name", [b"api-key", b"x-api-key", b"x-s4fw-key"])
def test_key_in_the_header_of_any_sdk(name: bytes) -> None:
    """Azure's, Anthropic's, ours."""
    key = b"k-of-the-firewall"
    made = stage(Key("plain", sigv4.sha256_of((key,)).decode(), None))
    x = opened({name: key}, made)
    assert isinstance(x, Exchange)
    assert "plain" == x.caller.id


def test_without_keys_a_signature_is_not_looked_at() -> None:
    """On loopback a developer's own AWS profile may sign: it is replaced upstream."""
    made = Identify((), None, in_a_thread, lambda: NOW_S)
    x = opened(signed(access_key_id="AKIAIOSFODNN7EXAMPLE", at_s=0), made)
    assert isinstance(x, Exchange)
    assert x.caller is None
    assert made.admit(x) is None


def test_secret_of_a_pair_is_what_is_documented() -> None:
    """It is in people's environments: it must never change.  Made with openssl dgst and base64."""
    assert "9ND7FU1OD3sBuJTFGWZ8nIbF2U32bKhN3xz_qb5Q" == sigv4_secret(MASTER, ID)
