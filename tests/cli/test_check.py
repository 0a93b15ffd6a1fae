"""`s4fw check`: the problems, the warnings, and what is in effect."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from s4fw.cli import main

PLAIN = "upstreams: {openai: {base_url: https://api.openai.com, api_key: '${KEY:-sk-hidden}'}}\n"
CAP = "budgets: [{id: a, per: [], window: day, limit_usd: 0.5}]\n"


def check(tmp_path: Path, text: str, *options: str) -> Result:
    path = tmp_path / "s4fw.yaml"
    path.write_text(text)
    return CliRunner().invoke(main, ["check", str(path), *options])


def test_fine_configuration_exits_with_0(tmp_path: Path) -> None:
    """CI runs it before a deployment."""
    result = check(tmp_path, PLAIN + CAP)
    assert 0 == result.exit_code
    assert "fine, 1 enforced and 0 shadow budgets" in result.stdout


def test_problems_are_listed_with_their_lines_and_exit_with_78(tmp_path: Path) -> None:
    """Editors and CI systems read file:line, people read the sentence."""
    result = check(tmp_path, PLAIN + "budgets:\n  - {id: a, per: [], windw: day, limit_usd: 1}\n")
    path = tmp_path / "s4fw.yaml"
    assert 78 == result.exit_code
    assert [
        f"{path}:3: budgets[0].window: is missing",
        f"{path}:3: budgets[0].windw: is not a known key; did you mean window?",
        "2 problems",
    ] == result.stdout.splitlines()


def test_warning_is_no_problem(tmp_path: Path) -> None:
    """Nobody should have to silence one to deploy."""
    result = check(tmp_path, PLAIN)
    assert 0 == result.exit_code
    assert "warning: No enforced budget" in result.stdout


def test_print_shows_yaml_without_secrets(tmp_path: Path) -> None:
    """It is pasted into tickets."""
    result = check(tmp_path, PLAIN, "--print")
    assert 0 == result.exit_code
    assert "api_key: '********'" in result.stdout
    assert "sk-hidden" not in result.output
    assert "warning" in result.stderr
    assert "warning" not in result.stdout


def test_missing_file_exits_with_78(tmp_path: Path) -> None:
    """The same code as for a bad file: the service manager must not restart for ever."""
    result = CliRunner().invoke(main, ["check", str(tmp_path / "none.yaml")])
    assert 78 == result.exit_code
    assert "cannot be read: No such file" in result.stdout


def test_file_not_named_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers name it once."""
    path = tmp_path / "other.yaml"
    path.write_text(PLAIN + CAP)
    monkeypatch.setenv("S4FW_CONFIG", str(path))
    assert f"{path}: fine" in CliRunner().invoke(main, ["check"]).stdout


def test_terminal_gets_colours(tmp_path: Path) -> None:
    """And only a terminal: the other tests here see none."""
    path = tmp_path / "s4fw.yaml"
    path.write_text("a: 1")
    assert "\x1b[31m" in CliRunner().invoke(main, ["check", str(path)], color=True).stdout


def test_state_that_a_reboot_takes_along_is_a_warning(tmp_path: Path) -> None:
    """Both directories lost is every budget anew, and nothing else would ever say so."""
    paths = "paths: {runtime: run, state: %s}\n"
    result = check(tmp_path, PLAIN + CAP + paths % "run/state")
    assert 0 == result.exit_code
    assert "warning: The state directory" in result.stdout
    assert "lies in the runtime directory" in check(tmp_path, PLAIN + CAP + paths % "run").stdout
    assert "warning" not in check(tmp_path, PLAIN + CAP + paths % "/nowhere/state").stdout
