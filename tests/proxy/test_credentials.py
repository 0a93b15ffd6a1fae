"""What is signed upstream is what botocore would sign; what cannot be signed is refused."""

from __future__ import annotations

import pytest

from s4fw.config import parse
from s4fw.dialects import sigv4
from s4fw.errors import CREDENTIALS_MISSING, Refusal
from s4fw.proxy.credentials import AwsSigner, Credentials, Wallet, signer_of
from tests.harness.aws import expected_signature

NOW_S = 1_795_293_326
OURS = Credentials("AKID", "secret", "token", NOW_S + 60)
PATH = b"/base/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a%3A0/converse"
FIELDS = [
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"x-amzn-bedrock-trace", b"ENABLED  \t DETAILS"),
    (b"user-agent", b"Boto3/1"),
]
PIECES = (b'{"messages":', memoryview(b"[]"), bytearray(b"}"))


def lines_of(block: bytes) -> dict[str, str]:
    """Header lines as a mapping."""
    assert block.endswith(b"\r\n")
    lines = block.decode().removesuffix("\r\n").split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def filled(credentials: Credentials = OURS) -> Wallet:
    """A wallet with credentials."""
    wallet = Wallet()
    wallet.put(credentials)
    return wallet


@pytest.mark.parametrize("query", [b"", b"beta=true"])
def test_signature_of_a_request_is_what_botocore_computes(query: bytes) -> None:
    """Model ids with %3A and %2F, a body in pieces, a token: AWS would accept it."""
    signer = AwsSigner("us-east-1", "bedrock", filled(), now_s=lambda: NOW_S + 0.9)
    made = lines_of(signer.sign(b"POST", b"bedrock:8443", PATH, query, FIELDS, PIECES, b""))
    assert {"x-amz-date", "x-amz-security-token", "authorization"} == set(made)
    assert sigv4.stamp_of(NOW_S).decode() == made["x-amz-date"]
    sent = {"host": "bedrock:8443"} | {n.decode(): v.decode() for n, v in FIELDS} | made
    target = PATH.decode() + ("?" + query.decode() if query else "")
    expected = expected_signature("POST", target, sent, b"".join(PIECES), "secret")
    assert made["authorization"].endswith(f"Signature={expected}")
    assert (
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace,"
        in made["authorization"]
    )


def test_known_hash_of_the_body_is_not_made_again() -> None:
    """A large body came signed, or was hashed in a thread."""
    signer = AwsSigner("us-east-1", "bedrock", filled(), now_s=lambda: float(NOW_S))
    known = sigv4.sha256_of(PIECES)
    made, again = (
        signer.sign(b"POST", b"h", PATH, b"", FIELDS, pieces, digest)
        for pieces, digest in ((PIECES, b""), ((), known))
    )
    assert made == again


def test_renewed_credentials_sign_the_next_request() -> None:
    """The set is replaced whole: no request has the id of one and the token of another."""
    wallet = filled()
    signer = AwsSigner("us-east-1", "bedrock", wallet, now_s=lambda: float(NOW_S))
    wallet.put(Credentials("OTHER", "secret2"))
    made = lines_of(signer.sign(b"POST", b"h", PATH, b"", FIELDS, PIECES, b""))
    assert "Credential=OTHER/20261121/us-east-1/bedrock/aws4_request" in made["authorization"]
    assert "x-amz-security-token" not in made


def test_empty_wallet_is_said_and_signs_nothing() -> None:
    """Before the first message, and when there is nothing on the machine."""
    wallet = Wallet()
    signer = AwsSigner("us-east-1", "bedrock", wallet, now_s=lambda: float(NOW_S))
    assert "still looking" in (signer.lack() or "")
    assert not signer.has_nothing()  # a caller's own key is no answer to that
    wallet.empty("there is no role")
    assert "there is no role" == signer.lack()
    assert signer.has_nothing()
    with pytest.raises(Refusal) as refusal:
        signer.sign(b"POST", b"h", PATH, b"", FIELDS, PIECES, b"")
    assert CREDENTIALS_MISSING is refusal.value.code


def test_expired_credentials_are_not_used() -> None:
    """AWS would refuse them, in words that no caller could do anything about."""
    signer = AwsSigner("us-east-1", "bedrock", filled(), now_s=lambda: float(NOW_S + 60))
    assert "expired" in (signer.lack() or "")
    with pytest.raises(Refusal):
        signer.sign(b"POST", b"h", PATH, b"", FIELDS, PIECES, b"")


def test_secrets_are_in_no_text_of_an_object() -> None:
    """A traceback or a log line shows objects."""
    signer = AwsSigner("us-east-1", "bedrock", filled(), Credentials("AKID", "secret", "token"))
    for one in (OURS, filled(), signer):
        assert "secret'" not in repr(one)
        assert "token'" not in repr(one)


def configured(upstream: str, wallet: Wallet) -> AwsSigner:
    """The signer of an upstream as it is configured."""
    config = parse(f"upstreams: {{bedrock: {{region: eu-west-1, {upstream}}}}}", "x", {})
    return signer_of(config.upstreams["bedrock"], wallet)


def test_signer_of_an_upstream_knows_its_service_by_its_host() -> None:
    """Bedrock's compatible endpoint has a name of its own in signatures."""
    wallet = Wallet()
    mantle = "base_url: https://bedrock-mantle.eu-west-1.api.aws"
    assert ("bedrock", "eu-west-1") == (
        configured("", wallet).service,
        configured("", wallet).region,
    )
    assert "bedrock-mantle" == configured(mantle, wallet).service


def test_signers_are_equal_while_nothing_changed() -> None:
    """An upstream that is the same after a reload keeps its connections; other credentials do
    not."""
    wallet = Wallet()
    fixed = "credentials: {access_key_id: AKIDAKID, secret_access_key: %s}"
    assert configured("", wallet) == configured("", wallet)
    assert configured(fixed % "a", wallet) == configured(fixed % "a", wallet)
    assert configured(fixed % "a", wallet) != configured(fixed % "b", wallet)
