"""`s4fw clock accept`: a person says that the wall clock is right although it jumped."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from s4fw.cli.reach import directories
from s4fw.process.timekeeper import ORDER

ANSWER_S = 3.0  # the master looks each second


@click.group("clock")
def command() -> None:
    """Budgets follow a clock that cannot be talked into a new window."""


@command.command("accept")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="S4FW_CONFIG",
    help="Configuration file (default s4fw.yaml): its `paths` say where the firewall runs.",
)
def accept(config: Path | None) -> None:
    """Let budgets follow a step of the wall clock at once, not after 10 minutes.

    A step back is never followed.  Exit code 1 when the firewall is not in doubt, or not running.
    """
    runtime = directories(config, os.environ).runtime
    order = runtime / ORDER
    try:
        order.touch(0o600)
    except OSError as fault:
        raise click.ClickException(f"cannot write to {runtime}: {fault.strerror}") from fault
    until_s = time.monotonic() + ANSWER_S
    while order.exists():
        if time.monotonic() > until_s:
            order.unlink(missing_ok=True)
            raise click.ClickException("the firewall does not run, or has no doubt of the clock")
        time.sleep(0.05)
    click.echo("accepted: budgets follow the wall clock")
