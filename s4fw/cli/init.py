"""`s4fw init`: write a configuration to start from."""

from __future__ import annotations

import os
from pathlib import Path

import click

from s4fw.cli.configuration import DEFAULT_FILE

TEMPLATE = """\
# S4 Firewall.  `s4fw check` tells every problem of this file, `s4fw check --print` what is in
# effect.  Everything that can be written here: docs/reference/configuration.md

server:
  host: 127.0.0.1
  port: 8080
  workers: auto                  # one for each processor

admin:                           # health, metrics, budgets: for operators, not for callers
  host: 127.0.0.1
  port: 9090
  # token: ${S4FW_ADMIN_TOKEN}   # needed to change anything, and on other hosts than loopback

upstreams:
  openai:
    base_url: https://api.openai.com
    # Callers send their own OpenAI key, which passes through.  To keep the provider's key here
    # instead, give it, and list below who may call:
    # api_key: ${OPENAI_API_KEY}           # or {file: openai-key}
  anthropic:
    base_url: https://api.anthropic.com
    # api_key: ${ANTHROPIC_API_KEY}
  # bedrock: {region: us-east-1}   # signed with the role of this machine

# Who may call.  `s4fw keys hash --generate` makes a key and the line to paste.  What a key pins
# (tenant, feature, customer, agent) no request header changes.
# keys:
#   - {id: support-bot, sha256: "...", tenant: acme, feature: support}

# A request must fit into every budget that applies to it; the tightest blocks.
budgets:
  - id: all-month                # everything together: no header escapes it
    per: []
    window: month                # minute, hour, day, week, month (from 00:00 UTC) or total
    limit_usd: 1000
    owner: finance@example.com   # callers read it when they are blocked

  - id: tenant-day               # each tenant (header x-s4fw-tenant, or pinned by a key) by itself
    per: [tenant]
    window: day
    limit_usd: 50
    warn_at: [0.8, 0.95]
    # overrides: {acme: 500}

  - id: session                  # one session that runs away stops here
    per: [session]
    window: total
    idle: 24h
    limit_usd: 5

  - id: feature-day              # a shadow only says what it would have blocked
    per: [tenant, feature]
    window: day
    limit_usd: 20
    mode: shadow

# The running requests of one key hold at most this part of a budget together, so that one caller
# with many dear requests leaves room for the others.
# limits:
#   per_key_held_share: 0.5

# Rates of your own contract, or of models that are not in `s4fw prices show`.
# pricing:
#   overrides:
#     my-model: {input_usd_per_mtok: 1, output_usd_per_mtok: 2.50, max_output_tokens: 4096}
"""


@click.command(name="init")
@click.argument("directory", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Write s4fw.yaml into DIRECTORY: a configuration to start from.

    It never overwrites one.
    """
    path = directory / DEFAULT_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Secrets may be written into it one day: nobody else reads it.
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; it stays as it is") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
    with open(made, "w", encoding="utf-8") as file:
        file.write(TEMPLATE)
    click.echo(f"{path} is written.  Next: s4fw check {path}, then s4fw serve")
