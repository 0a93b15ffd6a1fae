"""Rows about where a request ends: Content-Length, Transfer-Encoding, chunks, what follows.

Sources: RFC 9112 (6.1-6.3 framing, 7.1 chunks, 9.3.2 pipelining, 11.2 smuggling), RFC 9110 8.6.
"""

from __future__ import annotations

from tests.http.rows import BODY, CHUNKED, CHUNKS, GOOD, HEX, Row, chunked, family, length, request

_N = b"%d" % len(BODY)
_HIDDEN = request(line=b"POST /v1/completions HTTP/1.1")


def _lengths(name: str, why: str, values: list[bytes], status: int) -> list[Row]:
    made = [(value, request(framing=b"Content-Length:" + value)) for value in values]
    return family(name, why, (status,), made, alternatives=(400,))


def content_lengths() -> list[Row]:
    """Digits, once, without a sign, zeros or company."""
    accepted = [b" " + _N, b"\t" + _N, _N, b" " + _N + b" ", b" \t" + _N + b"\t "]
    spoilt = [
        *(b"+" + _N, b"-" + _N, b"-1", b"0x" + HEX, b"0" + _N, b"00" + _N, _N + b",", b"," + _N),
        *(_N + b"," + _N, _N + b", " + _N, _N + b", 3", b"3, " + _N, _N + b";", _N + b".0"),
        *(_N + b"\x0b", b"\x0b" + _N, _N + b"\x0c", b"\x00" + _N, _N + b"\x00", _N + b"\x7f"),
        *(b"1e2", b"8 4", b'"' + _N + b'"', b"", b" ", b"\xd9\xa3", b"\xef\xbc\x98", b"8_4"),
        *(b"0b1", b"0o7", b"\xa0" + _N, _N + b"\xa0", b"nine", b"NaN", b"inf", _N + b"\r\n 0"),
    ]
    huge = [b"9" * 10, b"9" * 18, b"%d" % (33 << 20)]
    beyond = [b"%d" % 2**64, b"%d" % (2**64 + len(BODY)), b"9" * 30, b"1" + b"0" * 400]
    why = "the length is digits, once (RFC 9110 8.6)"
    return [
        *_lengths("length-ok", why, accepted, 200),
        *_lengths("length-bad", why, spoilt, 400),
        *_lengths("length-huge", "over the body limit: told by the head", huge, 413),
        *_lengths("length-beyond", "no machine word must wrap around", beyond, 400),
    ]


def content_lengths_twice() -> list[Row]:
    """Two lengths are refused, even when they agree; so are names that only look like one."""
    pairs = [
        *((length(), length()), (length(), b"Content-Length: 3"), (b"Content-Length: 3", length())),
        *((length(), b"content-length: " + _N), (length(), b"CONTENT-LENGTH: 0")),
        *((length(), b"Content_Length: " + _N), (b"Content_Length: 3", length())),
        *((length(), b"Content-Length : 3"), (b"Content-Length : 3", length())),
        *((length(), b"Content-Length\t: 3"), (length(), b"Content Length: 3")),
        *((length(), b" Content-Length: 3"), (length(), b"Content-Length\x00: 3")),
    ]
    made = [(first + b"|" + second, request(first, framing=second)) for first, second in pairs]
    return family("length-twice", "two lengths are two readings (RFC 9112 6.3)", (400,), made)


