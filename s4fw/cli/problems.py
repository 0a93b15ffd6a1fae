"""Problems and warnings of a configuration, for terminals in colour and for everything else plain.

Plain lines are `file:line: path: sentence`, which editors and CI systems understand.
"""

from __future__ import annotations

from collections.abc import Iterable

import click

from s4fw.config.problem import ConfigErrors, place


def show_problems(errors: ConfigErrors, *, is_error: bool = False) -> None:
    """Write every problem, then how many there are; click drops the colours off a terminal."""
    for problem in errors.problems:
        where = click.style(place(errors.name, problem), bold=True)
        path = click.style(problem.path, fg="cyan") + ": " if problem.path else ""
        click.echo(f"{where}: {path}{problem.message}", err=is_error)
    count = len(errors.problems)
    summary = f"{count} problem" + ("s" if count != 1 else "")
    click.secho(summary, fg="red", bold=True, err=is_error)


def show_warnings(warnings: Iterable[str], *, is_error: bool = False) -> None:
    """Write warnings, a line each."""
    for warning in warnings:
        click.echo(click.style("warning: ", fg="yellow", bold=True) + warning, err=is_error)
