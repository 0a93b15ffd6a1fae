"""Native bodies of models that take a text and give one, or a vector: one entry for each family.

Claude and Nova have shapes of their own (`invoke`).  Source: AWS, "Inference request parameters
and response fields for foundation models", 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from s4fw.sim.choice import LENGTH, Choice


@dataclass(frozen=True, slots=True)
class Said:
    """What a family's shape is made of: the choice, and the tokens of the prompt."""

    choice: Choice
    tokens_in: int

    @property
    def text(self) -> str:
        """The words of the answer."""
        return "".join(self.choice.words)

    @property
    def is_cut(self) -> bool:
        """Whether the bound on output ended it."""
        return self.choice.finish_reason == LENGTH


@dataclass(frozen=True, slots=True)
class Family:
    """How one family reads its prompt and its bound, and writes an answer or a part of one.

    A family of embeddings has no bound.
    """

    text: Callable[[dict[str, Any]], str]
    bound: Callable[[dict[str, Any]], Any] | None
    body: Callable[[Said], dict[str, Any]]
    part: Callable[[str], dict[str, Any]]


def _llama(said: Said) -> dict[str, Any]:
    return {
        "generation": said.text,
        "prompt_token_count": said.tokens_in,
        "generation_token_count": said.choice.tokens,
        "stop_reason": "length" if said.is_cut else "stop",
    }


def _titan(said: Said) -> dict[str, Any]:
    result = {
        "tokenCount": said.choice.tokens,
        "outputText": said.text,
        "completionReason": "LENGTH" if said.is_cut else "FINISH",
    }
    return {"inputTextTokenCount": said.tokens_in, "results": [result]}


def _mistral(said: Said) -> dict[str, Any]:
    return {"outputs": [{"text": said.text, "stop_reason": "length" if said.is_cut else "stop"}]}


def _titan_embedding(said: Said) -> dict[str, Any]:
    return {"embedding": [0.25, -0.5, 0.125], "inputTextTokenCount": said.tokens_in}


def _cohere_embedding(said: Said) -> dict[str, Any]:
    embeddings = [[0.25, -0.5, 0.125]]
    return {"id": "simulated", "response_type": "embeddings_floats", "embeddings": embeddings}


# The start of a model's id, without its geography; the first that fits counts.
FAMILIES: dict[str, Family] = {
    "amazon.titan-embed": Family(
        lambda body: str(body.get("inputText", "")), None, _titan_embedding, lambda text: {}
    ),
    "cohere.embed": Family(
        lambda body: " ".join(map(str, body.get("texts") or ())),
        None,
        _cohere_embedding,
        lambda text: {},
    ),
    "amazon.titan": Family(
        lambda body: str(body.get("inputText", "")),
        lambda body: (body.get("textGenerationConfig") or {}).get("maxTokenCount"),
        _titan,
        lambda text: {"index": 0, "outputText": text},
    ),
    "meta.llama": Family(
        lambda body: str(body.get("prompt", "")),
        lambda body: body.get("max_gen_len"),
        _llama,
        lambda text: {"generation": text},
    ),
    "mistral.": Family(
        lambda body: str(body.get("prompt", "")),
        lambda body: body.get("max_tokens"),
        _mistral,
        lambda text: {"outputs": [{"text": text, "stop_reason": None}]},
    ),
}


def family_of(name: str) -> Family | None:
    """The family of a model's id without its geography."""
    return next((made for start, made in FAMILIES.items() if name.startswith(start)), None)
