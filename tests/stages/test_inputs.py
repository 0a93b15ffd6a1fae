"""How inputs without a public tokenizer are bounded: through the real stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.playbook import Play

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10"}]
ENGLISH = "The quick brown fox jumps over the lazy dog. " * 100  # 4,500 bytes, 1,001 tokens
FLAT = 764


def asked(play: Play, text: str = ENGLISH, **fields: Any) -> Any:
    """One request with this text."""
    return play.ask(messages=[{"role": "user", "content": text}], max_tokens=1, **fields)


def settle(play: Play, x: Any, tokens: int) -> None:
    """The provider counted so many."""
    usage = b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":1}}' % tokens
    play.answer(x, usage)
    play.end(x)


def test_calibrated_holds_less_than_bytes_and_never_more(tmp_path: Path) -> None:
    """The smaller of the two bounds."""
    strict_folder, calibrated_folder = tmp_path / "a", tmp_path / "b"
    strict_folder.mkdir()
    calibrated_folder.mkdir()
    with (
        Play(strict_folder, ALL) as strict,
        Play(calibrated_folder, ALL, pricing=calibrated()) as play,
    ):
        assert 4500 + FLAT < asked(strict).quote_tokens_in
        assert 1000 * 15 // 10 + FLAT < asked(play).quote_tokens_in < 2400
        base64 = "0bQx9/Zk+7" * 300
        assert asked(strict, base64).quote_tokens_in == asked(play, base64).quote_tokens_in


def test_model_with_a_public_tokenizer_is_counted_in_every_mode(tmp_path: Path) -> None:
    """There is nothing to guess."""
    with Play(tmp_path, ALL, pricing=calibrated()) as play:
        x = asked(play, model="gpt-4o")
        assert (None, True) == (x.estimate, x.quote_tokens_in < 1100)


def test_overshoot_is_counted_charged_and_raises_the_next_hold(tmp_path: Path) -> None:
    """The bound was passed once; the next request of that kind is held."""
    with Play(tmp_path, ALL, pricing=calibrated()) as play:
        first = asked(play)
        settle(play, first, 3500)
        assert (1, 1) == (play.count("input_overshoots"), play.count("overruns"))
        assert 3500 * 1_000 + 2_000 == play.spent("all")
        second = asked(play)
        assert second.quote_tokens_in > 3500
        settle(play, second, 3500)
        assert 1 == play.count("input_overshoots")


def test_answer_within_its_bound_changes_nothing(tmp_path: Path) -> None:
    """One call is no window."""
    with Play(tmp_path, ALL, pricing=calibrated()) as play:
        first = asked(play)
        settle(play, first, 1100)
        assert first.quote_tokens_in == asked(play).quote_tokens_in
        assert 0 == play.count("input_overshoots")


@pytest.mark.parametrize(
    ("more", "is_lowered"), [({}, True), ({"opaque_file_token_bound": 9}, False)]
)
def test_many_small_answers_lower_the_hold_but_not_where_files_may_be_named(
    tmp_path: Path, more: dict[str, Any], is_lowered: bool
) -> None:
    """What a file comes to, of what an operator vouches for, says nothing of how texts are counted:
    a factor below 1 would hold less than the operator vouches for."""
    with Play(tmp_path, ALL, pricing=calibrated() | more) as play:
        first = asked(play)
        for _ in range(1_000):
            settle(play, asked(play), 10)
        assert is_lowered == (asked(play).quote_tokens_in < first.quote_tokens_in)


@pytest.mark.parametrize("fields", [{"n": 2}])
def test_request_of_several_runs_teaches_nothing(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Its usage is not that of one reading of the input."""
    with Play(tmp_path, ALL, pricing=calibrated()) as play:
        first = asked(play, **fields)
        settle(play, first, 9000)
        assert first.quote_tokens_in == asked(play, **fields).quote_tokens_in


def calibrated() -> dict[str, Any]:
    """The pricing section."""
    mock = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "max_output_tokens": 4096}
    return {"counting": "calibrated", "overrides": {"mock-small": mock}}
