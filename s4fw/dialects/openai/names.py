"""Names that requests in OpenAI's shapes may not hold, because other servers obey them."""

from __future__ import annotations

from typing import Final

# Names by which other APIs bound the output, fields by which other gateways choose another model or
# another destination, and by which other servers add to the prompt or to the bill.  A server on the
# way that obeys one would spend what nobody held.  A shape that has one of them itself reads it.
FOREIGN: Final = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "max_new_tokens",
        "max_gen_len",
        "max_token_count",
        "max_length",
        "max_tokens_to_sample",
        "num_predict",
        "generation_config",
        "n",
        "best_of",
        "models",
        "fallbacks",
        "route",
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "extra_body",
        "extra_headers",
        "custom_llm_provider",
        "litellm_params",
        "chat_template",
        "documents",
        "plugins",
        "prompt_embeds",
    }
)

TIERS: Final = frozenset({"auto", "default", "flex", "priority", "fast", "scale"})
