"""What the firewall knows of a model by its id alone: its maker, and how it bills an image."""

from __future__ import annotations

import re
from typing import Final

# Bounds of one image in tokens.  Claude scales it to what its vision sees; of others, the dearest
# known (qwen3-vl: 16,384) with a little framing.
IMAGE_TOKENS_CLAUDE_46: Final = 1_600
IMAGE_TOKENS_CLAUDE: Final = 4_800
IMAGE_TOKENS_NOVA: Final = 5_000
IMAGE_TOKENS: Final = 17_000

_CLAUDE: Final = re.compile(r"(?:^|\.)anthropic\.")
_NOVA: Final = re.compile(r"(?:^|\.)amazon\.nova-")
# Those that see small images: versions 1 to 3, and 4 up to 4.6 (Opus 4.7 is the first that does
# not).
_CLAUDE_46: Final = re.compile(
    r"anthropic\.claude-(?:v\d|instant|[1-3]-|(?:opus|sonnet|haiku)-4-(?:[0-6](?!\d)|\d{8}))"
)
# Those whose context is 200,000 tokens unless a beta makes it a million: 4.5 and before.
_CLAUDE_45: Final = re.compile(
    r"anthropic\.claude-(?:v\d|instant|[1-3]-|(?:opus|sonnet|haiku)-4-(?:[0-5](?!\d)|\d{8}))"
)


# Vendor or line -> where the body of an invoke bounds the output, and under which names.  A model
# of any other vendor is held at its longest answer.
_OUTPUT_BOUNDS: Final[tuple[tuple[re.Pattern[str], str, frozenset[str]], ...]] = tuple(
    (re.compile(rf"(?:^|\.){line}"), where, frozenset(names))
    for line, where, names in (
        (r"anthropic\.", "", ("max_tokens_to_sample",)),  # the older, text-only body
        (r"amazon\.nova-", "inferenceConfig", ("maxTokens", "max_new_tokens")),
        (r"amazon\.titan-text-", "textGenerationConfig", ("maxTokenCount",)),
        (r"meta\.", "", ("max_gen_len",)),
        (r"ai21\.j2-", "", ("maxTokens",)),
        (r"(?:ai21|cohere|deepseek|mistral)\.", "", ("max_tokens",)),
        (
            r"(?:google|minimax|moonshot|moonshotai|nvidia|openai|qwen|writer|xai|zai)\.",
            "",
            ("max_tokens", "max_completion_tokens"),
        ),
    )
)


def output_bounds(model: str) -> tuple[str, frozenset[str]]:
    """The member of an invoke body under which the output is bounded, empty for the body itself,
    and the names of the bound; no names where the model is not known."""
    for line, where, names in _OUTPUT_BOUNDS:
        if line.search(model) is not None:
            return where, names
    return "", frozenset()


def is_embedding(model: str) -> bool:
    """Whether the model makes vectors: whatever is no text is then billed by the piece."""
    return "embed" in model


def is_claude(model: str) -> bool:
    """Whether the body of an invoke is Anthropic's."""
    return _CLAUDE.search(model) is not None


def is_nova(model: str) -> bool:
    """Whether the messages and the system prompt of an invoke have Converse's shape."""
    return _NOVA.search(model) is not None


def has_short_context(model: str) -> bool:
    """Whether a beta could give the model a longer context than its price row knows."""
    return _CLAUDE_45.search(model) is not None


def image_tokens(model: str) -> int:
    """The most tokens that one image is billed as."""
    if is_claude(model):
        return IMAGE_TOKENS_CLAUDE_46 if _CLAUDE_46.search(model) else IMAGE_TOKENS_CLAUDE
    return IMAGE_TOKENS_NOVA if is_nova(model) else IMAGE_TOKENS
