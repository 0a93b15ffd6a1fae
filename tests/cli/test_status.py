"""`s4fw status`, and what all commands that ask a firewall have in common."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner
from rich.console import Console

from s4fw.admin import shapes
from s4fw.cli import main
from s4fw.cli.status import render
from tests.admin.scripted import (
    TOKEN,
    ScriptedFacts,
    counters,
    listening,
    worker,
)
from tests.cli.looking import fields, on_terminal, run, run_json

ASKING = ("status", "costs", "budgets", "events", "freeze")


def test_status_ready_exits_0_and_shows_workers_with_totals() -> None:
    """The first command an operator types."""
    busy = worker(1, counters=counters(requests=1_234_567, allowed=1_234_000, in_flight=40))
    with listening(ScriptedFacts(worker_rows=[worker(0), busy])) as server:
        result = run(server, "status")
    assert 0 == result.exit_code
    rows = fields(result.output)
    assert [f"S4 Firewall 0.1.0 at {server.url}: ready"] == rows[0]
    assert ["table", "12 of 16,384 cells in use"] in rows
    assert ["frozen", "nothing"] in rows
    assert ["all", "1,235,767", "42", "0", "1,235,100", "90", "0"] == rows[-1]


def test_status_names_what_is_no_worker() -> None:
    """The steward holds a slot too; without a word it would look like an idle worker."""
    rows = [worker(0), worker(2, kind="steward"), worker(3, kind="steward", state="dead")]
    with listening(ScriptedFacts(worker_rows=rows)) as server:
        lines = fields(run(server, "status").output)
    assert ["ready", "steward", "dead"] == [row[2] for row in lines[-4:-1]]


@pytest.mark.parametrize(
    ("facts", "said"),
    [(ScriptedFacts(ready=False), "not ready"), (ScriptedFacts(draining=True, ready=False),
     "draining")],
)  # fmt: skip
def test_status_not_ready_exits_1(facts: ScriptedFacts, said: str) -> None:
    """`s4fw status && deploy` must stop there."""
    with listening(facts) as server:
        result = run(server, "status")
    assert 1 == result.exit_code
    assert result.output.splitlines()[0].endswith(f": {said}")


def test_status_json_has_everything_asked() -> None:
    """One document for a script."""
    with listening() as server:
        document = run_json(server, "status")
    assert {"status", "workers", "frozen"} == document.keys()
    assert 2 == len(document["workers"])


@pytest.mark.parametrize("width", [80, 120])
def test_status_fits_the_terminal_and_cuts_no_number(width: int) -> None:
    """A cut number is a wrong number."""
    large = counters(requests=987_654_321, allowed=987_654_321, in_flight=4096)
    rows = [shapes.worker(worker(0, pid=4_194_303, counters=large))]
    facts = ScriptedFacts()

    def show(console: Console) -> None:
        frozen = {"everything": True, "budgets": []}
        now = "2026-11-22T13:00:00Z"
        render(console, "http://127.0.0.1:9090", facts.status(), rows, frozen, now)

    text = "\n".join(on_terminal(width, show))
    for expected in ("987,654,321", "4194303", "4,096", "1 d 1 h ago", "everything"):
        assert expected in text


@pytest.mark.parametrize("command", ASKING)
def test_command_nobody_answers_exits_1_with_one_line(command: str) -> None:
    """The line tells what to check; a traceback tells nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = CliRunner().invoke(main, [command, "--admin", url])
    assert 1 == result.exit_code
    assert "" == result.stdout
    expected = (
        f"Error: no firewall answers at {url}: connection refused."
        " Is it running (s4fw serve), and is the address right (--admin, -c)?\n"
    )
    assert expected == result.stderr


@pytest.mark.parametrize("command", ASKING)
@pytest.mark.parametrize("token", [None, "wrong-token-of-somebody"])
def test_command_without_the_right_token_exits_1_and_says_how(
    command: str, token: str | None
) -> None:
    """A missing token is the second most common case."""
    with listening(token=TOKEN) as server:
        result = run(server, command, token=token)
    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert "set S4FW_ADMIN_TOKEN" in result.stderr
    assert "somebody" not in result.output


@pytest.mark.parametrize("command", ASKING)
def test_command_with_an_unknown_option_exits_2(command: str) -> None:
    """Usage errors are their own code."""
    assert 2 == CliRunner().invoke(main, [command, "--no-such-option"]).exit_code


@pytest.mark.parametrize("command", ["status", "costs", "budgets", "events"])
def test_pipe_gets_no_colour_no_box_and_no_trailing_blanks(command: str) -> None:
    """grep, sort and diff work on what comes out."""
    with listening() as server:
        result = run(server, command)
    assert result.output.isascii()
    assert "\x1b" not in result.output
    assert not [line for line in result.output.splitlines() if line != line.rstrip()]
