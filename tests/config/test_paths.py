"""Where the table goes: the file, our variables, systemd, the session, here."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.config import parse, paths

PLAIN = "upstreams: {openai: {base_url: https://api.openai.com}}\n"


@pytest.mark.parametrize(
    ("env", "runtime", "state"),
    [
        ({"S4FW_RUNTIME_DIR": "/a", "RUNTIME_DIRECTORY": "/b"}, "/a", "/a/state"),
        ({"RUNTIME_DIRECTORY": "/b:/c", "STATE_DIRECTORY": "/s:/t"}, "/b", "/s"),
        ({"XDG_RUNTIME_DIR": "/x", "S4FW_STATE_DIR": "/s"}, "/x/s4fw", "/s"),
        ({}, "{here}/.s4fw", "{here}/.s4fw/state"),
    ],
)
def test_directory_not_written_comes_from_the_environment(
    env: dict[str, str],
    runtime: str,
    state: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Two starts of the same service must find the same table, or spend starts from zero."""
    monkeypatch.setattr(paths, "RUN", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    config = parse(PLAIN, "x", env)
    assert Path(runtime.format(here=tmp_path)) == config.paths.runtime
    assert Path(state.format(here=tmp_path)) == config.paths.state


def test_directory_written_is_relative_to_the_file_and_comes_first() -> None:
    """Whoever starts it from another directory gets the same table."""
    text = PLAIN + "paths: {runtime: ../run, state: /var/s}"
    config = parse(text, "x", {"S4FW_RUNTIME_DIR": "/a"}, Path("/etc/s4fw"))
    assert Path("/etc/s4fw/../run") == config.paths.runtime
    assert Path("/var/s") == config.paths.state


def test_run_directory_is_taken_where_writable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A service without systemd's help, with a directory made for it."""
    monkeypatch.setattr(paths, "RUN", tmp_path)
    assert tmp_path == parse(PLAIN, "x", {"XDG_RUNTIME_DIR": "/x"}).paths.runtime
