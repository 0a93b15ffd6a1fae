"""Signature Version 4 against botocore: both directions, over generated requests."""

from __future__ import annotations

import hashlib
import string

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.dialects import sigv4

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude%3A0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude:0",
]
PLAIN = string.ascii_letters + string.digits + "-._~:;!$'()*+,=@%"

segments = st.one_of(st.sampled_from([*MODELS, "", ".", "..", "model", "converse"]), st.text(PLAIN))
paths = st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(parts))
queries = st.lists(st.text(PLAIN, max_size=8), max_size=5).map("&".join)
words = st.text(string.ascii_letters + string.digits + " \t,;=/\"'", max_size=20)
names = st.sampled_from(
    [
        "Content-Type",
        "accept",
        "X-Amzn-Bedrock-Trace",
        "x-s4fw-tenant",
        "amz-sdk-request",
        "User-Agent",
    ]
)
bodies = st.binary(max_size=200)


def signed_by_botocore(
    method: str, url: str, headers: dict[str, str], body: bytes, service: str = "bedrock"
) -> dict[bytes, bytes]:
    """The fields of a request as botocore signs it, lower-case, with the host."""
    request = AWSRequest(method, url, headers=headers, data=body)
    SigV4Auth(Credentials("AKID", SECRET, "token"), service, "us-east-1").add_auth(request)
    fields = {name.lower().encode(): value.encode() for name, value in request.headers.items()}
    return {b"host": url.split("/")[2].encode()} | fields


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    path=paths,
    query=queries,
    headers=st.dictionaries(names, words),
    body=bodies,
    has_hash=st.booleans(),
)
def test_signature_is_botocores(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, has_hash: bool
) -> None:
    """Whatever a client signs we verify, and what we sign AWS would accept."""
    if has_hash:
        headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    url = f"http://127.0.0.1:8080{path}" + (f"?{query}" if query else "")
    fields = signed_by_botocore(method, url, headers, body)
    signature = sigv4.read_authorization(fields[b"authorization"])
    assert signature is not None
    assert signature.is_well_formed
    canonical = sigv4.canonical_request(
        method.encode(),
        path.encode(),
        query.encode(),
        fields,
        signature.names,
        sigv4.sha256_of((body[:7], body[7:])),
    )
    stamp = fields[b"x-amz-date"]
    assert sigv4.is_valid(signature, SECRET.encode(), stamp, canonical)
    assert not sigv4.is_valid(signature, SECRET.encode() + b"x", stamp, canonical)
    assert not sigv4.is_valid(signature, SECRET.encode(), stamp, canonical + b"x")
    assert fields[b"authorization"] == sigv4.authorization_of(
        b"AKID", SECRET.encode(), stamp, b"us-east-1", b"bedrock", signature.names, canonical
    )


def test_canonical_path_encodes_the_encoded_path_again() -> None:
    """The most common mistake: AWS signs %3A as %253A, everywhere but in S3."""
    assert b"/model/a%253A0/converse" == sigv4.canonical_path(b"/model/a%3A0/converse")
    assert b"/model/a%3A0/converse" == sigv4.canonical_path(b"/model/a:0/converse")


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (b"", b""),
        (b"b=2&a=1", b"a=1&b=2"),
        (b"a", b"a="),
        (b"a-b=1&a=2", b"a=2&a-b=1"),
        (b"a=2&a=1&", b"=&a=1&a=2"),
    ],
)
def test_canonical_query_sorts_by_name_then_value(query: bytes, canonical: bytes) -> None:
    """By name, not by the whole text: `-` sorts before `=`."""
    assert canonical == sigv4.canonical_query(query)


def test_stamp_and_seconds_are_each_others_reverse() -> None:
    """The time that is judged is the time that was signed."""
    assert b"20261121T203526Z" == sigv4.stamp_of(1_795_293_326)
    assert 1_795_293_326 == sigv4.seconds_of(b"20261121T203526Z")


@pytest.mark.parametrize(
    "stamp",
    [b"", b"20261121", b"20261121T203526", b"20261321T203526Z",
     b"20261121T203526Z, 20261121T203526Z",
     b"20261121T246000Z", b"00000000T000000Z", "２０261121T203526Z".encode()],
)  # fmt: skip
def test_seconds_of_what_is_no_time_is_none(stamp: bytes) -> None:
    """A second date, joined to the first, must not be read as one of them."""
    assert sigv4.seconds_of(stamp) is None


GOOD = (
    b"AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request,"
    b"SignedHeaders=host;x-amz-date,Signature=" + b"a" * 64
)


def test_authorization_without_spaces_is_read() -> None:
    """Some signers put no space after the commas."""
    signature = sigv4.read_authorization(GOOD)
    assert signature is not None
    assert ("AKID", b"bedrock") == (signature.access_key_id, signature.service)
    assert (b"host", b"x-amz-date") == signature.names


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:-1],
        GOOD + b"a",
        GOOD + b", " + GOOD,
        GOOD.replace(b"Signature=a", b"Signature=A"),
        GOOD.replace(b"/aws4_request", b""),
        GOOD.replace(b"20261121", b"today"),
        GOOD.replace(b"AKID", b""),
        GOOD.replace(b"AKID", b"A/K"),
        GOOD.replace(b"SHA256 C", b"SHA256C"),
        b"AWS4-ECDSA-P256-SHA256" + GOOD[16:],
        b"Bearer " + GOOD,
    ],
)
def test_authorization_of_another_form_is_not_read(bad: bytes) -> None:
    """One reading or none: two servers must not see two signatures in it."""
    assert sigv4.read_authorization(bad) is None


@pytest.mark.parametrize(
    "names", [b"x-amz-date;host", b"host;host;x-amz-date", b"host;;x-amz-date"]
)
def test_names_out_of_order_or_twice_are_not_well_formed(names: bytes) -> None:
    """The canonical form has one order; another would be another request's."""
    signature = sigv4.read_authorization(GOOD.replace(b"host;x-amz-date", names))
    assert signature is not None
    assert not signature.is_well_formed
