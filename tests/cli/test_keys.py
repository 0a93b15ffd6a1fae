"""`s4fw keys hash`: digests without the key ever being an argument."""

from __future__ import annotations

import hashlib
import re

from click.testing import CliRunner

from s4fw.cli import main
from s4fw.config import parse

KEY = "s4fw_0123456789abcdefghij"


def test_key_from_standard_input_gives_its_digest() -> None:
    """`s4fw keys hash < key.txt`, with the newline editors leave at the end."""
    result = CliRunner().invoke(main, ["keys", "hash"], input=KEY + "\n")
    assert 0 == result.exit_code
    assert hashlib.sha256(KEY.encode()).hexdigest() in result.output
    assert KEY not in result.output


def test_generated_key_belongs_to_the_line_to_paste() -> None:
    """The line must be one the configuration accepts, for exactly this key."""
    lines = CliRunner().invoke(main, ["keys", "hash", "--generate", "--id", "bot"]).output
    made = re.search(r"s4fw_\S{43}", lines)
    assert made is not None
    text = "upstreams: {openai: {base_url: https://a.example, api_key: k}}\nkeys:\n"
    config = parse(text + lines.splitlines()[-1], "x", {})
    assert "bot" == config.keys[0].id
    assert hashlib.sha256(made[0].encode()).hexdigest() == config.keys[0].sha256


def test_generated_keys_differ() -> None:
    """They are random."""
    outputs = {CliRunner().invoke(main, ["keys", "hash", "--generate"]).output for _ in range(3)}
    assert 3 == len(outputs)


def test_unusable_key_is_a_usage_error() -> None:
    """An empty, guessable or multi-line key would be accepted by nobody, or by everybody."""
    for text in ("", "short", "two words that are long enough", "ключ-ключ-ключ-ключ-ключ"):
        assert 2 == CliRunner().invoke(main, ["keys", "hash"], input=text).exit_code


def test_key_as_an_argument_is_refused() -> None:
    """Arguments are seen by everyone on the machine."""
    assert 2 == CliRunner().invoke(main, ["keys", "hash", KEY]).exit_code
