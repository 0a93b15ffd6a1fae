"""How commands find the firewall, and what they say when they do not."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from s4fw.cli.reach import reach

TOKEN = "correct-horse-battery-staple"


def config(folder: Path, text: str) -> Path:
    path = folder / "s4fw.yaml"
    path.write_text(text)
    return path


def found(path: Path | None, env: dict[str, str] | None = None, url: str | None = None) -> str:
    return repr(reach(url, path, env or {}))


def test_reach_configuration_names_address_and_token(tmp_path: Path) -> None:
    """The usual way: nothing on the command line."""
    path = config(tmp_path, f"admin: {{port: 9191, token: {TOKEN}}}\n")
    assert "<AdminClient http://127.0.0.1:9191 with token>" == found(path)


def test_reach_takes_the_token_that_this_user_may_read(tmp_path: Path) -> None:
    """Who may only look has a file of their own; the other one is not theirs to open."""
    (tmp_path / "look").write_text(f"{TOKEN}\n")
    tokens = "token: {file: none-of-yours}, read_token: {file: look}"
    path = config(tmp_path, f"admin: {{port: 9191, {tokens}}}\n")
    assert "<AdminClient http://127.0.0.1:9191 with token>" == found(path)


def test_reach_without_anything_takes_the_default_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the machine of the firewall a bare command works."""
    monkeypatch.chdir(tmp_path)
    assert "<AdminClient http://127.0.0.1:9090>" == found(None)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:9191"),
        ('"::"', "http://[::1]:9191"),
        ("10.1.2.3", "http://10.1.2.3:9191"),
    ],
)
def test_reach_listener_on_every_address_is_asked_on_this_machine(
    tmp_path: Path, host: str, url: str
) -> None:
    """0.0.0.0 is an address to bind, not one to connect to."""
    path = config(tmp_path, f"admin: {{host: {host}, port: 9191, token: {TOKEN}}}\n")
    assert f"<AdminClient {url} with token>" == found(path)


def test_reach_url_wins_and_never_gets_the_configured_token(tmp_path: Path) -> None:
    """A token is sent where its configuration says, not to whatever address is typed."""
    path = config(tmp_path, f"admin: {{port: 9191, token: {TOKEN}}}\n")
    assert "<AdminClient http://10.0.0.9:1>" == found(path, url="http://10.0.0.9:1")
    env = {"S4FW_ADMIN_URL": "http://10.0.0.8:1"}
    assert "<AdminClient http://10.0.0.8:1>" == found(path, env)
    assert "<AdminClient http://10.0.0.9:1>" == found(path, env, "http://10.0.0.9:1")
    env["S4FW_ADMIN_TOKEN"] = TOKEN
    assert "<AdminClient http://10.0.0.8:1 with token>" == found(path, env)


def test_reach_configuration_needs_no_provider_keys(tmp_path: Path) -> None:
    """An operator's shell has none; the rest of the file is not this command's business."""
    text = (
        "upstreams: {openai: {base_url: x, api_key: '${OPENAI_API_KEY}'}}\n"
        "budgets: nonsense\nadmin: {port: 9191, token: '${NOT_SET_HERE}'}\n"
    )
    assert "<AdminClient http://127.0.0.1:9191>" == found(config(tmp_path, text))


def test_reach_token_file_of_another_user_is_left_to_the_answer(tmp_path: Path) -> None:
    """Reading may be open all the same; if not, the listener says what it wants."""
    path = config(tmp_path, "admin: {port: 9191, token: {file: missing}}\n")
    assert "<AdminClient http://127.0.0.1:9191>" == found(path)
    (tmp_path / "missing").write_text(TOKEN)
    assert "<AdminClient http://127.0.0.1:9191 with token>" == found(path)


def test_reach_port_zero_reads_what_the_master_wrote(tmp_path: Path) -> None:
    """Tests and demos let the kernel choose."""
    path = config(tmp_path, "admin: {port: 0}\npaths: {runtime: run}\n")
    with pytest.raises(click.ClickException, match="no firewall runs"):
        found(path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ports.json").write_text(json.dumps({"data": 1, "admin": 4711}))
    assert "<AdminClient http://127.0.0.1:4711>" == found(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("admin: {port: ninety}", "not valid at port"),
        ("admin: {prot: 1}", "not valid at prot"),
    ],
)
def test_reach_invalid_section_is_a_usage_error(tmp_path: Path, text: str, said: str) -> None:
    """Guessing another address could show another firewall's figures."""
    with pytest.raises(click.UsageError, match=said):
        found(config(tmp_path, text))


@pytest.mark.parametrize("text", ["admin: {port: 9191\n", "- a\n", "text\n"])
def test_reach_file_that_is_no_configuration_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """`freeze` must not fall back to whatever firewall listens on the default port."""
    with pytest.raises(click.UsageError, match="is no configuration: see `s4fw check`"):
        found(config(tmp_path, text))


def test_reach_missing_file_that_was_named_is_a_usage_error(tmp_path: Path) -> None:
    """Only the default file may be missing."""
    with pytest.raises(click.UsageError, match="cannot read"):
        found(tmp_path / "nothing.yaml")


def test_reach_url_that_is_none_is_a_usage_error() -> None:
    """With the option's name, since an environment variable may be the culprit."""
    with pytest.raises(click.UsageError, match="--admin must look like"):
        found(None, url="localhost:9090")
    with pytest.raises(click.UsageError, match="S4FW_ADMIN_URL must look like"):
        found(None, {"S4FW_ADMIN_URL": "localhost:9090"})