def codings() -> list[Row]:
    """Exactly `chunked`, once, in HTTP/1.1."""
    why = "the only coding is `chunked`, alone (RFC 9112 6.1)"
    accepted = [b" chunked", b"chunked", b" Chunked", b" CHUNKED", b"\tchunked", b" chunked "]
    unknown = [
        *(b" chunked, chunked", b" chunked,", b" ,chunked", b" chunked;q=1", b" chunked, identity"),
        *(b" identity", b" identity, chunked", b" xchunked", b" chunkedx", b" chunked\x0b"),
        *(b" \x0bchunked", b" \x0cchunked", b" chunked\x00", b" chunked\x7f", b' "chunked"'),
        *(b" 'chunked'", b" chu nked", b" chun\xe2\x84\xaaed", b" chunked\xa0", b" \xa0chunked"),
        *(b" trailers", b"", b" ", b" cow", b" chunked\r\n chunked", b" chunked\r\n\tx"),
        *(
            b" \r\n chunked",
            b" chunked \t",
            b" chunked, cow",
            b" cow, chunked",
            b" chunked chunked",
            b" 0",
        ),
    ]
    compressed = [b" gzip, chunked", b" gzip", b" deflate", b" x-gzip, chunked", b" br,chunked"]

    def made(values: list[bytes]) -> list[tuple[bytes, bytes]]:
        return [(v, request(framing=b"Transfer-Encoding:" + v, body=CHUNKS)) for v in values]

    return [
        *family("coding-ok", why, (200,), made(accepted)),
        *family("coding-bad", why, (400,), made(unknown), alternatives=(501,)),
        *family(
            *("coding-compressed", "nobody meters it", (501,)),
            made(compressed),
            alternatives=(400,),  # without `chunked` at its end the length is unknown, too
        ),
    ]


