"""`s4fw keys`: digests without the key ever being an argument, pairs for SDKs that sign."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from click.testing import CliRunner

from s4fw.cli import main
from s4fw.config import parse
from s4fw.config.sigv4 import sigv4_secret

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


MASTER = "M" * 44


def written(folder: Path, keys: str) -> str:
    """A configuration with a master, and its path."""
    (folder / "master").write_text(MASTER + "\n")
    (folder / "master").chmod(0o600)
    path = folder / "s4fw.yaml"
    path.write_text(
        "server: {sigv4_master: {file: master}}\n"
        "upstreams: {openai: {base_url: https://a.example, api_key: k}}\n" + keys
    )
    return str(path)


def test_pair_of_a_key_is_printed_for_the_environment_of_its_caller(tmp_path: Path) -> None:
    """Two lines that can go into a file as they are; nothing beside them."""
    path = written(tmp_path, "keys: [{id: bot, access_key_id: S4FWBOTBOT}]")
    result = CliRunner().invoke(main, ["keys", "sigv4", "bot", "-c", path])
    assert 0 == result.exit_code, result.output
    secret = sigv4_secret(MASTER, "S4FWBOTBOT")
    assert f"AWS_ACCESS_KEY_ID=S4FWBOTBOT\nAWS_SECRET_ACCESS_KEY={secret}\n" == result.stdout
    assert "" == result.stderr


def test_key_without_a_pair_gets_one_with_the_line_to_paste(tmp_path: Path) -> None:
    """The line is one the configuration accepts, and then the same pair is printed."""
    path = written(tmp_path, "keys: [{id: bot, access_key_id: S4FWBOTBOT}]")
    result = CliRunner().invoke(main, ["keys", "sigv4", "new", "-c", path])
    assert 0 == result.exit_code, result.output
    line = result.stderr.splitlines()[-1]
    again = CliRunner().invoke(
        main, ["keys", "sigv4", "new", "-c", written(tmp_path, f"keys:\n{line}")]
    )
    assert result.stdout == again.stdout
    assert re.search(r"^AWS_SECRET_ACCESS_KEY=[A-Za-z0-9_-]{40}$", result.stdout, re.M)


def test_pair_without_a_master_says_how_to_make_one(tmp_path: Path) -> None:
    """The sentence is a recipe."""
    path = tmp_path / "s4fw.yaml"
    path.write_text("upstreams: {openai: {base_url: https://a.example, api_key: k}}\n")
    result = CliRunner().invoke(main, ["keys", "sigv4", "bot", "-c", str(path)])
    assert 78 == result.exit_code
    assert "sigv4_master: {file:" in result.output
