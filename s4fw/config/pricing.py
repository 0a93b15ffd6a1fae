"""`pricing`: rates of our own, and what happens to models without any."""

from __future__ import annotations

from typing import Annotated, Literal

from s4fw.config.forms import Choice, Text, Whole, usd_per_mtok
from s4fw.config.section import Section, setting

TOKENS_MAX = 100_000_000  # far beyond any model; keeps rate times tokens within the table's int64
Tokens = Annotated[int, Whole(1, TOKENS_MAX)]
Rate = Annotated[int, usd_per_mtok()]
Model = Annotated[str, Text(r"[A-Za-z0-9._:/-]{1,128}", "1 to 128 letters, digits or ._:/-")]


class PriceOverride(Section):
    """The rates of one model, instead of the built-in ones."""

    input_pusd: Rate = setting("US dollars per million input tokens.", key="input_usd_per_mtok")
    output_pusd: Rate = setting(
        "US dollars per million output tokens, reasoning included.", key="output_usd_per_mtok"
    )
    cache_read_pusd: Rate | None = setting(
        "US dollars per million input tokens read from a cache; the input rate where left out.",
        None,
        key="cache_read_usd_per_mtok",
    )
    cache_write_pusd: Rate | None = setting(
        "US dollars per million input tokens written to a cache; the input rate where left out.",
        None,
        key="cache_write_usd_per_mtok",
    )
    max_output_tokens: Tokens = setting("The most the model generates in one answer.")
    max_input_tokens: Tokens | None = setting("The most the model takes in.", None)


class Pricing(Section):
    """What tokens cost."""

    unknown_models: Annotated[Literal["refuse"], Choice("refuse")] = setting(
        "What happens to a request for a model without a price: it is refused.", "refuse"
    )
    counting: Annotated[str, Choice("strict", "calibrated", "exact")] = setting(
        "How the input of models without a public tokenizer is bounded. strict: by its bytes, which"
        " is never passed, and three times too much for English. calibrated: by our count times a"
        " learned factor, which can be passed until it has risen. exact: the provider's free"
        " counter is asked first: that takes time, and shows it requests that are then refused.",
        "strict",
    )
    opaque_file_token_bound: Tokens | None = setting(
        "The most input tokens of one file that a request only names: a document by address or file"
        " id of Anthropic, a file in S3 of Converse. You vouch for it: for a larger file more may"
        " be charged than was held. Where left out, such requests are refused. OpenAI's files are"
        " held at the model's context either way.",
        None,
    )
    inference_geo: Annotated[str, Choice("global", "us")] = setting(
        "Where Anthropic runs requests that do not say so themselves: the default of your"
        " workspace. us costs more.",
        "global",
    )
    overrides: dict[Model, PriceOverride] = setting(
        "Rates for models by their exact id, before the built-in ones.", {}
    )
