"""Runs commands against a real admin listener, and renders as on a terminal of a given width."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result
from rich.console import Console

from s4fw.cli import main
from tests.admin.scripted import Listening


def run(server: Listening, *arguments: str, token: str | None = None) -> Result:
    """One command as a person in a pipe would run it."""
    env = {"S4FW_ADMIN_URL": server.url, "S4FW_ADMIN_TOKEN": token, "S4FW_CONFIG": None}
    return CliRunner().invoke(main, arguments, env=env)


def run_json(server: Listening, *arguments: str, token: str | None = None) -> Any:
    result = run(server, *arguments, "--json", token=token)
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout)


def on_terminal(width: int, render: Callable[[Console], None]) -> list[str]:
    """The lines a person sees, without colours; none is wider than the terminal."""
    stream = io.StringIO()
    render(
        Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False)
    )
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert all(len(line) <= width for line in lines), "\n".join(lines)
    return lines


def fields(text: str) -> list[list[str]]:
    """The rows of a pipe's output, cut where two blanks stand."""
    rows = [line for line in text.splitlines() if line.strip()]
    return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows]
