"""Counting prompts, and the prompt cache."""

from typing import Any

import pytest

from s4fw.sim.openai.prompt import CHAT, pieces
from s4fw.sim.prompt import Counted, Prompts
from s4fw.tokens import TokenCounter


@pytest.fixture
def prompts(counter: TokenCounter) -> Prompts:
    return Prompts(counter)


def _count(prompts: Prompts, model: str, body: dict[str, Any]) -> Counted:
    return prompts.count(model, CHAT, pieces(body))


def _prompt(*texts: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts], **more}


def test_count_one_message_is_its_texts_and_framing(prompts: Prompts) -> None:
    """3 for the message, 1 for its role, 1 for its content, 3 for the reply's opening."""
    assert Counted(8, 0, 0) == _count(prompts, "gpt-4o", _prompt("hello"))


def test_count_again_is_the_same(prompts: Prompts) -> None:
    """What is remembered is what was counted."""
    body = _prompt("one two three", "four")
    assert _count(prompts, "gpt-4o", body).tokens == _count(prompts, "gpt-4o", body).tokens


def test_count_a_prompt_seen_before_is_cached_in_steps_of_128(prompts: Prompts) -> None:
    """1,500 words are found again as 1,408 = 11 x 128 tokens."""
    body = _prompt(" word" * 1500)
    assert _count(prompts, "gpt-4o", body).cached == 0
    assert Counted(1507, 1408, 0) == _count(prompts, "gpt-4o", body)


def test_count_a_transcript_that_grew_finds_its_old_part(prompts: Prompts) -> None:
    """An agent's next turn pays the full rate only for what is new."""
    _count(prompts, "gpt-4o", _prompt(" word" * 1100))
    grown = _count(prompts, "gpt-4o", _prompt(" word" * 1100, " more" * 1100))
    assert (grown.cached, grown.written) == (1024, 2176 - 1024)


def test_count_another_beginning_or_model_finds_nothing(prompts: Prompts) -> None:
    """A cache works on prefixes, for one model."""
    _count(prompts, "gpt-4o", _prompt(" word" * 2000))
    assert _count(prompts, "gpt-4o", _prompt("x", " word" * 2000)).cached == 0
    assert _count(prompts, "gpt-4o-mini", _prompt(" word" * 2000)).cached == 0
    prompts.forget()
    assert _count(prompts, "gpt-4o", _prompt(" word" * 2000)).cached == 0


def test_count_a_short_prompt_is_never_cached(prompts: Prompts) -> None:
    """Below 1,024 tokens nothing is cached."""
    body = _prompt(" word" * 900)
    _count(prompts, "gpt-4o", body)
    assert _count(prompts, "gpt-4o", body).cached == 0


def test_count_parts_that_are_no_plain_text_count_too(prompts: Prompts) -> None:
    """Tools, schemas, names, tool calls, images and parts are billed input."""
    plain = _count(prompts, "gpt-4o", _prompt("hello")).tokens
    message: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    image = {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}
    call = {"function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
    assert plain == _count(prompts, "gpt-4o", {"messages": [message]}).tokens
    for richer in (
        {"messages": [{**message, "name": "ann"}]},
        {"messages": [{**message, "tool_calls": [call]}]},
        {"messages": [message], "tools": [tool]},
        {"messages": [message], "response_format": schema},
    ):
        assert plain < _count(prompts, "gpt-4o", richer).tokens
    shown = {"messages": [{"role": "user", "content": [*message["content"], image]}]}
    assert plain + 85 == _count(prompts, "gpt-4o", shown).tokens
