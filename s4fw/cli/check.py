"""`s4fw check`: tell every problem of a configuration, or show what is in effect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click
import yaml

from s4fw.cli import EXIT_CONFIGURATION
from s4fw.cli.configuration import configuration_path
from s4fw.cli.problems import show_problems, show_warnings
from s4fw.config import Config, ConfigErrors, load
from s4fw.config.forms import Plain
from s4fw.config.schema import effective
from s4fw.process.estate import rates_of
from s4fw.process.rundir import state_risk
from s4fw.stages.check import problems


@click.command(name="check")
@click.argument("file", required=False, type=click.Path())
@click.option(
    "--print",
    "is_print",
    is_flag=True,
    help="Show the effective configuration as YAML: defaults filled in, variables expanded,"
    " secrets masked.",
)
@click.pass_context
def command(context: click.Context, file: str | None, is_print: bool) -> None:
    """Tell every problem of a configuration, each with its line.

    FILE is s4fw.yaml, or what $S4FW_CONFIG names.  Nothing is started and nothing is sent.
    Exits with 0 when it is fine, warnings included, and with 78 when it is not.
    """
    path = configuration_path(file)
    try:
        config = load(path, os.environ)
        unpriced = problems(config, rates_of(config))
        if unpriced:
            raise ConfigErrors(str(path), unpriced)
    except ConfigErrors as errors:
        show_problems(errors)
        context.exit(EXIT_CONFIGURATION)
    if is_print:
        click.echo(as_yaml(config), nl=False)
    show_warnings((*config.warnings, *_risks(config)), is_error=is_print)
    if not is_print:
        click.echo(f"{path}: " + click.style("fine", fg="green") + f", {_summary(config)}")


def _risks(config: Config) -> Iterator[str]:
    """What depends on this machine, not on the file alone."""
    if (risk := state_risk(config.paths.runtime, config.paths.state)) is not None:
        yield f"{risk[0].upper()}{risk[1:]}."


def _summary(config: Config) -> str:
    """In a few words what was read, to notice a budget that is not there."""
    enforced = sum(budget.mode == "enforce" for budget in config.budgets)
    budgets = f"{enforced} enforced and {_count(len(config.budgets) - enforced, 'shadow budget')}"
    callers = _count(len(config.keys), "key") if config.keys else "no keys"
    instances = config.fleet.instances
    fleet = f", one of {instances} instances: 1/{instances} of every limit" if instances > 1 else ""
    upstreams = _count(len(config.upstreams), "upstream")
    return f"{budgets}, {callers}, {upstreams}, digest {config.digest}{fleet}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Dumper(yaml.SafeDumper):
    """Writes decimals plain, as people do."""


def _plain(dumper: yaml.SafeDumper, text: Plain) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:float", str(text))


_Dumper.add_representer(Plain, _plain)


def as_yaml(config: Config) -> str:
    """The effective configuration."""
    shown: dict[str, Any] = effective(config)
    text: str = yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
