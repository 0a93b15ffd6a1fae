"""What crosses the firewall in the heads, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.dialects import ROUTES
from s4fw.errors import CREDENTIALS_MISSING, Refusal
from s4fw.proxy import Origin, headers
from s4fw.proxy.head import Head
from tests.proxy.rig import (
    BODY,
    DONE,
    KEY,
    PLAIN,
    STREAM_HEAD,
    USAGE,
    USAGE_EVENT,
    Rig,
    chunk,
    on_rig,
    post,
)

NOWHERE = Origin.of("bedrock", "http://127.0.0.1:9")
STRANGE = (
    b"Cookie: a=b",
    b"X-Forwarded-For: 1.2.3.4",
    b"Forwarded: for=1.2.3.4",
    b"If-None-Match: x",
    b"Range: bytes=0-1",
    b"TE: trailers",
    b"Keep-Alive: 5",
    b"Proxy-Authorization: Basic x",
    b"X-S4fw-Tenant: acme",
    b"X-Unknown: y",
    b"Accept-Encoding: gzip",
    b"X-HTTP-Method-Override: DELETE",
)


@on_rig()
async def test_request_carries_only_what_is_on_the_list(rig: Rig) -> None:
    """A header that nobody thought of must not reach the provider."""
    known = (b"User-Agent: sdk", b"X-Stainless-Lang: python", b"Idempotency-Key: k1")
    client = await rig.client()
    await client.ask(post(BODY, *STRANGE, *known))
    seen = rig.upstream.seen[0]
    assert seen.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert seen.headers == {
        b"host": b"127.0.0.1:%d" % rig.upstream.port,
        b"accept-encoding": b"identity",
        b"content-type": b"application/json",
        b"user-agent": b"sdk",
        b"x-stainless-lang": b"python",
        b"idempotency-key": b"k1",
        b"authorization": b"Bearer " + KEY,
        b"content-length": b"%d" % len(BODY),
    }


@on_rig()
async def test_request_drops_what_connection_nominates_and_obs_text(rig: Rig) -> None:
    """Hop-by-hop fields end here; bytes beyond ASCII are read differently everywhere."""
    client = await rig.client()
    fields = (b"Connection: keep-alive, Accept", b"Accept: x", b"User-Agent: caf\xe9")
    await client.ask(post(BODY, *fields))
    assert rig.upstream.seen[0].headers.keys().isdisjoint({b"accept", b"user-agent", b"connection"})


@on_rig()
async def test_every_shape_gets_its_own_fields_and_no_gateway_does(rig: Rig) -> None:
    """Versions and betas choose what a provider does; who the caller is inside stays inside."""
    own = (b"Anthropic-Beta: a", b"Anthropic-Beta: b", b"Anthropic-Version: 2023-06-01")
    inner = (
        b"Baggage: tenant=acme",
        b"Helicone-Session-Id: s",
        b"X-Portkey-Metadata: {}",
        b"X-LiteLLM-Tags: a",
        b"CF-AIG-Metadata: {}",
        b"X-Claude-Code-Session-Id: s",
        b"X-Amzn-Bedrock-Trace: ENABLED",
        b"Amz-Sdk-Invocation-Id: i",
        b"X-Amz-Date: 20260101T000000Z",
    )
    client = await rig.client()
    await client.ask(post(BODY, *own, *inner))
    seen = rig.upstream.seen[0].headers
    assert (b"a, b", b"2023-06-01") == (seen[b"anthropic-beta"], seen[b"anthropic-version"])
    names = {line.partition(b":")[0].lower() for line in inner}
    assert not names & seen.keys()


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        (b"X-Api-Key: k", True),
        (b"Api-Key: k", True),
        (b"Anthropic-Workspace-Id: w", True),
        (b"X-S4fw-Key: k", False),
    ],
)
def test_callers_own_credential_passes_without_one_of_ours(line: bytes, passes: bool) -> None:
    """Without keys the caller pays with its own, in whichever header its SDK has it."""

    @on_rig()
    async def play(rig: Rig) -> None:
        client = await rig.client()
        await client.ask(post(BODY, line))
        name = line.partition(b":")[0].lower()
        assert passes == (name in rig.upstream.seen[0].headers)
        url = f"http://127.0.0.1:{rig.upstream.port}"
        rig.proxy.swap_origins({"openai": Origin.of("openai", url, "sk-ours", "api-key")})
        await client.ask(post(BODY, line))
        seen = rig.upstream.seen[1].headers
        assert seen[b"api-key"] == b"sk-ours"
        assert {b"authorization", b"x-api-key", b"anthropic-workspace-id"}.isdisjoint(seen)

    play()


@pytest.mark.parametrize(
    ("dialect", "auth", "line"),
    [
        ("openai", None, b"authorization: Bearer k\r\n"),
        ("openai", "api-key", b"api-key: k\r\n"),
        ("anthropic", None, b"x-api-key: k\r\n"),
        ("anthropic", "bearer", b"authorization: Bearer k\r\n"),
        ("bedrock", None, b"authorization: Bearer k\r\n"),
    ],
)
def test_origin_sends_a_key_as_its_dialect_does(
    dialect: str, auth: str | None, line: bytes
) -> None:
    """Each provider looks for a key in its own place."""
    assert line == Origin.of(dialect, "https://a.example", "k", auth).credential


class Scripted:
    """A signer that tells what it was given."""

    def __init__(self) -> None:
        self.told: tuple[bytes, ...] = ()
        self.refusal: Refusal | None = None

    def has_nothing(self) -> bool:
        return False

    def lack(self) -> str | None:
        return None

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
        if self.refusal is not None:
            raise self.refusal
        self.told = (method, authority, path, query, *dict(fields), b"".join(pieces))
        return b"authorization: signed\r\n"


@on_rig()
async def test_signer_signs_what_is_sent_and_hides_the_callers_credential(rig: Rig) -> None:
    """Every request has its own signature, though its head is remembered."""
    signer = Scripted()
    url = f"http://127.0.0.1:{rig.upstream.port}/base"
    rig.proxy.swap_origins({"openai": Origin.of("openai", url, signer=signer)})
    client = await rig.client()
    for body in (BODY, BODY.replace(b"hi", b"ho")):
        await client.ask(post(body))
        authority = b"127.0.0.1:%d" % rig.upstream.port
        path = b"/base/v1/chat/completions"
        assert (b"POST", authority, path, b"", b"content-type", body) == signer.told
        assert rig.upstream.seen[-1].headers[b"authorization"] == b"signed"
        assert KEY not in rig.upstream.seen[-1].head


@on_rig()
async def test_signer_without_credentials_refuses_and_nothing_is_sent(rig: Rig) -> None:
    """They can run out while a request waits for its connection, which stays good for the next."""
    signer = Scripted()
    signer.refusal = Refusal(CREDENTIALS_MISSING, "expired")
    url = f"http://127.0.0.1:{rig.upstream.port}"
    rig.proxy.swap_origins({"openai": Origin.of("openai", url, signer=signer)})
    client = await rig.client()
    assert (await client.ask(post()))[0] == CREDENTIALS_MISSING.status
    x = await rig.settled()
    assert (x.is_sent, x.reason) == (False, Reason.NOT_SENT)
    signer.refusal = None
    assert (await client.ask(post()))[0] == 200
    assert rig.upstream.connections == 1


@on_rig()
async def test_credential_of_ours_replaces_the_callers(rig: Rig) -> None:
    """With a key of ours the caller's key stays here, and so does its choice of who pays."""
    url = f"http://127.0.0.1:{rig.upstream.port}/gateway/"
    rig.proxy.swap_origins({"openai": Origin.of("openai", url, "sk-ours")})
    client = await rig.client()
    await client.ask(post(BODY, b"OpenAI-Organization: org-x", b"OpenAI-Project: p"))
    seen = rig.upstream.seen[0]
    assert seen.head.startswith(b"POST /gateway/v1/chat/completions HTTP/1.1\r\n")
    assert seen.headers[b"authorization"] == b"Bearer sk-ours"
    assert KEY not in seen.head
    assert b"openai-organization" not in seen.headers
    assert "sk-ours" not in repr(rig.proxy.connector("openai").origin)


