"""Rows about usage: true, false, absent, imitated; whole and streamed."""

from __future__ import annotations

import json
from typing import Any

from tests.http.told import STREAM, USAGE, AnswerRow, End, answer, stream, told_family

_LIES: list[tuple[str, Any]] = [
    *(
        ("none", None),
        ("text", "10"),
        ("list", [10, 5]),
        ("number", 15),
        ("true", True),
        ("empty", {}),
    ),
    *(
        (f"in {v!r}", {"prompt_tokens": v, "completion_tokens": 5})
        for v in (-1, "10", 1.5, None, True, [1])
    ),
    *(
        (f"out {v!r}", {"prompt_tokens": 10, "completion_tokens": v})
        for v in (-1, "5", 0.5, None, False, {})
    ),
    *((f"huge {v}", {"prompt_tokens": v, "completion_tokens": 5}) for v in (2**63, 2**64, 10**40)),
    ("no out", {"prompt_tokens": 10}),
    ("no in", {"completion_tokens": 5}),
]


def usages() -> list[AnswerRow]:
    """Usage that cannot be true is no usage; what looks like one is none."""
    plain, streamed = [], []
    for name, usage in _LIES:
        document = json.dumps({"choices": [], "usage": usage}).encode()
        plain.append((name.encode(), answer(body=document)))
        event = b"data: " + document + b"\n\ndata: [DONE]\n\n"
        streamed.append((name.encode(), stream(event)))
    odd = [
        *(
            b"",
            b"null",
            b"[]",
            b"7",
            b'"usage"',
            b"{",
            USAGE + b"}",
            b"\xff" * 40,
            b"<html>usage</html>",
        ),
        *(USAGE[:-1], b"[" + USAGE + b"]", b'{"text":"{\\"usage\\":{\\"prompt_tokens\\":1}}"}'),
        *(b'{"a":' + USAGE + b"}", b"\xff\xfe" + USAGE.decode().encode("utf-16-le"), b"[" * 5000),
    ]
    hidden = json.dumps(
        {"choices": [{"delta": {"content": USAGE.decode().replace("10", "1")}}]}
    ).encode()
    true = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}'
    done = b"data: [DONE]"
    fine = [
        *(
            true + b"\n\n" + done + b"\n\n",
            true + b"\r\n\r\n" + done + b"\r\n\r\n",
            true + b"\r\r" + done + b"\r\r",
        ),
        *(
            b"data: " + hidden + b"\n\n" + true + b"\n\n" + done + b"\n\n",
            b": x\n\n" + true + b"\n\n" + done + b"\n\n",
        ),
        *(
            b"event: x\n" + true + b"\n\n" + done + b"\n\n",
            b"id: 1\nretry: 3\n" + true + b"\n\n" + done + b"\n\n",
        ),
        *(
            true.replace(b": {", b":{", 1) + b"\n\n" + done + b"\n\n",
            true + b"\n\n" + b"\n" * 999 + done + b"\n\n",
        ),
        *(
            b'data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
            + true
            + b"\n\n"
            + done
            + b"\n\n",
        ),
        *(
            b"data: not json\n\n" + true + b"\n\n" + done + b"\n\n",
            b"nonsense\n\n" + true + b"\n\n" + done + b"\n\n",
        ),
        *(true + b"\n\n", STREAM, STREAM + b": after\n\n"),
    ]
    unended = [
        b"",
        b"\n",
        b": x\n\n",
        b"data: " + hidden + b"\n\n",
        b"data: {\n\n",
        b"data: " + b"x" * 99_000,
    ]
    return [
        *told_family("usage-lies", "worst case, never less", End.BLIND, plain),
        *told_family(
            "usage-lies-in-stream", "worst case, never less", End.BLIND, streamed, is_stream=True
        ),
        *told_family(
            "usage-odd", "relayed, worst case", End.BLIND, [(o[:20], answer(body=o)) for o in odd]
        ),
        *told_family(
            "stream-ok",
            "the last usage counts",
            End.PAID,
            [(f[:24], stream(f)) for f in fine],
            is_stream=True,
        ),
        *told_family(
            *("stream-unended", "HTTP ended it, its own shape did not", End.BROKEN),
            [(u[:20], stream(u)) for u in unended],
            is_stream=True,
        ),
    ]
