"""Rows about what an upstream answers: framing, status lines, fields, bodies, streams, usage.

Sources: RFC 9112 (4, 6, 7), RFC 9110 (6.4.1, 8.6, 15), response splitting and queue poisoning
(RFC 9112 11.1, 11.2), the shapes of OpenAI.  The truth in an answer that has one is 10 tokens in
and 5 out; what cannot be read must end as unknown, never as less.
"""

from __future__ import annotations

import gzip

from tests.http import usages
from tests.http.told import USAGE, AnswerRow, End, answer, told_family

_N = b"%d" % len(USAGE)
_HEX = b"%x" % len(USAGE)
_CHUNKED = b"Transfer-Encoding: chunked"
_CHUNKS = _HEX + b"\r\n" + USAGE + b"\r\n0\r\n\r\n"


def framings() -> list[AnswerRow]:
    """Where an answer ends is read in one way or not at all."""
    lengths = [b" " + _N, _N, b"\t" + _N, b" " + _N + b" "]
    bad_lengths = [
        *(b"+" + _N, b"-" + _N, b"0x" + _HEX, b"0" + _N, _N + b",", _N + b", " + _N, _N + b";"),
        *(_N + b".0", b"1e2", b"", b" ", b"x", _N + b"\x0b", b"\x00" + _N, b"9" * 19, b"9" * 30),
        *(b"%d" % 2**64, b"5 2", b"\xd9\xa3", _N + b"\r\n 1", b"'" + _N + b"'", _N + b"\x7f"),
    ]
    twice = [
        *(b"Content-Length: " + _N + b"\r\nContent-Length: " + _N,),
        *(b"Content-Length: " + _N + b"\r\nContent-Length: 3",),
        *(b"Content-Length: 3\r\ncontent-length: " + _N,),
        *(_CHUNKED + b"\r\nContent-Length: " + _N, b"Content-Length: 3\r\n" + _CHUNKED),
        *(_CHUNKED + b"\r\n" + _CHUNKED, _CHUNKED + b"\r\nTransfer-Encoding: identity"),
    ]
    codings = [
        *(b" chunked, chunked", b" ,chunked", b" chunked,", b" identity, chunked", b" xchunked"),
        *(
            b" gzip, chunked",
            b" gzip",
            b" identity",
            b" cow",
            b"",
            b" chunked;q=1",
            b" chunked\x0b",
        ),
        *(b' "chunked"', b" chunkedx", b" \x00chunked", b" chunked\r\n x", b" chun ked"),
    ]
    named = [
        *(b"Transfer-Encoding : chunked", b"Transfer-Encoding\x00: chunked"),
        *(b" Transfer-Encoding: chunked", b"Content-Length : 3", b"Content Length: 3"),
    ]
    good_codings = [b" chunked", b"chunked", b" Chunked", b" CHUNKED", b" chunked "]
    return [
        *told_family(
            *("length-ok", "digits, once", End.PAID),
            [(v, answer(framing=b"Content-Length:" + v)) for v in lengths],
        ),
        *told_family(
            *("length-bad", "digits, once (RFC 9110 8.6)", End.BAD),
            [(v, answer(framing=b"Content-Length:" + v)) for v in bad_lengths],
            status=502,
        ),
        *told_family(
            *("framed-twice", "two framings are two readings (RFC 9112 6.3)", End.BAD),
            [(v, answer(framing=v, body=_CHUNKS if b"T" in v else USAGE)) for v in twice],
            status=502,
        ),
        *told_family(
            *("coding-bad", "the only coding is `chunked`, alone", End.BAD),
            [(v, answer(framing=b"Transfer-Encoding:" + v, body=_CHUNKS)) for v in codings],
            status=502,
        ),
        *told_family(
            *("field-lies", "a name that only looks like a framing field", End.BAD),
            [(v, answer(v)) for v in named],
            status=502,
        ),
        *told_family(
            *("coding-ok", "any case", End.PAID),
            [(v, answer(framing=b"Transfer-Encoding:" + v, body=_CHUNKS)) for v in good_codings],
        ),
        *told_family(
            *("until-close", "the oldest framing there is", End.PAID),
            [
                (b"1.1", answer(framing=b"X: y")),
                (b"1.0", answer(framing=b"X: y", line=b"HTTP/1.0 200 OK")),
            ],
        ),
    ]


