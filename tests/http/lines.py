"""Rows about the request line and the ends of lines.

Sources: RFC 9112 (2.2, 2.3, 3), RFC 9110 9.
"""

from __future__ import annotations

from tests.http.rows import BODY, GOOD, Row, family, request

_CHAT = b"/v1/chat/completions"
CONTROLS = [bytes([n]) for n in (*range(32), 127)]


def _with_line(line: bytes) -> bytes:
    return request(line=line)


def versions() -> list[Row]:
    """HTTP/1.1 and HTTP/1.0, spelled exactly so."""
    spoilt = [
        *(b"HTTP/0.9", b"HTTP/1.01", b"HTTP/01.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.1x"),
        *(b"http/1.1", b"Http/1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1 .1", b"HTTP/1.1 x", b""),
        *(
            b"RTSP/1.0",
            b"ICE/1.0",
            b"HTTPS/1.1",
            b"HTTP/-1.1",
            b"HTTP/1,1",
            b"HTTP/1.1\t",
            b"HTP/1.1",
        ),
        *(
            b"HTTP/1.2",
            b"HTTP/2.0",
            b"HTTP/3.0",
            b"HTTP/9.9",
            b"HTTP/11.1",
            b"HTTP/1.11",
            b"HTTP/2",
        ),
    ]
    made = [(v, _with_line(b"POST " + _CHAT + b" " + v)) for v in spoilt]
    made.append((b"no space", _with_line(b"POST " + _CHAT)))
    why = "llhttp reads some of these as 0.9 or 1.0 and so drops the body"
    rows = family("version", why, (400,), made, alternatives=(505,))
    old = _with_line(b"POST " + _CHAT + b" HTTP/1.0")
    lone = request(line=b"POST " + _CHAT + b" HTTP/1.0", host=None)
    return rows + family(
        "version-1.0", "still spoken, needs no host", (200,), [(b"1.0", old), (b"no host", lone)]
    )


def methods() -> list[Row]:
    """Each route names its methods; the rest goes nowhere."""
    wrong = [
        *(b"GET", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"QUERY", b"PURGE", b"LINK"),
        *(b"PROPFIND", b"BREW", b"POSTX", b"XPOST", b"SEARCH", b"MKCOL", b"NOTIFY"),
    ]
    made = [(m, _with_line(m + b" " + _CHAT + b" HTTP/1.1")) for m in wrong]
    unreadable = [
        *(
            b"post",
            b"Post",
            b"pOST",
            b"P\xc3\x96ST",
            b"P OST",
            b"",
            b" POST",
            b"\tPOST",
            b"PO\x00ST",
        ),
        *(
            b"POST\x00",
            b"P0ST!",
            b"POST-",
            b'"POST"',
            b"A" * 21,
            b"A" * 5000,
            b"CONNECT",
            b"\x80POST",
        ),
    ]
    bad = [(m, _with_line(m + b" " + _CHAT + b" HTTP/1.1")) for m in unreadable]
    override = [
        *(b"X-HTTP-Method-Override: GET", b"X-Method-Override: DELETE", b"X-HTTP-Method: PUT"),
    ]
    return [
        *family("method", "a known path takes its own", (405,), made, alternatives=(400,)),
        *family("method-bad", "a method is upper-case letters", (400,), bad, alternatives=(405,)),
        *family(
            "override", "no header changes the method", (200,), [(o, request(o)) for o in override]
        ),
    ]


