"""Rows about heads: the request line, names, values, hosts, what may stand once, limits.

Sources: RFC 9112 (2.2, 3, 5), RFC 9110 (5, 7, 10.1.1, 15), RFC 6585 5.
"""

from __future__ import annotations

from tests.http import lines
from tests.http.lines import CONTROLS
from tests.http.rows import AUTH, BODY, HOST, KEY, POST, Row, family, length, request

_CHAT = b"/v1/chat/completions"
_ONCE = (
    *(b"Anthropic-Version", b"Api-Key", b"Authorization", b"Content-Encoding", b"Content-Type"),
    *(b"Idempotency-Key", b"OpenAI-Organization", b"OpenAI-Project", b"X-Amz-Content-Sha256"),
    *(b"X-Amz-Date", b"X-Amz-Security-Token", b"X-Api-Key", b"X-S4fw-Tenant", b"X-S4fw-Key"),
    *(b"X-S4fw-Session", b"X-Amzn-Bedrock-Trace"),
)


def names_and_values() -> list[Row]:
    """Names are tokens; values hold no control bytes."""
    delimiters = [bytes([c]) for c in b'"(),/;<=>?@[\\]{} \x80\xff']
    made = [(c, request(b"X" + c + b"A: 1")) for c in (*delimiters, *CONTROLS) if c != b":"]
    made += [
        *(
            (b"empty", request(b": 1")),
            (b"no colon", request(b"no colon")),
            (b"space", request(b"X : 1")),
        ),
        *((b"tab", request(b"X\t: 1")), (b"utf-8", request(b"\xc3\xa9: 1"))),
    ]
    values = [(c, request(b"X-A: a" + c + b"b")) for c in CONTROLS if c != b"\t"]
    split = [
        (b"key" + c, request(auth=AUTH + c)) for c in (b"\x00", b"\x0b", b"\r", b"\n", b"\x7f")
    ]
    fine = [b"X-A:", b"X-A: ", b"X-A:\t1", b"X-A: \xff\xfe", b"X-A: a\tb", b"X!#$%&'*+-.^_`|~9: 1"]
    fine += [b"X-A: 1\r\nX-A: 2", b"X-A: " + b"a" * 8000, b'X-A: "(),/:;<=>?@[\\]{}']
    return [
        *family("name-bad", "a name is a token (RFC 9110 5.1)", (400,), made),
        *family("value-bad", "no control bytes (RFC 9110 5.5)", (400,), values + split),
        *family(
            "field-ok",
            "legal, and dropped or forwarded whole",
            (200,),
            [(f, request(f)) for f in fine],
        ),
    ]


def once() -> list[Row]:
    """Fields that decide something stand once; a twin with underscores is a second one."""
    made = [(n, request(n + b": a", n.lower() + b": a")) for n in _ONCE]
    made += [
        (n.replace(b"-", b"_"), request(n.replace(b"-", b"_") + b": a")) for n in _ONCE if b"-" in n
    ]
    made += [(b"Authorization2", request(AUTH)), (b"two keys", request(b"X-Api-Key: sk-other"))]
    made += [
        (b"host_", request(b"Host: other")),
        (b"Expect2", request(b"Expect: 100-continue", b"Expect: x")),
    ]
    why = "the richer of two keys is for the attacker to choose (RFC 9110 5.3)"
    return family("once", why, (400,), made, alternatives=(401, 403, 415, 417))


def hosts() -> list[Row]:
    """One host, well-formed; it decides nothing."""
    spoilt = [
        *(
            b"",
            b" ",
            b"a b",
            b"a/b",
            b"user@a",
            b"a:99999",
            b"a:x",
            b"a:-1",
            b"a:",
            b"[::1",
            b"::1",
        ),
        *(
            b"[::1]x",
            b"[x]",
            b"a,b",
            b"a\x00",
            b"\xc3\xa9",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"http://a",
            b"a;b",
        ),
        *(b"a" * 256, b"[::1]:99999", b"a:80:80", b"a%00", b'"a"', b"<a>", b"{a}", b"a=b", b"a|b"),
    ]
    fine = [
        b"a",
        b"a:1",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:80",
        b"metadata.google.internal",
        b"a_b",
        b"admin",
    ]
    made = [(h, request(host=b"Host: " + h)) for h in spoilt]
    made += [(b"missing", request(host=None)), (b"twice", request(HOST))]
    return [
        *family("host-bad", "one well-formed host (RFC 9112 3.2)", (400,), made),
        *family(
            "host-ok",
            "it is not used to decide",
            (200,),
            [(h, request(host=b"Host: " + h)) for h in fine],
        ),
    ]