@on_rig()
async def test_key_of_the_firewall_is_never_forwarded(rig: Rig) -> None:
    """A caller known by a key of the firewall has no credential for the provider."""

    def decide(x: Exchange) -> None:
        x.caller = object()

    rig.stage.decide = decide
    await (await rig.client()).ask(post())
    assert KEY not in rig.upstream.seen[0].head


@on_rig()
async def test_query_is_forwarded_only_where_nothing_is_metered(rig: Rig) -> None:
    """The quote came from the body; a bound or a model in the query would not be in it."""
    path = b"/v1/chat/completions?model=dear&api-version=2024-10-21&max_tokens=9&beta=true"
    client = await rig.client()
    await client.ask(post(path=path))
    line = rig.upstream.seen[0].head.split(b"\r\n")[0]
    assert line == b"POST /v1/chat/completions?api-version=2024-10-21&beta=true HTTP/1.1"
    auth = b"Host: a\r\nAuthorization: Bearer " + KEY
    await client.ask(b"GET /v1/models?limit=2 HTTP/1.1\r\n" + auth + b"\r\n\r\n")
    assert rig.upstream.seen[1].head.startswith(b"GET /v1/models?limit=2 HTTP/1.1\r\n")
    assert b"content-length" not in rig.upstream.seen[1].headers