def targets() -> list[Row]:
    """A plain path, as it stands: nothing is decoded, nothing normalized."""
    forms = [
        *(b"http://fw.test" + _CHAT, b"https://evil.test" + _CHAT, b"http:" + _CHAT),
        *(b"*", b"fw.test:80", b"v1/chat/completions", _CHAT + b"#x", _CHAT + b"\xc3\xa9", b"\\v1"),
        *(b"?x", b"#", b"/v1\\chat", _CHAT + b" ", b" " + _CHAT, _CHAT + b" x", b""),
    ]
    bad = [(f, _with_line(b"POST " + f + b" HTTP/1.1")) for f in forms]
    bad += [(c, _with_line(b"POST " + _CHAT + c + b"x HTTP/1.1")) for c in CONTROLS]
    bad += [
        (b"query" + c, _with_line(b"POST " + _CHAT + b"?a=" + c + b" HTTP/1.1"))
        for c in (b"\x00", b"\x01", b"\x7f", b"\r", b"\n", b"\xff")
    ]
    encoded = [
        *(b"%%%02x" % n for n in (0, 1, 9, 10, 13, 27, 31, 127)),
        *(b"%0A", b"%0D%0AX:y", b"%5c", b"%5C", b"\\", b"/../completions", b"/%2e%2e/completions"),
        *(b"/./", b"/%2E", b"/..", b"/.%2e/x", b"/%2e./x", b"%2f..%2fx", b"/..;/x"),
    ]
    bad_paths = [(p, _with_line(b"POST " + _CHAT + p + b" HTTP/1.1")) for p in encoded]
    beside = [
        *(
            b"/v1/chat/completions/",
            b"/v1//chat/completions",
            b"//v1/chat/completions",
            b"/V1/chat/completions",
        ),
        *(b"/v1/chat%2fcompletions", b"/v1/chat/completion%73", b"/%76%31/chat/completions", b"/"),
        *(
            b"//evil.test/v1/chat/completions",
            b"/v1/chat/completions;x=1",
            b"/v1/chat/completions%20",
            b"/v1/chat/completions%3fx",
        ),
        *(
            b"/v1/batches",
            b"/v1/files",
            b"/v1/images/generations",
            b"/v1/audio/speech",
            b"/v1/videos",
        ),
        *(
            b"/v1/realtime",
            b"/v1/assistants",
            b"/v1/threads",
            b"/v1/engines/m/completions",
            b"/metrics",
        ),
        *(
            b"/v1/fine_tuning/jobs",
            b"/v1/messages/batches",
            b"/v1/budgets",
            b"/v1/status",
            b"/v1/events",
        ),
        *(
            b"/v1/responses/compact",
            b"/v1/organization/costs",
            b"/model/m/async-invoke",
            b"/v1/complete",
        ),
        *(b"/x" * 600, b"/v1/chat/completions?x".replace(b"?", b"%3F")),
    ]
    away = [(p, _with_line(b"POST " + p + b" HTTP/1.1")) for p in beside]
    fine = [b"?", b"?a=b", b"?a=b&a=c", b"?%00", b"?x=http://a", b"?stream=true", b"?" + b"a" * 900]
    return [
        *family("target-bad", "only the origin form is read (RFC 9112 3.2.1)", (400,), bad),
        *family(
            *("path-unsafe", "some server decodes it into another path or line", (400,)),
            *(bad_paths,),
            alternatives=(403,),
        ),
        *family(
            "path-away",
            "what is not in the table is not forwarded",
            (403,),
            away,
            alternatives=(400,),
        ),
        *family(
            *("query", "a query decides nothing", (200,)),
            [(q, _with_line(b"POST " + _CHAT + q + b" HTTP/1.1")) for q in fine],
        ),
    ]


def line_ends() -> list[Row]:
    """CR LF, one space, nothing folded."""
    whole = GOOD
    made = [
        (b"bare LF", whole.replace(b"\r\n", b"\n")),
        (b"bare CR", whole.replace(b"\r\n", b"\r")),
        (b"LF in line", whole.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n")),
        (b"LF in field", whole.replace(b"fw.test\r\n", b"fw.test\n")),
        (b"LF at end", whole.replace(b"\r\n\r\n", b"\r\n\n")),
        (b"LF LF at end", whole.replace(b"\r\n\r\n", b"\n\n")),
        (b"CR CR LF", whole.replace(b"\r\n", b"\r\r\n")),
        (b"two spaces", whole.replace(b"POST /", b"POST  /")),
        (b"tab", whole.replace(b"POST /", b"POST\t/")),
        (b"two spaces before the version", whole.replace(b" HTTP", b"  HTTP")),
        (b"folded", request(b"X-A: 1\r\n 2")),
        (b"folded by tab", request(b"X-A: 1\r\n\t2")),
        (b"folded first", whole.replace(b"Host:", b" Host:")),
        (b"leading spaces", b"  " + whole),
        (b"leading CR", b"\r" + whole),
        (b"leading LF", b"\n" + whole),
        (b"two empty lines", b"\r\n\r\n" + whole),
        (b"BOM", b"\xef\xbb\xbf" + whole),
        (b"TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(100)),
        (b"HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (b"socks", b"\x05\x01\x00"),
        (b"proxy protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + whole),
        (b"NULs", bytes(4096)),
        (b"spaces", b" " * 4096),
        (b"binary", bytes(range(256)) * 16),
    ]
    cut = [whole[:n] for n in (1, 4, 20, 60, len(whole) - len(BODY) - 2, len(whole) - 1)]
    return [
        *family(
            "line-end",
            "one line end (RFC 9112 2.2)",
            (400,),
            made,
            alternatives=(505,),
            is_whole=True,
        ),
        *family(
            *("cut", "a request that never ends is none", (400,)),
            [(b"%d" % len(c), c) for c in cut],
            is_whole=True,
        ),
    ]


def rows() -> list[Row]:
    """All families about lines."""
    return [*versions(), *methods(), *targets(), *line_ends()]