def keys() -> list[Row]:
    """A key is compared by its digest; nothing in it means anything."""
    values = [
        *(
            b"Bearer",
            b"Bearer ",
            b"Bearer x",
            b"Basic eDp5",
            b"Bearer ' OR '1'='1",
            b"Bearer ${jndi:x}",
        ),
        *(b"Bearer %s%n", b"Bearer *", b"Bearer " + KEY + b"x", b"Bearer " + KEY[:-1], KEY, b""),
        *(
            b"Bearer " + KEY.upper(),
            b"Bearer " + KEY + b", x",
            b"Bearer " + b"a" * 4000,
            b"Digest a",
        ),
        *(b"Bearer \xff\xfe", b"Bearer " + KEY + b" " + KEY, b"AWS4-HMAC-SHA256 Credential=x"),
    ]
    made = [(v, request(auth=b"Authorization: " + v)) for v in values]
    made.append((b"none", request(auth=None)))
    spelt = [b"Bearer " + KEY, b"bearer " + KEY, b"BEARER " + KEY]
    return [
        *family(
            "key-bad",
            "401 before the body (RFC 9110 15.5.2)",
            (401,),
            made,
            alternatives=(400, 403),
        ),
        *family(
            *("key-ok", "the scheme is case-insensitive (RFC 9110 11.1)", (200,)),
            [(v, request(auth=b"Authorization: " + v)) for v in spelt],
        ),
    ]


def expectations_and_encodings() -> list[Row]:
    """What else the head may ask of us."""
    refused = [b"200-ok", b"100-continue, x", b"", b"100-continued", b"x=y"]
    encodings = [
        b"gzip",
        b"br",
        b"deflate",
        b"zstd",
        b"x-gzip",
        b"gzip, identity",
        b"identity, gzip",
        b"aes128gcm",
    ]
    upgrades = [
        request(b"Connection: Upgrade", b"Upgrade: websocket"),
        request(b"Connection: keep-alive, upgrade", b"Upgrade: h2c"),
        request(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"),
        request(b"Upgrade: foo", b"Connection: upgrade"),
    ]
    hop = [
        *(b"Connection: close, authorization", b"Connection: content-length", b"TE: trailers"),
        *(
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic eA==",
        ),
        *(b"Upgrade: websocket", b"Via: 1.1 x", b"Max-Forwards: 0", b"X-Forwarded-For: 127.0.0.1"),
        *(b"Forwarded: for=127.0.0.1", b"X-Forwarded-Host: admin", b"X-Original-URL: /v1/batches"),
        *(b"X-Rewrite-URL: /v1/batches", b"Range: bytes=0-1", b"If-None-Match: *", b"Trailer: X-T"),
        *(b"Cookie: a=b", b"Origin: http://evil", b"Connection: x-s4fw-tenant", b"Content-MD5: x"),
    ]
    return [
        *family(
            *("expect-bad", "100-continue is the one expectation (RFC 9110 10.1.1)", (417,)),
            [(e, request(b"Expect: " + e)) for e in refused],
        ),
        *family(
            *("expect-ok", "met, or ignored once the body is there", (200,)),
            [(e, request(b"Expect: " + e)) for e in (b"100-continue", b"100-Continue")],
        ),
        *family(
            *("encoding-bad", "what is not read is not forwarded (RFC 9110 8.4)", (415,)),
            [(e, request(b"Content-Encoding: " + e)) for e in encodings],
        ),
        *family(
            *("encoding-ok", "identity is no encoding", (200,)),
            [(e, request(b"Content-Encoding: " + e)) for e in (b"identity", b"IDENTITY")],
        ),
        *family(
            "upgrade",
            "its body would become the next request",
            (400,),
            [(u[-120:-80], u) for u in upgrades],
        ),
        *family("hop", "no authority, and not forwarded", (200,), [(h, request(h)) for h in hop]),
    ]


def limits() -> list[Row]:
    """The parser has no limits; the head's are ours."""
    many = [b"X-%d: 1" % n for n in range(96)]
    fits = request(*many)  # with host, key, type and length a hundred
    made = [
        (b"101 fields", request(*many, b"X-One: 1")),
        (b"100 kB value", request(b"X-A: " + b"a" * 100_000)),
        (b"100 kB target", request(line=b"POST /" + b"a" * 100_000 + b" HTTP/1.1")),
        (b"100 kB of names", request(*[b"X-%d: 1" % n for n in range(12_000)])),
        (b"33 kB without an end", POST + b"\r\nX: " + b"a" * 33_000),
        (b"33 kB query", request(line=b"POST " + _CHAT + b"?" + b"a" * 33_000 + b" HTTP/1.1")),
    ]
    return [
        *family("limit", "a head has a size (RFC 6585 5)", (431,), made, alternatives=(400,)),
        *family("limit-fits", "exactly at the limit", (200,), [(b"100 fields", fits)]),
        *family(
            *("body-empty", "no body is not JSON", (400,)),
            [
                (b"no framing", request(framing=b"X-None: 1", body=b"")),
                (b"zero", request(body=b"")),
            ],
            is_whole=True,
        ),
        *family(
            *("health", "fixed answers, never forwarded", (200,)),
            [
                (b"GET", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
                (b"1.0", b"GET /healthz HTTP/1.0\r\n\r\n"),
            ],
            forwarded=0,
        ),
        *family(
            *("health-body", "its body could be a request", (400,)),
            [(b"length", b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + length() + b"\r\n\r\n" + BODY)],
        ),
    ]


def rows() -> list[Row]:
    """All families about heads."""
    return [
        *lines.rows(),
        *names_and_values(),
        *once(),
        *hosts(),
        *keys(),
        *expectations_and_encodings(),
        *limits(),
    ]
