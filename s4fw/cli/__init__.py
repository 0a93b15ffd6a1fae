"""The `s4fw` command: one tree, one file for each command.

A command's file is imported when it is called: `s4fw --help` and `s4fw keys hash` need neither the
configuration nor the counter table.

Exit codes: 0 fine, 1 problems found, 2 usage, 65 damaged table, 75 another master is running,
78 the configuration has problems.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import click

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h

# name -> module with the click command `command`, and what `s4fw --help` says of it.
COMMANDS = {
    "serve": ("s4fw.cli.serve", "Run the firewall."),
    "check": ("s4fw.cli.check", "Tell every problem of a configuration."),
    "init": ("s4fw.cli.init", "Write a configuration to start from."),
    "try": ("s4fw.cli.try_", "Run the firewall in front of the built-in simulator."),
    "demo": ("s4fw.cli.demo", "Watch a cap hold against 500 parallel calls."),
    "sim": ("s4fw.cli.sim", "Run the provider simulator alone."),
    "status": ("s4fw.cli.status", "Show how a running firewall does."),
    "top": ("s4fw.cli.top", "Watch budgets burn, live."),
    "costs": ("s4fw.cli.costs", "Show what was spent, by any dimension."),
    "budgets": ("s4fw.cli.budgets", "Show the budgets and what is left of them."),
    "events": ("s4fw.cli.events", "Show what happened lately."),
    "audit": ("s4fw.cli.audit", "Read the ledger, check it, hold it against the budgets."),
    "loops": ("s4fw.cli.loops", "Show which agents go round in circles; release a session."),
    "replay": ("s4fw.cli.replay", "Put recorded requests through the loop breaker, offline."),
    "freeze": ("s4fw.cli.freeze", "Stop all spend, or a budget's, until it is released."),
    "table": ("s4fw.cli.table", "Look after the counter table: check, export, import, repair."),
    "clock": ("s4fw.cli.clock", "Let budgets follow a wall clock that jumped."),
    "prices": ("s4fw.cli.prices", "Show the built-in rates."),
    "keys": ("s4fw.cli.keys", "Make keys for callers."),
}

# The sections of `s4fw --help`; what is in none of them stands in the last.
SECTIONS = {
    "Start": ("init", "check", "try", "demo", "serve"),
    "See": ("status", "top", "costs", "budgets", "events", "loops", "audit"),
    "Act": ("freeze", "keys"),
    "Look after": (),
}


class Tree(click.Group):
    """Commands by name; only those whose file is there."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return [name for name, (module, _) in COMMANDS.items() if find_spec(module) is not None]

    def get_command(self, context: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's file."""
        if cmd_name not in self.list_commands(context):
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `--help`, without importing a single command."""
        names = self.list_commands(context)
        placed = {name for section in SECTIONS.values() for name in section}
        rest = [name for name in names if name not in placed]
        for title, section in SECTIONS.items():
            shown = [name for name in section or rest if name in names]
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in shown])

    def invoke(self, context: click.Context) -> object:
        """Run a command; a configuration that is refused ends any of them the same way."""
        try:
            return super().invoke(context)
        except Exception as error:
            from s4fw.config.problem import ConfigErrors

            if not isinstance(error, ConfigErrors):
                raise
            from s4fw.cli.problems import show_problems

            show_problems(error, is_error=True)
            context.exit(EXIT_CONFIGURATION)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("s4fw")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _show_version(context: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        click.echo(f"s4fw {_version()}")
        context.exit()


@click.group(cls=Tree, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def main() -> None:
    """A hard spend cap in front of LLM traffic.

    \b
    s4fw try                        see it work: firewall and simulated provider
    s4fw init && s4fw check         a configuration of your own
    s4fw top                        what burns, live
    s4fw freeze                     stop all spend, now

    \b
    Every command teaches itself with --help; those that show something take --json.
    Tab completion:  eval "$(_S4FW_COMPLETE=bash_source s4fw)"  (zsh_source, fish_source)

    \b
    Exit codes: 0 fine; 1 problems found, not ready, or nobody answered; 2 wrong usage;
    65 damaged table; 75 another firewall runs here; 78 the configuration has problems.
    """