def chunks() -> list[AnswerRow]:
    """A chunked answer, whole and streamed."""
    sizes = [
        *(b"0x" + _HEX, b"+" + _HEX, b"-" + _HEX, b" " + _HEX, b"", b"g", _HEX + b"g", b"\x00"),
        *(b"1" + b"0" * 16, b"f" * 17, _HEX + b"," + _HEX, b'"' + _HEX + b'"', b";a", b"-1"),
    ]
    ends = [b"\n", b"\r", b"", b"X\r\n", b" \r\n", b"\r\r\n"]
    broken = [(s, s + b"\r\n" + USAGE + b"\r\n0\r\n\r\n") for s in sizes]
    broken += [(b"end" + e, _HEX + b"\r\n" + USAGE + e + b"0\r\n\r\n") for e in ends]
    cut = [_CHUNKS[:-1], _CHUNKS[:-2], _CHUNKS[:-5], _CHUNKS[:9], _CHUNKS[:1], b"", _CHUNKS[:-7]]
    fine = [
        *(_HEX.upper() + b"\r\n", b"000" + _HEX + b"\r\n", _HEX + b";a=b\r\n", _HEX + b";a\r\n"),
        _HEX + b';a="b"\r\n',
    ]
    huge = b"7" + b"f" * 15 + b"\r\n" + USAGE
    return [
        *told_family(
            *("chunk-bad", "hex digits, CR LF (RFC 9112 7.1)", End.BAD),
            [(t, answer(framing=_CHUNKED, body=b)) for t, b in broken],
            status=502,
        ),
        *told_family(
            *("chunk-cut", "no last chunk, no whole answer (RFC 9112 8)", End.CUT),
            [(c[-9:], answer(framing=_CHUNKED, body=c)) for c in [*cut, huge]],
            status=502,
        ),
        *told_family(
            *("chunk-ok", "extensions are ignored", End.PAID),
            [(f, answer(framing=_CHUNKED, body=f + USAGE + b"\r\n0\r\n\r\n")) for f in fine],
        ),
        *told_family(
            *("trailers", "dropped", End.PAID),
            [
                (t, answer(framing=_CHUNKED, body=_CHUNKS[:-2] + t + b"\r\n\r\n"))
                for t in (b"X-T: 1", b"X-S4fw-Cost-Usd: 0", b"Set-Cookie: a=b")
            ],
        ),
    ]


