"""Families of attempts at spending more than is reserved, or at nobody's cost; rules, not cases.

`refused` in an entry says that one reading is not enough: it must not pass at all.  All others may
be refused or pass, as long as the money oracle holds (see `bench`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.evasion.billed import beside, contents, features
from tests.evasion.intakes import INTAKES, Intake, put
from tests.evasion.tries import MUCH, Try, raw_of


def _with_twin(body: dict[str, Any], way: tuple[str, ...], name: str, value: bytes) -> bytes:
    """The body with a second member beside the one at the way, under a name as it is spelt."""
    mark = put(body, (*way[:-1], "TWIN"), 0)
    return raw_of(mark).replace(b'"TWIN": 0', b'"%b": %b' % (name.encode(), value), 1)


def twins(intake: Intake) -> Iterator[Try]:
    """EV-001..007: a second spelling of what sizes the hold, at every level that is metered."""
    ways = [w for w in ((intake.bound or None), ("model",) if intake.has_model else None) if w]
    ways += [(name,) for name in ("stream", *intake.metered)]
    for way in ways:
        name = way[-1]
        value = b'"mock-large"' if name == "model" else b"%d" % MUCH
        folded = {
            *(name.upper(), name.capitalize(), name + "\\u0000", name + "\\u200b"),
            *(name.replace("_", "-"), name.replace("_", ""), "\\uff4d" + name[1:], f" {name}"),
        }
        base = put(intake.body, way, 1 if name != "model" else intake.body.get("model"))
        escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
        for spelt in (name, escaped, name[:-1] + f"\\u{ord(name[-1]):04X}"):
            yield Try(f"twice {spelt}", intake.attempt(_with_twin(base, way, spelt, value)), True)
        for spelt in sorted(folded - {name}):
            if name in ("stream", "echo", "n"):
                continue  # too short or too common to be guarded in every spelling; not a bound
            made = _with_twin(base, way, spelt, value)
            yield Try(f"folded {spelt}", intake.attempt(made), False)
    for alias in intake.aliases:
        for value in (b"%d" % MUCH, b"null", b'"9"'):
            made = _with_twin(intake.body, (alias,), alias, value)
            yield Try(f"alias {alias}={value.decode()}", intake.attempt(made), False)


def encodings(intake: Intake) -> Iterator[Try]:
    """EV-010..019: bytes that two parsers read differently, or that stop one."""
    good = raw_of(intake.body)
    text = good.decode()
    first = next(iter(intake.body)).encode()
    deep = b"[" * 200 + b"]" * 200
    made = {
        "utf-16": text.encode("utf-16"),
        "utf-16 without a mark": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32"),
        "byte order mark": b"\xef\xbb\xbf" + good,
        "utf-7": text.replace("{", "+AHs-").encode(),
        "trailing document": good + good,
        "trailing comma": good[:-1] + b",}",
        "trailing NUL": good + b"\x00",
        "trailing text": good + b"x",
        "leading NUL": b"\x00" + good,
        "comment": good[:-1] + b"/* */}",
        "single quotes": good.replace(b'"', b"'"),
        "unquoted": good.replace(b'"%b"' % first, first),
        "array": b"[" + good + b"]",
        "array of two": b"[" + good + b"," + good + b"]",
        "lines": good + b"\n" + good,
        "empty": b"",
        "blank": b" \n",
        "null": b"null",
        "number": b"7",
        "text of itself": json.dumps(text).encode(),
        "bad utf-8": good[:-1] + b',"x":"\xff"}',
        "overlong": good[:-1] + b',"x":"\xc0\xae"}',
        "surrogate bytes": good[:-1] + b',"x":"\xed\xa0\x80"}',
        "lone surrogate": good[:-1] + b',"x":"\\ud800"}',
        "raw newline": good[:-1] + b',"x":"a\nb"}',
        "raw tab": good[:-1] + b',"x":"a\tb"}',
        "bad escape": good[:-1] + b',"x":"\\x41"}',
        "nan": good[:-1] + b',"x":NaN}',
        "infinity": good[:-1] + b',"x":-Infinity}',
        "1e999": good[:-1] + b',"x":1e999}',
        "leading zero": good[:-1] + b',"x":010}',
        "no fraction": good[:-1] + b',"x":1.}',
        "plus": good[:-1] + b',"x":+1}',
        "hex": good[:-1] + b',"x":0x1}',
        "million digits": good[:-1] + b',"x":' + b"9" * 10**6 + b"}",
        "deep": good[:-1] + b',"x":' + deep + b"}",
        "very deep": good[:-1] + b',"x":' + b"[" * 10**5 + b"}",
        "cut": good[:-1],
        "multipart": b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n',
        "form": b"model=mock-small&max_tokens=5",
        "form feed": b"\x0c" + good,
        "non-breaking space": b"\xc2\xa0" + good,
        "gzip": b"\x1f\x8b\x08\x00" + good,
    }
    for name, raw in made.items():
        is_fine = name in ("1e999", "lone surrogate")  # one reading or another: the oracle decides
        yield Try(name, intake.attempt(raw), not is_fine)
    many = b"{" + b",".join(b'"k%d":0' % n for n in range(20_000)) + b"," + good[1:]
    yield Try("20,000 members", intake.attempt(many), False)


_ODD: tuple[Any, ...] = (
    *(-1, -(2**31), 1.0, 1.9999, 1e3, "5", "", True, False, [5], {}, {"value": 5}),
    *(2**31, 2**32 + 5, 2**53 + 1, 2**63, 2**64, 2**64 + 5, 10**40, -(10**40)),
)


def numbers(intake: Intake) -> Iterator[Try]:
    """EV-021..039: what sizes the hold is a plain integer in its range, or the model's own."""
    if intake.bound:
        for value in _ODD:
            yield Try(f"bound {value!r}", intake.attempt(intake.bounded(value)), True)
        for value in (None, 0, 1, 4096, MUCH, 2**31 - 1):
            yield Try(f"bound {value!r}", intake.attempt(intake.bounded(value)), False)
        absent = (
            put(intake.body, intake.bound[:-1], {}) if len(intake.bound) > 1 else dict(intake.body)
        )
        if len(intake.bound) == 1:
            absent.pop(intake.bound[0], None)
        yield Try("no bound", intake.attempt(absent), False)
    spelt = ["1E1", "10e0", "1.0e1", "-0", "0.5e1", "5e-0", "5 ", "\t5", "0e9", "1e-1"]
    for text in spelt if intake.bound else ():
        made = raw_of(intake.bounded(987654)).replace(b"987654", text.encode())
        yield Try(f"bound {text}", intake.attempt(made), text.strip() not in ("5", "-0"))
    for name in (*intake.metered, "n", "best_of", "candidate_count", "num_generations"):
        if name in ("stream", "echo"):
            continue
        for value in (*_ODD, None, 0, 1, 2, 8, 128, 1000):
            yield Try(f"{name} {value!r}", intake.attempt(intake.changed(**{name: value})), False)


