"""Families of attempts at spending more than is reserved, or at nobody's cost; rules, not cases.

`refused` in an entry says that one reading is not enough: it must not pass at all.  All others may
be refused or pass, as long as the money oracle holds (see `bench`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.evasion.bench import Attempt
from tests.evasion.intakes import INTAKES, Intake, put

MUCH = 100_000


class Try(NamedTuple):
    """An attempt with its name, and whether it must be refused."""

    name: str
    attempt: Attempt
    refused: bool


def _raw(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _with_twin(body: dict[str, Any], way: tuple[str, ...], name: str, value: bytes) -> bytes:
    """The body with a second member beside the one at the way, under a name as it is spelt."""
    mark = put(body, (*way[:-1], "TWIN"), 0)
    return _raw(mark).replace(b'"TWIN": 0', b'"%b": %b' % (name.encode(), value), 1)


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
    good = _raw(intake.body)
    text = good.decode()
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
        "unquoted": good.replace(b'"model"', b"model").replace(b'"messages"', b"messages"),
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
        made = _raw(intake.bounded(987654)).replace(b"987654", text.encode())
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


def features(intake: Intake) -> Iterator[Try]:
    """EV-036..042, 064..067: what is billed beside the tokens of the answer."""
    hosted = [
        *(
            "web_search",
            "web_search_preview",
            "code_interpreter",
            "file_search",
            "image_generation",
        ),
        *(
            "computer_use_preview",
            "mcp",
            "local_shell",
            "web_search_20250305",
            "web_fetch_20250910",
        ),
        *("code_execution_20250825", "tool_search_tool_regex_20251119", "advisor_20260301"),
    ]
    for kind in hosted:
        tool = {"type": kind, "name": kind.split("_2")[0], "max_uses": 1000}
        yield Try(f"tool {kind}", intake.attempt(intake.changed(tools=[tool])), False)
        yield Try(
            f"toolConfig {kind}",
            intake.attempt(intake.changed(toolConfig={"tools": [tool]})),
            False,
        )
    values: dict[str, tuple[Any, ...]] = {
        "service_tier": (
            "priority",
            "flex",
            "auto",
            "scale",
            "fast",
            "Priority",
            None,
            7,
            ["priority"],
        ),
        "serviceTier": ({"type": "priority"}, "priority", {"type": "PRIORITY"}),
        "speed": ("fast", "FAST", 2),
        "inference_geo": ("us", "eu", "global", 7),
        "modalities": (["audio"], ["text", "audio"], "audio"),
        "audio": ({"voice": "alloy", "format": "wav"}, {}),
        "prediction": ({"type": "content", "content": "word " * 500},),
        "reasoning": ({"effort": "high"}, {"max_tokens": MUCH}),
        "reasoning_effort": ("high", "xhigh"),
        "thinking": ({"type": "enabled", "budget_tokens": MUCH}, {"type": "adaptive"}),
        "web_search_options": ({}, {"search_context_size": "high"}),
        "previous_response_id": ("resp_1",),
        "conversation": ("conv_1", {"id": "conv_1"}),
        "background": (True, "true"),
        "store": (True,),
        "container": ("container_1", {"id": "c"}),
        "mcp_servers": ([{"type": "url", "url": "http://a", "name": "a"}],),
        "context_management": ({"edits": [{"type": "compact_20260112"}]}, {"compaction": {}}),
        "compaction": ({"type": "auto"},),
        "prompt": ({"id": "pmpt_1", "variables": {}},),
        "include": (["web_search_call.results"],),
        "truncation": ("auto",),
        "max_tool_calls": (10**6, -1, None),
        "parallel_tool_calls": (True,),
        "stream_options": ({"include_usage": False}, {"include_usage": "no"}, []),
        "logprobs": (True, 5),
        "echo": (True,),
        "suffix": ("x " * 200,),
        "tool_choice": ("required", {"type": "any"}),
        "response_format": (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"x": "y" * 900}}},
        ),
        "output_config": ({"effort": "max"}, {"task_budget": {"type": "tokens", "total": MUCH}}),
        "system": (
            "word " * 300,
            [
                {
                    "type": "text",
                    "text": "word " * 300,
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                }
            ],
            [{"text": "word " * 300}],
        ),
        "instructions": ("word " * 300,),
        "functions": ([{"name": "f", "description": "word " * 300, "parameters": {}}],),
        "additionalModelRequestFields": (
            {"max_tokens": MUCH},
            {"thinking": {"type": "enabled", "budget_tokens": MUCH}},
            {"anthropic_beta": ["context-1m-2025-08-07"]},
        ),
        "guardrailConfig": ({"guardrailIdentifier": "g", "guardrailVersion": "1"},),
        "performanceConfig": ({"latency": "optimized"},),
        "promptVariables": ({"a": {"text": "word " * 300}},),
        "anthropic_beta": (
            ["context-1m-2025-08-07"],
            "context-1m-2025-08-07",
            ["output-128k-2025-02-19"],
        ),
        "dimensions": (10**6, 3072),
        "encoding_format": ("base64",),
        "unknown_text": ("word " * 300, {"a": ["word " * 300]}),
    }
    for name, options in values.items():
        for n, value in enumerate(options):
            yield Try(f"{name} {n}", intake.attempt(intake.changed(**{name: value})), False)
            if intake.bound:
                both = (
                    {**intake.bounded(None), name: value}
                    if len(intake.bound) == 1
                    else intake.changed(**{name: value})
                )
                yield Try(f"{name} {n} unbounded", intake.attempt(both), False)


_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)


def contents(intake: Intake) -> Iterator[Try]:
    """EV-033, and text that hides: what is read as little and billed as much."""
    long = "word " * 2000
    texts: dict[str, Any] = {
        "long": long,
        "escaped": "\u00e9\u4e2d\U0001f600" * 300,
        "controls": "\x01\x02\x1f" * 300,
        "special tokens": "<|endoftext|><|im_start|>system" * 100,
        "looks like base64": "QUJD" * 2000,
        "data url": "data:image/png;base64," + "QUJD" * 2000,
        "usage": '{"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\ndata: [DONE]\n\n',
        "spaces": " " * 9000,
        "rare": "\U000e0041\u2060\u200d" * 800,
        "digits": "1234567890" * 600,
        "list": [long, long],
        "list of tokens": [1, 2, 3] * 500,
        "list of lists": [[1, 2, 3]] * 300,
        "list of blanks": [""] * 2048,
        "null": None,
        "number": 5,
        "text block": [{"type": "text", "text": long}],
        "two blocks": [{"type": "text", "text": long}, {"text": long}],
        "base64 in a block": [{"type": "text", "text": "QUJD" * 2000}],
        "image url": [
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "high"}}
        ]
        * 9,
        "image data": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}}
        ]
        * 9,
        "image source": [
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": _PIXEL},
            }
        ]
        * 9,
        "image by url": [{"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}]
        * 9,
        "text as an image": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": long}}
        ],
        "document": [
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": long},
            }
        ],
        "document url": [{"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}}],
        "file id": [{"type": "file", "file": {"file_id": "file-1"}}],
        "input file": [{"type": "input_file", "file_id": "file-1"}],
        "audio": [{"type": "input_audio", "input_audio": {"data": "QUJD" * 100, "format": "wav"}}],
        "unknown block": [{"type": "hologram", "text": long}],
        "block of two kinds": [
            {"type": "text", "text": "a", "image": {"format": "png", "source": {"bytes": _PIXEL}}}
        ],
        "nested": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": long}]}
        ],
        "search result": [
            {
                "type": "search_result",
                "source": "a",
                "title": "b",
                "content": [{"type": "text", "text": long}],
            }
        ],
        "thinking": [{"type": "thinking", "thinking": long, "signature": "x"}],
        "cached": [
            {"type": "text", "text": long, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "cache point": [{"text": long}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "input items": [{"role": "user", "content": [{"type": "input_text", "text": long}]}],
        "item reference": [{"type": "item_reference", "id": "msg_1"}],
        "compaction item": [{"type": "compaction", "encrypted_content": "QUJD" * 500}],
    }
    for name, value in texts.items():
        document = intake.prompted(value)
        yield Try(f"prompt {name}", intake.attempt(document), False)
        if intake.prompt[-1] == "text":  # of converse: in the place of the list of blocks, too
            yield Try(
                f"content {name}",
                intake.attempt(put(intake.body, intake.prompt[:-2], value)),
                False,
            )
        veiled = json.dumps(document).replace("type", "\\u0074ype").encode()
        yield Try(f"veiled {name}", intake.attempt(veiled), False)
    for name, raw in (
        ("escapes", b"\\u0077\\u006f\\u0072\\u0064\\u0020" * 500),
        ("slashes", b"\\/" * 3000),
    ):
        made = _raw(intake.prompted("HERE")).replace(b"HERE", raw)
        yield Try(f"prompt in {name}", intake.attempt(made), False)


def beside(intake: Intake) -> Iterator[Try]:
    """Heads and queries that select what is billed: betas, tiers, another model or version."""
    betas = [
        *(
            "context-1m-2025-08-07",
            "output-128k-2025-02-19",
            "fast-mode-2026-02-01",
            "compact-2026-01-12",
        ),
        *(
            "fallback-2026-05-01",
            "prompt-caching-2024-07-31,context-1m-2025-08-07",
            " context-1m-2025-08-07 ",
        ),
        *("CONTEXT-1M-2025-08-07", "interleaved-thinking-2025-05-14", "code-execution-2025-08-25"),
    ]
    for beta in betas:
        headers = (*intake.headers, ("anthropic-beta", beta))
        yield Try(f"beta {beta}", intake.attempt(headers=headers), False)
    heads = {
        "x-amzn-bedrock-service-tier": ("priority", "PRIORITY", "flex, priority", "reserved"),
        "x-amzn-bedrock-performanceconfig-latency": ("optimized",),
        "openai-beta": ("responses=v1", "assistants=v2"),
        "openai-organization": ("org-other",),
        "x-http-method-override": ("DELETE",),
        "content-type": (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
        ),
        "idempotency-key": ("same", "same"),
        "x-s4fw-reserved-usd": ("0",),
        "x-request-id": ("fw_0",),
    }
    for name, values in heads.items():
        for value in values:
            yield Try(
                f"{name} {value}", intake.attempt(headers=(*intake.headers, (name, value))), False
            )
    for query in (
        "beta=true",
        "beta=true&model=mock-large",
        "model=mock-large&max_tokens=9",
        "api-version=1",
    ):
        yield Try(f"query {query}", intake.attempt(query=query), False)


FAMILIES = (twins, encodings, numbers, models, destinations, features, contents, beside)


def tries(intake: Intake) -> list[Try]:
    """All attempts at one intake."""
    return [one for family in FAMILIES for one in family(intake)]


def count() -> int:
    """How many attempts there are at all intakes."""
    return sum(len(tries(intake)) for intake in INTAKES)
