"""`s4fw keys`: make keys for callers, and the digests that stand for them in the configuration."""

from __future__ import annotations

import secrets
import sys

import click

from s4fw.config.keys import key_digest

PREFIX = "s4fw_"  # lets secret scanners and people recognise one
RANDOM_BYTES = 32
CHARACTERS_MIN = 20  # a shorter one can be guessed from its digest


@click.group(name="keys")
def command() -> None:
    """Make keys for callers."""


@command.command(name="hash")
@click.option("--generate", is_flag=True, help="Make a new random key instead of reading one.")
@click.option(
    "--id", "key_id", default="my-app", show_default=True, help="The id in the line to paste."
)
def hash_key(generate: bool, key_id: str) -> None:
    """Print the digest of a key and the line for `keys:` in s4fw.yaml.

    The configuration holds only digests, so that it can be read and kept in version control
    without giving a key away.  The key is asked for without echo, or read from standard input
    (`s4fw keys hash < key.txt`); it is never an argument, since those are seen by everyone on the
    machine and stay in the shell's history.
    """
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES) if generate else _asked()
    _refuse_unusable(key)
    digest = key_digest(key.encode())
    if generate:
        click.echo(f"key:     {key}")
        click.echo("         give it to the caller; it is shown only this once")
    click.echo(f"sha256:  {digest}")
    click.echo("under `keys:` in s4fw.yaml:")
    click.echo(f'  - {{id: {key_id}, sha256: "{digest}"}}')


def _asked() -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt("key", hide_input=True)
        return answer.strip()
    return sys.stdin.read(65_536).strip()


def _refuse_unusable(key: str) -> None:
    if not key:
        raise click.UsageError("no key was given")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise click.UsageError("a key is one word of printable ASCII characters")
    if len(key) < CHARACTERS_MIN:
        raise click.UsageError(
            f"a key needs at least {CHARACTERS_MIN} characters; --generate makes a good one"
        )
