"""The model-native fields that size a bill: in an invoke body, or in the
`additionalModelRequestFields` of Converse, which are merged into one.

Each maker has its own names.  All known names of an output bound are read, whoever's they are, and
the largest counts; a name that only looks like one is refused, because a model might obey it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from s4fw.dialects.bedrock import families, modelid
from s4fw.dialects.fields import TOKENS_MAX, fold, plain_integer
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Claude, Mistral, Cohere; Nova; Titan text; Llama; gpt-oss; Nova's older name; AI21 and Claude 2.
OUTPUT_BOUNDS: Final = frozenset(
    {
        "max_tokens",
        "maxTokens",
        "maxTokenCount",
        "max_gen_len",
        "max_completion_tokens",
        "max_new_tokens",
        "max_tokens_to_sample",
    }
)
# How many answers are generated: OpenAI's, Cohere's, AI21's, others'.
CHOICES: Final = frozenset(
    {"n", "num_generations", "numResults", "num_return_sequences", "best_of"}
)
CHOICES_MAX: Final = 128

# What makes a model run more than once, or read or bill what is not in the request.
UNBOUNDED: Final = frozenset(
    {
        "context_management",
        "mcp_servers",
        "container",
        "fallbacks",
        "thread",
        "speed",
        "inference_geo",
        "web_search_options",
        "previous_response_id",
        "conversation",
        "systemTool",
        "s3Location",
    }
)
# The path names the model.  A body may say the same, as AWS's own samples for gpt-oss do.
MODEL: Final = frozenset({"model", "modelId"})
_GUARDED: Final = {fold(name): name for name in OUTPUT_BOUNDS | CHOICES | UNBOUNDED | MODEL}
_LOOKS_LIKE_BOUND: Final = re.compile(r"^max.*(?:token|len|output|gen|new|sample)")

# Betas of Anthropic that are no feature of the request's own fields.
_LONG_CONTEXT: Final = "context-1m"

# Members below which everything is content: texts, schemas, tools.  What stands in there is no
# setting of the model's.
CONTENT: Final = frozenset(
    {
        *("messages", "system", "tools", "tool_choice", "toolConfig", "prompt", "inputText"),
        *("chat_history", "documents", "response_format", "output_config", "texts", "images"),
        *("requestMetadata", "metadata", "stop_sequences", "stop", "stopSequences", "logit_bias"),
        *("input_image", "inputImage", "preamble", "message", "tool_results", "schema"),
    }
)


class Settings:
    """What the native fields of one request say."""

    __slots__ = ("choices", "names", "output_tokens_max")

    def __init__(self) -> None:
        self.choices = 1
        self.names: set[str] = set()  # under which the output was bounded
        self.output_tokens_max: int | None = None

    def bound(self, name: str, tokens: int | None) -> None:
        """Note a bound of the output; the largest counts, and 0 bounds nothing."""
        if tokens:
            self.names.add(name)
            self.output_tokens_max = max(tokens, self.output_tokens_max or 0)


def read(whole: dict[str, Any], model: str, settings: Settings) -> None:
    """Read the settings in a decoded object, at every level above content.  Raises Refusal."""
    waiting = [whole]
    while waiting:
        for name, value in waiting.pop().items():
            if name in MODEL:
                _check_model(name, value, model)
                continue
            _read_member(name, value, settings)
            if name == "anthropic_beta":
                check_betas(value, model)
            elif name == "tools":
                check_tools(value)
            elif type(value) is dict and name not in CONTENT:
                waiting.append(value)


def _read_member(name: str, value: Any, settings: Settings) -> None:
    if name in OUTPUT_BOUNDS:
        settings.bound(name, plain_integer(value, name, 0, TOKENS_MAX))
    elif name in CHOICES:
        settings.choices = max(settings.choices, plain_integer(value, name, 1, CHOICES_MAX) or 1)
    elif name in UNBOUNDED:
        if value is not None:
            raise Refusal(UNBOUNDED_REQUEST, f"`{name}` is not governed: nothing bounds its cost")
    else:
        check_name(name)


def _check_model(name: str, value: Any, model: str) -> None:
    """Refuse another model than that of the path: a server that obeys it runs what nobody held."""
    if type(value) is not str or modelid.canonical(value) != model:
        raise Refusal(
            INVALID_REQUEST,
            f"`{name}` in the body is not the model of the path, which is the one that runs",
        )


def check_name(name: str) -> None:
    """Refuse a name that some model could take for a bound of its output or a number of answers."""
    folded = fold(name)
    if folded in _GUARDED:
        raise Refusal(
            AMBIGUOUS_FIELD,
            f"a field of the body could be read as `{_GUARDED[folded]}` by one model and ignored "
            "by another; leave it out or use the documented name",
        )
    if _LOOKS_LIKE_BOUND.match(folded):
        raise Refusal(
            UNBOUNDED_REQUEST, "a field that may bound the output has a name that is not known"
        )


def check_betas(betas: Any, model: str) -> None:
    """Refuse a beta that gives a model more context than its price row knows."""
    listed = betas if type(betas) is list else [betas]
    for beta in listed:
        if beta is not None and type(beta) is not str:
            raise Refusal(INVALID_REQUEST, "`anthropic_beta` must be a list of texts")
        if beta and beta.startswith(_LONG_CONTEXT) and _may_be_short(model):
            raise Refusal(
                UNBOUNDED_REQUEST,
                f"the beta `{_LONG_CONTEXT}` is not governed: the context of this model is known "
                "without it only",
            )


def _may_be_short(model: str) -> bool:
    return families.has_short_context(model) or not families.is_claude(model)


# Tools of Anthropic that the caller's own program runs; other types run at the provider.
_CALLERS_OWN: Final = re.compile(
    r"custom|function|(?:bash|text_editor|memory|computer|browser)_\d{8}"
)


def check_tools(tools: Any) -> None:
    """Refuse native tools that the provider runs: they bill what nothing bounds."""
    if tools is None:
        return
    if type(tools) is not list:
        raise Refusal(INVALID_REQUEST, "`tools` must be a list")
    for tool in tools:
        kind = tool.get("type") if type(tool) is dict else 0
        if kind is not None and (type(kind) is not str or not _CALLERS_OWN.fullmatch(kind)):
            raise Refusal(
                UNBOUNDED_REQUEST,
                "a tool that the provider runs is not governed: nothing bounds what it bills",
            )