@on_rig()
async def test_body_in_pieces_is_what_was_spliced(rig: Rig) -> None:
    """A dialect splices fields in; the length must be that of what is sent."""

    def decide(x: Exchange) -> None:
        for at in range(1, 5):
            x.request.edit(at, at, b" " * at)
        x.request.edit(len(BODY) - 1, len(BODY) - 1, b"dropped")
        x.request.edit(len(BODY) - 1, len(BODY) - 1, b',"a":1')

    rig.stage.decide = decide
    await (await rig.client()).ask(post())
    spliced = BODY[:1] + b"".join(b" " * at + BODY[at : at + 1] for at in range(1, 5)) + BODY[5:-1]
    assert rig.upstream.seen[0].body == spliced + b',"a":1}'


ANSWER = (
    b"HTTP/1.1 200 Fine By Us\r\nContent-Type: application/json\r\nX-S4fw-Decision: forged\r\n"
    b"x-s4fw-cost-usd: 0\r\nX-Request-Id: req_1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
    b"Keep-Alive: timeout=5\r\nAlt-Svc: h3\r\nProxy-Authenticate: x\r\nUpgrade: h2\r\n"
    b"Content-Length: 52\r\nSet-Cookie: a=b\r\nX-Last: z\r\n\r\n"
)


@on_rig()
async def test_answer_loses_hop_by_hop_fields_and_forged_ones(rig: Rig) -> None:
    """Only we speak of decisions, and what was meant for us ends here."""
    rig.upstream.scripts = [[ANSWER + USAGE]]
    _, head, body = await (await rig.client()).ask(post())
    assert body == USAGE
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:-2]]
    assert names == [
        b"x-s4fw-decision",
        b"x-s4fw-request-id",
        b"x-s4fw-reserved-usd",
        b"x-s4fw-cost-usd",
        b"content-type",
        b"x-request-id",
        b"set-cookie",
        b"x-last",
        b"content-length",
    ]
    assert b"forged" not in head
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


@on_rig()
async def test_answer_tells_the_tightest_budget(rig: Rig) -> None:
    """Callers steer by these figures, so they are exact and complete."""

    def decide(x: Exchange) -> None:
        x.budget_id, x.budget_remaining_nusd = "tenant-day", 4_999_999_999
        x.budget_resets_at, x.budget_warning = "2026-11-22T00:00:00Z", "tenant-day 80%"
        x.shadow_reason = "budget_exceeded"

    rig.stage.decide = decide
    _, head, _ = await (await rig.client()).ask(post())
    for line in (
        b"x-s4fw-budget-id: tenant-day",
        b"x-s4fw-budget-remaining-usd: 4.999999999",
        b"x-s4fw-budget-resets-at: 2026-11-22T00:00:00Z",
        b"x-s4fw-budget-warning: tenant-day 80%",
        b"x-s4fw-decision: shadow_block",
        b"x-s4fw-reason: budget_exceeded",
    ):
        assert b"\r\n" + line + b"\r\n" in head


