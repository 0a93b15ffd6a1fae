"""`s4fw try`: the firewall in front of the built-in simulator, to point an SDK at."""

from __future__ import annotations

import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from s4fw.cli.stack import Stack, StackFailed, running, wait_for_the_end
from s4fw.sim.models import price_overrides


def _config(port: int, admin_port: int, folder: Path) -> dict[str, Any]:
    """Budgets to play with: one for everything, one for each tenant, one for each session."""
    token = folder / "admin.token"
    if not token.exists():
        folder.mkdir(parents=True, exist_ok=True)
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(24) + "\n")
    return {
        "server": {"host": "127.0.0.1", "port": port},
        "admin": {"host": "127.0.0.1", "port": admin_port, "token": {"file": str(token.resolve())}},
        "budgets": [
            {
                "id": "all-month",
                "per": [],
                "window": "month",
                "limit_usd": "100",
                "visible": True,
                "owner": "you",
            },
            {
                "id": "tenant-day",
                "per": ["tenant"],
                "window": "day",
                "limit_usd": "5",
                "overrides": {"acme": "0.05"},
                "warn_at": [0.5, 0.8, 0.95],
            },
            {
                "id": "session",
                "per": ["session"],
                "window": "total",
                "idle": "24h",
                "limit_usd": "1",
            },
        ],
        "pricing": {"overrides": price_overrides()},
    }


def _program() -> str:
    """How this program is called from here."""
    own = Path(sys.executable).with_name("s4fw")
    if not own.exists() or shutil.which("s4fw") == str(own):
        return "s4fw"
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


def _banner(stack: Stack) -> str:
    config = stack.config_path
    program = _program()
    return f"""
S4 Firewall is running in front of the built-in simulator: nothing leaves this machine.

  OpenAI SDK      base_url = "{stack.url}/v1"     api_key = anything
  Anthropic SDK   base_url = "{stack.url}"        api_key = anything
  boto3           endpoint_url = "{stack.url}"    any AWS keys, region us-east-1
  Bedrock         base_url = "{stack.url}/openai/v1" or "{stack.url}/anthropic"
  admin           {stack.admin_url}     configuration {config}

Try it:

  curl -si {stack.url}/v1/chat/completions \\
    -H 'content-type: application/json' -H 'x-s4fw-tenant: acme' \\
    -d '{{"model": "gpt-4o", "max_tokens": 4800,
         "messages": [{{"role": "user", "content": "Where is my order?"}}]}}'

Tenant acme has 5 cents a day, and such a call could cost 4.8 of them: the fourth is blocked.
Then look where the money went:

  {program} budgets -c {config}
  {program} costs --by tenant -c {config}
  {program} freeze -c {config}            (and freeze --release)

Ctrl-C stops it; what was spent is kept in {config.parent}.
"""


@click.command(name="try")
@click.option("--port", default=8080, show_default=True, help="Port for applications.")
@click.option("--admin-port", default=9090, show_default=True, help="Port for operators.")
@click.option(
    "--dir",
    "folder",
    default=".run",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where state and the configuration are kept.",
)
def command(port: int, admin_port: int, folder: Path) -> None:
    """Run the firewall in front of the built-in simulator.

    Prints the base URL for each SDK and a curl line; ends with Ctrl-C.
    """
    try:
        with running(folder, _config(port, admin_port, folder), pace="realistic") as stack:
            click.echo(_banner(stack))
            code = wait_for_the_end(stack)
    except StackFailed as failed:
        sys.exit(failed.exit_code)
    sys.exit(code)
