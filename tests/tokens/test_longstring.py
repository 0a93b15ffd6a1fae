"""Long JSON strings decoded in steps read as they do in one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.tokens import longstring
from s4fw.tokens.longstring import StandIns, decoded


def test_chunks_are_cut_inside_no_escape_and_no_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because half an escape is no JSON, and half a surrogate pair is no character."""
    monkeypatch.setattr(longstring, "CHUNK", 16)

    @settings(max_examples=500, deadline=None, derandomize=True, database=None)
    @given(
        st.lists(
            st.tuples(
                st.text(st.sampled_from([*'a\\"\n/é漢😀\u0000ud9'])) | st.text(), st.booleans()
            )
        )
    )
    def check(parts: list[tuple[str, bool]]) -> None:
        inside = "".join(json.dumps(text, ensure_ascii=wide)[1:-1] for text, wide in parts)
        body = b'["' + inside.encode() + b'"]'

        chunks = list(decoded(body, 2, len(body) - 2))

        assert "".join(text for text, _ in parts) == "".join(chunks)
        assert len(inside.encode()) // 16 <= len(chunks)

    check()


@pytest.mark.parametrize("text", ["\\" * 200_000, "😀" * 50_000, "x" * 300_000, "\n" * 100_000])
@pytest.mark.parametrize("is_wide", [False, True])
def test_chunks_of_monotone_strings_are_whole(text: str, is_wide: bool) -> None:
    """Because runs of backslashes and of pairs look alike from the middle."""
    body = bytearray(json.dumps(text, ensure_ascii=is_wide), "utf-8")

    chunks = list(decoded(body, 1, len(body) - 1))

    assert text == "".join(chunks)
    assert len(chunks) >= (len(body) - 2) // longstring.CHUNK


def test_stand_ins_replace_long_strings_and_nothing_else() -> None:
    """Because the measure must see the value as it is but for them."""
    body = b'[{"a": "first", "b": ["second", 3]}]'
    stand_ins = StandIns(body, [(7, 14), (22, 30)])

    value = json.loads(stand_ins.abridged(1, len(body) - 1))

    assert ["a", "b"] == list(value)
    assert 3 == value["b"][1]
    found = [stand_ins.chunks(text) for text in (value["a"], value["b"][0], "first")]
    assert ["first"] == list(found[0] or ())
    assert ["second"] == list(found[1] or ())
    assert found[2] is None


def test_stand_in_inside_another_text_is_noticed() -> None:
    """Because then its tokens cannot be told apart, and the value must be decoded whole."""
    stand_ins = StandIns(b'["text"]', [(1, 7)])
    mark = json.loads(stand_ins.abridged(1, 7))

    assert not stand_ins.are_lost([mark, "other"])
    assert stand_ins.are_lost(["other", f'{{"description":"{mark}"}}'])
