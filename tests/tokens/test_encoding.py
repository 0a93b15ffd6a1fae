"""The vendored vocabularies are the published ones, and each model has the right one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiktoken
from tiktoken_ext import openai_public

from s4fw.tokens import encoding as module
from s4fw.tokens.encoding import CL100K, O200K, Vocabulary, VocabularyDamaged, encoding_for, load

FILES = Path(module.__file__).parent / "vocabulary"


@pytest.mark.parametrize("vocabulary", [O200K, CL100K], ids=lambda v: v.name)
def test_pattern_is_that_of_tiktoken(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Because a pattern that drifts from tiktoken's counts other tokens than the provider."""
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})

    published = openai_public.ENCODING_CONSTRUCTORS[vocabulary.name]()

    assert published["pat_str"] == vocabulary.pattern


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("o200k_base", "hello world", [24912, 2375]),
        ("cl100k_base", "hello world", [15339, 1917]),
        ("o200k_base", "<|endoftext|>", 7),
        ("cl100k_base", "tiktoken is great!", [83, 1609, 5963, 374, 2294, 0]),
    ],
)
def test_encoding_gives_the_published_tokens(
    encodings: dict[str, tiktoken.Encoding], name: str, text: str, tokens: list[int] | int
) -> None:
    """Because right counts come from right ranks; special tokens are text to us."""
    found = encodings[name].encode_ordinary(text)

    assert tokens == (found if isinstance(tokens, list) else len(found))


def test_load_of_a_changed_file_is_refused(tmp_path: Path) -> None:
    """Because a vocabulary that was tampered with counts too little."""
    path = tmp_path / "o200k_base.tiktoken"
    shutil.copyfile(FILES / path.name, path)
    path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(VocabularyDamaged, match="SHA-256 differs"):
        load(O200K, tmp_path)


def test_load_of_a_missing_file_says_which(tmp_path: Path) -> None:
    """Because an operator must see what is wrong with the installation."""
    with pytest.raises(VocabularyDamaged, match=r"cl100k_base\.tiktoken: No such file"):
        load(CL100K, tmp_path)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-5.6-sol", "o200k_base"),
        ("gpt-6-luna", "o200k_base"),
        ("gpt-oss-120b", "o200k_base"),
        ("gpt-image-1", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("chat-latest", "o200k_base"),
        ("ft:gpt-4o-2024-08-06:acme::id", "o200k_base"),
        ("ft:gpt-4.1-2025-04-14", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125", "cl100k_base"),
        ("ft:gpt-4-0613", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("my-model", None),
        ("claude-opus-5", None),
        ("llama-3-gpt-4", None),
        ("", None),
    ],
)
def test_encoding_for_follows_the_families(model: str, expected: str | None) -> None:
    """Because the older vocabulary counts up to twice as many tokens of some scripts."""
    assert expected == encoding_for(model)
