"""`s4fw freeze`: the emergency brake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.scripted import TOKEN, Listening, listening
from tests.cli.looking import run, run_json


@pytest.fixture
def locked() -> Iterator[Listening]:
    with listening(token=TOKEN) as server:
        yield server


def test_freeze_everything_and_release(locked: Listening) -> None:
    """Without a scope it means everything: the hand is on the brake."""
    assert "frozen: everything\n" == run(locked, "freeze", token=TOKEN).output
    assert "frozen: everything\n" == run(locked, "freeze", "--show", token=TOKEN).output
    assert "nothing is frozen\n" == run(locked, "freeze", "--release", token=TOKEN).output
    assert set() == locked.facts.frozen_scopes


def test_freeze_one_budget_leaves_the_rest(locked: Listening) -> None:
    """One tenant misbehaves; the others work."""
    arguments = ("freeze", "--budget", "tenant-day")
    assert "frozen: tenant-day\n" == run(locked, *arguments, token=TOKEN).output
    assert {"tenant-day"} == locked.facts.frozen_scopes
    frozen = run_json(locked, *arguments, "--release", token=TOKEN)
    assert {"everything": False, "budgets": []} == frozen


def test_freeze_unknown_budget_exits_1(locked: Listening) -> None:
    """A typing error must not look like safety."""
    result = run(locked, "freeze", "--budget", "tenant-dya", token=TOKEN)
    assert (1, "Error: no budget of that id is configured\n") == (result.exit_code, result.stderr)


def test_freeze_without_a_configured_token_says_what_to_set() -> None:
    """On loopback without a token changes are refused."""
    with listening() as server:
        result = run(server, "freeze")
    assert (1, "Error: set admin.token to allow changes\n") == (result.exit_code, result.stderr)


def test_freeze_show_with_a_change_exits_2(locked: Listening) -> None:
    """A question that also acts is no question."""
    assert 2 == run(locked, "freeze", "--show", "--release", token=TOKEN).exit_code
    assert set() == locked.facts.frozen_scopes
