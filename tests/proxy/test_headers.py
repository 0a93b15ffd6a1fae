"""What crosses the firewall in the heads, in both directions."""

from __future__ import annotations

import pytest

from s4fw.core.exchange import Exchange
from s4fw.proxy import Origin
from tests.proxy.rig import BODY, KEY, PLAIN, USAGE, Rig, on_rig, post

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
