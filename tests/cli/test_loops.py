"""`s4fw loops`: what was found, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s4fw.cli.loops import render
from s4fw.loops.tenants import Tally
from tests.admin.scripted import TOKEN, USD, Listening, listening
from tests.cli.looking import fields, on_terminal, run, run_json

SESSION = "00ab" * 4
ROW = Tally(
    "acme", "repeat", warned=30, would_block=120, blocked=0, wasted_nusd=2 * USD, proved=11,
    disproved=1, uncertain=0, episodes=12, saved_nusd=9 * USD, turns=48,
)  # fmt: skip


@pytest.fixture
def locked() -> Iterator[Listening]:
    with listening(token=TOKEN) as server:
        server.facts.loop_rows.append(ROW)
        server.facts.looping.add(SESSION)
        yield server


def test_report_tells_each_rule_with_its_bound(locked: Listening) -> None:
    """1 wrong of 12 may be a third."""
    document = run_json(locked, "loops", "report", token=TOKEN)
    (row,) = document["rules"]
    assert ("acme", "repeat", "shadow", 12, 9 * USD) == (
        row["tenant"], row["rule"], row["mode"], row["episodes"], row["saved_nusd"],
    )  # fmt: skip
    assert 0.35388 == row["false_share_max"]
    assert {"acme": 1200} == document["sessions"]


def test_report_for_people_has_a_row_for_each_rule(locked: Listening) -> None:
    """Loops per thousand sessions, their length, what they cost and what could be saved."""
    head, row, *_ = fields(run(locked, "loops", "report", token=TOKEN).output)
    assert "Tenant" == head[0]
    assert [
        "acme", "repeat", "shadow", "30", "12", "10.0", "120", "0", "4.0", "$2.00", "$9.00",
        "11", "1", "35.39%",
    ] == row  # fmt: skip


def test_report_fits_a_narrow_terminal(locked: Listening) -> None:
    """On 100 columns, too."""
    document = run_json(locked, "loops", "report", token=TOKEN)
    lines = on_terminal(100, lambda console: render(console, document))
    assert any("repeat" in line and "35.39%" in line for line in lines)


def test_report_of_nothing_says_so() -> None:
    """Nothing found is an answer."""
    with listening() as server:
        assert "no rule found anything" in run(server, "loops", "report").output


def test_release_lets_a_session_go_on(locked: Listening) -> None:
    """The name is the one that the refusal tells."""
    output = run(locked, "loops", "release", SESSION, token=TOKEN).output
    assert f"released: {SESSION}\n" == output
    assert set() == locked.facts.looping


def test_release_of_an_unknown_session_exits_1(locked: Listening) -> None:
    """It may have been forgotten, or mistyped."""
    result = run(locked, "loops", "release", "f" * 16, token=TOKEN)
    assert (1, "Error: no session of that name is remembered\n") == (
        result.exit_code, result.stderr,
    )  # fmt: skip
    assert 2 == run(locked, "loops", "release", "nonsense", token=TOKEN).exit_code


@pytest.mark.parametrize(
    "body", [b"{}", b'{"session": 1}', b'{"session": "xyz"}', b'{"session": null}']
)
def test_release_takes_one_session_and_nothing_else(locked: Listening, body: bytes) -> None:
    """A change is never guessed."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    status, _, answer = locked.ask("POST", "/v1/loops/release", body, headers)
    assert 400 == status
    assert b"invalid_session" in answer
    assert {SESSION} == locked.facts.looping


def test_release_without_the_token_is_refused(locked: Listening) -> None:
    """It lets money be spent."""
    result = run(locked, "loops", "release", SESSION)
    assert 1 == result.exit_code
    assert {SESSION} == locked.facts.looping
