"""`s4fw serve`: run the firewall in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from s4fw.cli.configuration import configuration_path


@click.command("serve")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file (default $S4FW_CONFIG, else s4fw.yaml).",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def command(config: Path | None, log_level: str) -> None:
    """Run the firewall.

    Prints one line when it is ready; logs JSON lines on standard error.  SIGHUP reloads the
    configuration, SIGTERM and Ctrl-C let running requests finish, a second one cuts them.
    """
    # Imported here: `s4fw --help` needs none of it, and loading it takes a moment.
    from s4fw.process.serve import serve

    sys.exit(serve(configuration_path(str(config) if config else None), os.environ, log_level))