def models(intake: Intake) -> Iterator[Try]:
    """EV-049..058: one model, in one place, by a name that has a price."""
    names: tuple[Any, ...] = (
        *(
            "",
            " ",
            "mock-small ",
            " mock-small",
            "MOCK-SMALL",
            "mock\u2010small",
            "mo\u0441k-small",
        ),
        *("mock-small\u202e", "mock-small\x00", "mock-small\n", "../mock-small", "mock-small/../x"),
        *("mock-small%2e%2e", "openai/mock-small", "mock-small:free", "mock-small@latest", "auto"),
        *("gpt-4o,mock-small", "mock-small;gpt-4o", "*", "mock-*", "default", "router", "a" * 300),
        *(
            ["mock-small", "gpt-4o"],
            {"id": "mock-small"},
            None,
            7,
            True,
            [],
            "ft:mock-small",
            "ft:",
        ),
        *(
            "us.anthropic.claude-opus-5",
            "arn:aws:bedrock:us-east-1::foundation-model/x",
            "\uff4dock-small",
        ),
    )
    for value in names:
        given = intake.changed(model=value)
        yield Try(
            f"model {value!r}",
            intake.attempt(given),
            not isinstance(value, str) or not value.strip(),
        )
    for name in (
        "models",
        "fallbacks",
        "route",
        "fallback_model",
        "engine",
        "deployment",
        "model_id",
    ):
        for value in (["mock-large"], "mock-large", [{"model": "mock-large"}]):
            yield Try(f"{name} {value!r}", intake.attempt(intake.changed(**{name: value})), False)
    if not intake.has_model:
        for value in ("mock-small", "anthropic.claude-opus-5"):
            yield Try(f"two models {value}", intake.attempt(intake.changed(model=value)), True)
            yield Try(f"two ids {value}", intake.attempt(intake.changed(modelId=value)), False)


_ELSEWHERE = (
    *("api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers"),
    *("extra_body", "headers", "proxy", "aws_access_key_id", "aws_region_name", "vertex_project"),
    *(
        "organization",
        "litellm_params",
        "endpoint",
        "callback_url",
        "webhook",
        "provider",
        "user_id",
    ),
)


def destinations(intake: Intake) -> Iterator[Try]:
    """EV-061: where it goes and as whom is for the configuration to say."""
    for name in _ELSEWHERE:
        for value in ("http://169.254.169.254/", {"a": "http://evil"}):
            yield Try(
                f"{name} {type(value).__name__}",
                intake.attempt(intake.changed(**{name: value})),
                False,
            )


FAMILIES = (twins, encodings, numbers, models, destinations, features, contents, beside)


def tries(intake: Intake) -> list[Try]:
    """All attempts at one intake."""
    return [one for family in FAMILIES for one in family(intake)]


def count() -> int:
    """How many attempts there are at all intakes."""
    return sum(len(tries(intake)) for intake in INTAKES)