@on_rig(whole_answer_bytes_max=1000)
async def test_large_answer_is_passed_on_as_it_comes(rig: Rig) -> None:
    """Beyond the bound nothing is kept, so its head cannot tell the cost."""
    body = b"x" * 5000
    known = PLAIN.replace(b"52", b"5000").replace(USAGE, body)
    unknown = known.replace(b"Content-Length: 5000", b"X: y")
    rig.upstream.scripts = [[known], [unknown, "close"]]
    for _ in range(2):
        client = await rig.client()
        await client.send(post())
        head = await client.head()
        assert b"transfer-encoding: chunked" in head
        assert b"content-length" not in head
        assert b"cost-usd" not in head
        assert await client.chunks() == body


@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_a_body_has_no_length(status: int) -> None:
    """RFC 9110 8.6: a length there would make the caller wait for a body."""

    @on_rig()
    async def play(rig: Rig) -> None:
        rig.upstream.scripts = [[b"HTTP/1.1 %d X\r\nETag: y\r\n\r\n" % status]]
        client = await rig.client()
        got, head, _ = await client.ask(post())
        assert got == status
        assert b"content-length" not in head.lower()
        assert (await client.ask(post()))[0] == 200

    play()


@on_rig()
async def test_compressed_answer_passes_unread(rig: Rig) -> None:
    """We asked for plain bytes; what comes packed cannot be metered but belongs to the caller."""
    rig.upstream.scripts = [[PLAIN.replace(b"Content-Type", b"Content-Encoding: gzip\r\nX")]]
    _, head, body = await (await rig.client()).ask(post())
    assert b"Content-Encoding: gzip\r\n" in head
    assert body == USAGE
    assert (await rig.settled()).meter is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com", "https://api.openai.com"),
        ("http://localhost:8081/a/b", "http://localhost:8081/a/b"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_origin_reads_a_base_url(url: str, expected: str) -> None:
    """Its text is what operators see in logs: where, never with what."""
    origin = Origin.of("openai", url, "sk-secret")
    assert str(origin) == expected
    assert "sk-secret" not in repr(origin)


def test_origin_that_is_no_web_address_is_refused() -> None:
    """A file or a socket is no provider."""
    with pytest.raises(ValueError, match="http"):
        Origin.of("openai", "file:///etc/passwd")


@on_rig()
async def test_stream_head_of_the_upstream_that_says_it_is_not_doubled(rig: Rig) -> None:
    """A proxy in front of us must read one word on buffering and caching, not two."""
    own = b"\r\nX-Accel-Buffering: no\r\nCache-Control: no-store\r\n\r\n"
    head = STREAM_HEAD.removesuffix(b"\r\n\r\n") + own
    rig.upstream.scripts = [[head, chunk(USAGE_EVENT), chunk(DONE), b"0\r\n\r\n"]]
    client = await rig.client()
    await client.send(post())
    told = (await client.head()).lower()
    assert (1, 1) == (told.count(b"x-accel-buffering:"), told.count(b"cache-control:"))
    await client.chunks()


def test_bedrock_gets_its_own_fields_and_no_signature_of_the_caller() -> None:
    """Guardrails and tiers stand in the head there; a signature for our host is worth nothing."""
    lines = {
        b"content-type": b"application/json",
        b"accept": b"application/json",
        b"x-amzn-bedrock-trace": b"ENABLED",
        b"amz-sdk-invocation-id": b"i",
        b"amz-sdk-request": b"attempt=1",
        b"x-amz-date": b"20260101T000000Z",
        b"authorization": b"AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/bedrock/x",
    }
    route = replace(ROUTES[b"/v1/chat/completions"][b"POST"], provider="bedrock")
    x = Exchange(route, Request(b"POST", b"/", b"", lines))
    head = headers.upstream_head(x, Head(b"POST", b"/", True), NOWHERE, (b"{}",), 2)
    sent = {line.partition(b":")[0] for line in head.split(b"\r\n")[1:-2]}
    dropped = {b"amz-sdk-request", b"x-amz-date", b"authorization"}
    assert sent == (lines.keys() - dropped) | {b"host", b"accept-encoding", b"content-length"}
