"""The tree of commands: quick, and only what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from s4fw.cli import COMMANDS, main


def test_help_imports_no_command() -> None:
    """`s4fw --help` is what people type first and most; it must not load the whole house."""
    code = (
        "import sys\n"
        "from s4fw.cli import main\n"
        "try: main(['--help'], prog_name='s4fw')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('pydantic', 'yaml', 'rich', 'tiktoken', 'uvloop') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=root
    )
    assert "[]" == done.stdout.splitlines()[-1]
    assert "check" in done.stdout


def test_commands_without_a_file_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed command that cannot run is worse than none."""
    monkeypatch.setitem(COMMANDS, "nothing", ("s4fw.cli.nothing_there", "Nothing."))
    assert "Nothing." not in CliRunner().invoke(main, ["--help"]).output
    assert 2 == CliRunner().invoke(main, ["nothing"]).exit_code


def test_every_listed_command_can_be_asked_for_help() -> None:
    """The table names files by text, so a typing mistake shows only here."""
    with main.make_context("s4fw", ["--help"], resilient_parsing=True) as context:
        names = main.list_commands(context)
    for name in names:
        assert 0 == CliRunner().invoke(main, [name, "--help"]).exit_code


def test_version_is_a_line() -> None:
    """Bug reports start with it."""
    assert CliRunner().invoke(main, ["--version"]).output.startswith("s4fw ")


def test_help_shows_every_command_once() -> None:
    """A command that is in no section must not get lost."""
    lines = CliRunner().invoke(main, ["--help"]).output.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line.split()]
    assert [1] * len(COMMANDS) == [listed.count(name) for name in COMMANDS]


def test_completion_knows_commands_and_values() -> None:
    """What the documentation promises for bash."""
    said = {
        words: CliRunner()
        .invoke(
            main, [], prog_name="s4fw",
            env={"_S4FW_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)},
        )
        .output.split()
        for words, at in (("s4fw cos", 1), ("s4fw costs --by te", 3))
    }  # fmt: skip
    assert {"s4fw cos": ["plain,costs"], "s4fw costs --by te": ["plain,tenant"]} == said
