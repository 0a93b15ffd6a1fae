"""The two vocabularies of OpenAI's models, built from vendored files.

tiktoken would fetch them over the network and keep copies in a temporary folder; here they are
part of the package and checked by SHA-256, so a count never depends on anything else.  The patterns
are those of tiktoken 0.14 (`tiktoken_ext/openai_public.py`, MIT, OpenAI).
"""

from __future__ import annotations

import functools
import hashlib
import re
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

import tiktoken

_DIRECTORY = Path(__file__).parent / "vocabulary"


class VocabularyDamaged(Exception):
    """A vocabulary file is missing or is not the published one; the firewall must not start."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A published vocabulary: its file's digest and the pattern that cuts text before merging."""

    name: str
    sha256: str
    pattern: str


_LETTERS_END = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_LETTERS_BEGIN = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

O200K = Vocabulary(
    "o200k_base",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "|".join(
        (
            rf"[^\r\n\p{{L}}\p{{N}}]?{_LETTERS_BEGIN}*{_LETTERS_END}+{_CONTRACTION}",
            rf"[^\r\n\p{{L}}\p{{N}}]?{_LETTERS_BEGIN}+{_LETTERS_END}*{_CONTRACTION}",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
)

CL100K = Vocabulary(
    "cl100k_base",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "|".join(
        (
            r"'(?i:[sdmt]|ll|ve|re)",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++",
            r"\p{N}{1,3}+",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
            r"\s++$",
            r"\s*[\r\n]",
            r"\s+(?!\S)",
            r"\s",
        )
    ),
)

# Model families by the start of their id (tiktoken 0.14 `model.py`; newer families use o200k_base,
# which reconciliation confirms or corrects).  A fine-tuned model counts as its base.
_CL100K_MODEL = re.compile(
    r"(?:ft:)?(?:gpt-4(?![o.\d])|gpt-3\.5|gpt-35-|text-embedding-|davinci-002|babbage-002)"
)
_OPENAI_MODEL = re.compile(
    r"(?:ft:)?(?:gpt-|chatgpt-|chat-latest|daybreak-|o\d|codex-|computer-use-|omni-moderation-)"
)


@functools.lru_cache(maxsize=1024)
def encoding_for(model: str) -> str | None:
    """The name of a model's vocabulary; None for a model that is not known to be OpenAI's."""
    if _CL100K_MODEL.match(model):
        return CL100K.name
    return O200K.name if _OPENAI_MODEL.match(model) else None


def load(vocabulary: Vocabulary, directory: Path = _DIRECTORY) -> tiktoken.Encoding:
    """Build a vocabulary's encoding (about 0.3 s and 40 MB; share it by forking afterwards).

    Raises VocabularyDamaged.
    """
    path = directory / f"{vocabulary.name}.tiktoken"
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise VocabularyDamaged(f"cannot read {path}: {problem.strerror}") from problem
    if hashlib.sha256(content).hexdigest() != vocabulary.sha256:
        raise VocabularyDamaged(f"{path} is not the published vocabulary: its SHA-256 differs")
    ranks = {}
    for line in content.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding(
        vocabulary.name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens={}
    )
    encoding._mergeable_ranks = {}  # 25 to 40 MB that only decoding would need
    return encoding
