"""Families about what is billed: features beside the answer, contents, heads and queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.evasion.intakes import Intake, put
from tests.evasion.tries import MUCH, Try, raw_of


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
        "blocks of no kind": [{"x": 1}] * 9,
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
        made = raw_of(intake.prompted("HERE")).replace(b"HERE", raw)
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
