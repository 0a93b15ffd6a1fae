"""`s4fw keys`: make keys for callers, and what stands for them in the configuration."""

from __future__ import annotations

import secrets
import sys

import click

from s4fw.cli import EXIT_CONFIGURATION
from s4fw.cli.configuration import read_configuration
from s4fw.config.keys import key_digest
from s4fw.config.sigv4 import new_access_key_id, sigv4_secret

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


@command.command(name="sigv4")
@click.argument("key_id", metavar="ID")
@click.option("-c", "--config", "path", type=click.Path(), help="The configuration file.")
def sigv4_pair(key_id: str, path: str | None) -> None:
    """Print the pair that AWS SDKs sign with for the key ID in `keys:`.

    The secret is derived from server.sigv4_master, so it stands nowhere and this command can print
    it again.  A key without an access_key_id gets a new one, with the line to paste; giving a key
    another access_key_id makes its old pair void.
    """
    config = read_configuration(path)
    master = config.server.sigv4_master
    if master is None:
        raise _NoMaster(_NO_MASTER)
    key = next((key for key in config.keys if key.id == key_id), None)
    known = key.access_key_id if key is not None else None
    access_key_id = known or new_access_key_id()
    click.echo(f"AWS_ACCESS_KEY_ID={access_key_id}")
    click.echo(f"AWS_SECRET_ACCESS_KEY={sigv4_secret(master.get_secret_value(), access_key_id)}")
    if key is None:
        _note("under `keys:` in s4fw.yaml:")
        _note(f"  - {{id: {key_id}, access_key_id: {access_key_id}}}")
    elif known is None:
        _note(f"in the line of {key_id} under `keys:` in s4fw.yaml:")
        _note(f"  access_key_id: {access_key_id}")


_NO_MASTER = """\
server.sigv4_master is not set. Make one and name it under `server:` in s4fw.yaml:
  (umask 077; openssl rand -base64 32 > sigv4.master)
  sigv4_master: {file: sigv4.master}"""


class _NoMaster(click.ClickException):
    """There is nothing to derive a secret from."""

    exit_code = EXIT_CONFIGURATION


def _note(text: str) -> None:
    """Beside the pair, which may go into a file."""
    click.echo(text, err=True)


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