def codings_and_lengths() -> list[Row]:
    """A coding beside a length, or under another name, or in HTTP/1.0: the classic smuggling."""
    te, cl = CHUNKED, b"Content-Length: %d" % len(CHUNKS)
    names = [
        *(b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked"),
        *(b" Transfer-Encoding: chunked", b"\tTransfer-Encoding: chunked"),
        *(b"Transfer_Encoding: chunked", b"Transfer-Encoding\x00: chunked"),
        *(b"Transfer-Encoding\x0b: chunked", b"Transfer-\xc3\xa9ncoding: chunked"),
        *(b"Transfer Encoding: chunked", b"X: y\rTransfer-Encoding: chunked"),
        *(b"X: y\nTransfer-Encoding: chunked", b"X: y\r\r\nTransfer-Encoding: chunked"),
        *(b"X: y\n\rTransfer-Encoding: chunked", b"Transfer-Encoding:chunked\r\n : x"),
    ]
    both = [
        *(te + b"\r\n" + cl, cl + b"\r\n" + te, te + b"\r\nContent-Length: 0"),
        *(te.upper() + b"\r\n" + cl, te + b"\r\n" + te, te + b"\r\nTransfer-Encoding: identity"),
        *(b"Transfer-Encoding: identity\r\n" + te, b"Transfer-Encoding:\r\n" + te),
        *(cl + b"\r\nTransfer-Encoding: cow", te + b"\r\nTransfer-Encoding: cow"),
    ]
    made = [(n, request(n, framing=cl, body=CHUNKS)) for n in names]
    made += [(b, request(framing=b, body=CHUNKS)) for b in both]
    old = b"POST /v1/chat/completions HTTP/1.0"
    made += [(b"1.0", request(line=old, framing=te, body=CHUNKS))]
    made += [(b"1.0+CL", request(te, line=old, framing=cl, body=CHUNKS))]
    why = "two framings are two readings (RFC 9112 6.3, 11.2)"
    return family("coding-and-length", why, (400,), made)


def _sized(size: bytes, end: bytes = b"\r\n") -> bytes:
    return chunked(size + end + BODY + b"\r\n0\r\n\r\n")


def chunk_sizes() -> list[Row]:
    """Hex digits, at most sixteen, then well-formed extensions."""
    why = "a chunk's size is hex digits and extensions (RFC 9112 7.1)"
    accepted = [
        *(HEX, HEX.upper(), b"0" + HEX, b"000" + HEX, HEX + b";a", HEX + b";a=b", HEX + b";a;b=c"),
        *(HEX + b';a="b"', HEX + b';a="b c\t;"', b"0" * 14 + HEX),
    ]
    spoilt = [
        *(b"0x" + HEX, b"+" + HEX, b"-" + HEX, HEX + b" ", HEX + b"\t", b" " + HEX, b"\t" + HEX),
        *(
            HEX + b";",
            HEX + b";=b",
            HEX + b";a=",
            HEX + b';a="b',
            HEX + b";a=b c",
            HEX + b";a=\x01",
        ),
        *(HEX + b"," + HEX, b"5 1", b"g", b"", HEX + b"\x00", b"\x00" + HEX, HEX + b";\x00"),
        *(b"0" * 15 + HEX, b"1" + b"0" * 16, HEX + b";a" * 300, HEX + b";a\xff", HEX + b"h"),
        *(HEX + b";a\x7f", HEX + b'"', b"\xef\xbc\x91", HEX + b".0", b"0x", b"-0", b"+0", b";a"),
    ]
    huge = [b"f" * 16, b"8" + b"0" * 15, b"7" + b"f" * 15, b"2100000", b"FFFFFFFF"]
    return [
        *family("chunk-ok", why, (200,), [(s, _sized(s)) for s in accepted]),
        *family("chunk-bad", why, (400,), [(s, _sized(s)) for s in spoilt]),
        *family("chunk-huge", "over the body limit", (413,), [(s, _sized(s)) for s in huge]),
    ]


def chunk_lines() -> list[Row]:
    """CR LF and nothing else ends a line; data ends where its size says."""
    why = "lines of a chunked body end with CR LF (CVE-2025-22871 and others)"
    ends = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\x0b\r\n", b"\x00\r\n"]
    after = [b"\n", b"", b"X\r\n", b"\r", b" \r\n", b"\r\n\r\n", b"0\r\n"]
    last = [b"0\n\n", b"0\r\n\n", b"0\r\r\n\r\n", b"0 \r\n\r\n", b"-0\r\n\r\n", b"0x0\r\n\r\n"]
    made = [(b"size" + e, _sized(HEX, e)) for e in ends]
    made += [(b"data" + e, chunked(HEX + b"\r\n" + BODY + e + b"0\r\n\r\n")) for e in after]
    made += [(b"last" + e, chunked(HEX + b"\r\n" + BODY + b"\r\n" + e)) for e in last]
    cut = [CHUNKS[:-1], CHUNKS[:-2], CHUNKS[:-4], CHUNKS[:-5], CHUNKS[:9], b"", HEX, b"0\r\n"]
    fine = [b"00\r\n\r\n", b"0;a=b\r\n\r\n", b"0" * 16 + b"\r\n\r\n"]
    return [
        *family("chunk-line", why, (400,), made),
        *family(
            *("chunk-cut", "an incomplete body is never admitted", (400,)),
            [(c[-12:], chunked(c)) for c in cut],
            is_whole=True,
        ),
        *family(
            *("chunk-last", why, (200,)),
            [(e, chunked(HEX + b"\r\n" + BODY + b"\r\n" + e)) for e in fine],
        ),
    ]


def trailers() -> list[Row]:
    """Read, checked, dropped: they change neither framing nor who pays."""
    dropped = [
        *(b"X-T: 1", b"X-T: 1\r\nX-U: 2", b"Authorization: Bearer other", b"X-S4FW-Tenant: other"),
        *(b"X-S4FW-Session: s", b"X-Api-Key: other", b"X-T:", b"X-T: \xff", b"Cookie: a"),
    ]
    spoilt = [
        *(b"Content-Length: 3", b"content-length: 3", b"Transfer-Encoding: chunked", b"Host: x"),
        *(b"Content-Encoding: gzip", b"no colon", b"X-T : 1", b" X-T: 1", b"X-T: 1\r\n y", b": x"),
        *(b"X-T: \x00", b"X-T: a\rb", b"X-T: a\nb", b"X\x00: a", b"X-T: " + b"a" * 600, b"\x7f: x"),
        *(b"\r\n".join([b"X-T: " + b"a" * 400] * 60), b"X(T): 1"),
    ]

    def with_trailer(text: bytes) -> bytes:
        return chunked(CHUNKS[:-2] + text + b"\r\n\r\n")

    return [
        *family(
            *("trailer-ok", "trailers carry no authority (RFC 9110 6.5)", (200,)),
            [(t, with_trailer(t)) for t in dropped],
        ),
        *family(
            *("trailer-bad", "a trailer must not frame the message (RFC 9110 6.5.1)", (400,)),
            [(t, with_trailer(t)) for t in spoilt],
        ),
    ]


def pipelines() -> list[Row]:
    """What follows a request is the next one, or nothing: never a guess."""
    line = b"POST /v1/batches HTTP/1.1"
    after_refusal = [
        (b"no route", request(line=line)),
        (b"no key", request(auth=None)),
        (b"other key", request(auth=b"Authorization: Bearer sk-other")),
        (b"method", request(line=b"PUT /v1/chat/completions HTTP/1.1")),
        (b"encoding", request(b"Content-Encoding: gzip")),
        (b"expectation", request(b"Expect: 200-ok")),
        (b"too large", request(framing=b"Content-Length: 99999999")),
        (b"upgrade", request(b"Connection: Upgrade", b"Upgrade: h2c")),
        (b"connect", request(line=b"CONNECT a:1 HTTP/1.1")),
        (b"version", request(line=b"POST /v1/chat/completions HTTP/2.0")),
        (b"GET+body", request(line=b"GET /v1/models HTTP/1.1")),
        (b"health+body", request(line=b"GET /healthz HTTP/1.1")),
        (b"HEAD+body", request(line=b"HEAD /v1/models HTTP/1.1")),
        (b"bad chunk", chunked(b"zz\r\n" + BODY)),
        (b"CL.TE", request(CHUNKED, body=b"0\r\n\r\n")),
        (b"line end", GOOD.replace(b"\r\n", b"\n")),
    ]
    statuses = (401, 403, 405, 413, 415, 417, 501, 505)
    rows = family(
        *("after-refusal", "nothing is served behind a refusal of the head", (400,)),
        [(tried, raw + _HIDDEN) for tried, raw in after_refusal],
        alternatives=statuses,
        forwarded=0,
    )
    whole = chunked(CHUNKS)
    good = [
        (b"two", GOOD + GOOD, 2),
        (b"mixed", whole + GOOD, 2),
        (b"mixed back", GOOD + whole, 2),
        (b"five", GOOD * 5, 5),
        (b"empty line", GOOD + b"\r\n" + GOOD, 2),
        (b"leading line", b"\r\n" + GOOD, 1),
        (b"20 chunked", whole * 20, 20),
    ]
    for tried, raw, count in good:
        rows += family(
            "pipeline", "answered in order, each by itself", (200,) * count, [(tried, raw)]
        )
    garbage = [
        *(b"\r\n\r\n" + GOOD, b"x", b"\n" + GOOD, b"\x00", b"GET / HTTP/9\r\n\r\n", b" " + GOOD),
        *(b"0\r\n\r\n" + GOOD, b"}" + GOOD, b"\r" + GOOD, b"\x16\x03\x01\x02\x00\x01\x00"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    rows += family(
        *("then-garbage", "what follows is refused, what was before is answered", (200, 400)),
        [(g[:12], GOOD + g) for g in garbage],
        is_whole=True,
        alternatives=(505,),
    )
    short = [(-1, (400, 400)), (-len(BODY), (400, 400)), (1, (400,))]
    for wrong, answers in short:
        framing = b"Content-Length: %d" % (len(BODY) + wrong)
        rows += family(
            *("length-lies", "half a body is not JSON, its rest is not a request", answers),
            [(b"%d" % wrong, request(framing=framing))],
            is_whole=True,
        )
    rows += family(
        *("closed-after", "nothing is read behind `Connection: close`", (200,)),
        [
            (b"close", request(b"Connection: close") + _HIDDEN),
            (b"close, x", request(b"Connection: close, x") + _HIDDEN),
            (b"1.0", request(line=b"POST /v1/chat/completions HTTP/1.0") + _HIDDEN),
        ],
    )
    return rows


def rows() -> list[Row]:
    """All families about framing."""
    return [
        *content_lengths(),
        *content_lengths_twice(),
        *codings(),
        *codings_and_lengths(),
        *chunk_sizes(),
        *chunk_lines(),
        *trailers(),
        *pipelines(),
    ]