def status_lines() -> list[AnswerRow]:
    """Only HTTP/1.x, and statuses that exist."""
    bad = [
        *(
            b"HTTP/0.9 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/3 200",
            b"HTTP/1.2 200 OK",
            b"http/1.1 200 OK",
        ),
        *(
            b"ICY 200 OK",
            b"RTSP/1.0 200 OK",
            b"HTTP/1.1 2OO OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
        ),
        *(
            b"HTTP/1.1 099 Odd",
            b"HTTP/1.1 000 No",
            b"HTTP/1.1 600 Odd",
            b"HTTP/1.1 999 Odd",
            b"HTTP/1.1 -20",
        ),
        *(
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1\t200 OK",
            b" HTTP/1.1 200 OK",
            b"HTTP/1.1200 OK",
            b"HTTP/1.1",
        ),
        *(
            b"200 OK",
            b"OK",
            b"HTTP/11 200 OK",
            b"HTTP/1 200 OK",
            b"\x16\x03\x01\x02",
        ),
        *(
            b"HTTP/1.1 101 Switching Protocols",
            b"GET / HTTP/1.1",
            b"\xff\xfe",
            b"HTTP/1.1 \xd9\xa3\xd9\xa3 x",
        ),
    ]
    fine = [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 All good",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 299 Odd",
        b"HTTP/1.1 200 \x00",
    ]
    interims = [
        *(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"),
        *(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
            b"HTTP/1.1 199 Odd\r\nX-S4fw-A: b\r\n\r\n",
        ),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 16,
    ]
    refused = [(b"%d" % s, s) for s in (400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 529)]
    rows = [
        *told_family(
            "line-bad",
            "unreadable is not 200",
            End.BAD,
            [(b, answer(line=b)) for b in bad],
            status=502,
        ),
        *told_family(
            "interim", "not for the caller", End.PAID, [(i[9:13], i + answer()) for i in interims]
        ),
        *told_family(
            *("interim-flood", "bounded", End.BAD),
            [(b"17", b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + answer())],
            status=502,
        ),
    ]
    for line in fine:
        status = int(line[9:12])
        rows += told_family(
            "line-ok",
            "the reason says nothing",
            End.PAID,
            [(line, answer(line=line))],
            status=status,
        )
    for tried, status in refused:
        data = answer(line=b"HTTP/1.1 %d Odd" % status, body=b'{"error":{"message":"no"}}')
        rows += told_family("error", "relayed as it is", End.BLIND, [(tried, data)], status=status)
    return rows


def fields() -> list[AnswerRow]:
    """Names are tokens, values hold no control bytes; some fields are not for the caller."""
    controls = [bytes([n]) for n in (*range(32), 127) if n not in (9,)]
    bad = [(b"value" + c, answer(b"X-A: a" + c + b"b")) for c in controls]
    names = [bytes([c]) for c in b'"(),/;<=>?@[\\]{} \x00\x01\x7f\x80\xff']
    bad += [(b"name" + c, answer(b"X" + c + b"A: 1")) for c in names]
    bad += [
        (b"empty", answer(b": 1")),
        (b"no colon", answer(b"no colon")),
        (b"fold", answer(b"X: 1\r\n 2")),
    ]
    bad += [
        (b"100 kB", answer(b"X-A: " + b"a" * 100_000)),
        (b"fields", answer(*[b"X-A: 1"] * 12_000)),
    ]
    bad += [
        (b"bare LF", answer().replace(b"\r\n", b"\n")),
        (b"NULs", bytes(500)),
        (b"no head", b"{}" * 99),
    ]
    dropped = [
        *(
            b"X-S4fw-Decision: block",
            b"X-S4fw-Cost-Usd: 0",
            b"x-S4FW-request-id: fake",
            b"Alt-Svc: h3=x",
        ),
        *(
            b"Proxy-Authenticate: x",
            b"Keep-Alive: timeout=9",
            b"Upgrade: h2c",
            b"Trailer: x",
            b"TE: x",
        ),
        *(
            b"Connection: x-private\r\nX-Private: hidden",
            b"Connection: close",
            b"Connection: keep-alive",
        ),
    ]
    moved = [301, 302, 303, 307, 308]
    rows = [
        *told_family("field-bad", "one reading (RFC 9110 5)", End.BAD, bad, status=502),
        *told_family(
            "field-dropped",
            "speaks for us, or ends here",
            End.PAID,
            [(d, answer(d)) for d in dropped],
        ),
    ]
    for status in moved:
        line = b"HTTP/1.1 %d Moved" % status
        data = answer(b"Location: http://169.254.169.254/", line=line, body=b"")
        rows += told_family(
            "moved", "never followed, not shown", End.BLIND, [(line, data)], status=status
        )
    for status in (204, 304):
        line = b"HTTP/1.1 %d None" % status
        rows += told_family(
            "bodiless", "its body is dropped", End.BLIND, [(line, answer(line=line))], status=status
        )
    return rows


def lengths_that_lie() -> list[AnswerRow]:
    """Less than promised is cut; more is nobody's."""
    second = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL"
    more = [
        b"x",
        second,
        b"\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        USAGE,
        b"\x00" * 99,
        b"0\r\n\r\n",
    ]
    less = [0, 1, 10, len(USAGE) - 1]
    encodings = [b"gzip", b"br", b"deflate", b"x", b"identity, gzip"]
    packed = gzip.compress(USAGE)
    return [
        *told_family(
            "surplus",
            "never the next answer (RFC 9112 11.1)",
            End.PAID,
            [(m[:9], answer() + m) for m in more],
        ),
        *told_family(
            *("short", "incomplete (RFC 9112 8)", End.CUT),
            [(b"%d" % n, answer(framing=b"Content-Length: " + _N, body=USAGE[:n])) for n in less],
            status=502,
        ),
        *told_family(
            *("encoded", "not read, so not trusted", End.BLIND),
            [(e, answer(b"Content-Encoding: " + e, body=packed)) for e in encodings],
        ),
    ]


def rows() -> list[AnswerRow]:
    """All families of answers."""
    return [
        *framings(),
        *chunks(),
        *status_lines(),
        *fields(),
        *lengths_that_lie(),
        *usages.usages(),
    ]
