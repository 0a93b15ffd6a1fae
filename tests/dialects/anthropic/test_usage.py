"""Anthropic's account in buckets: cached tokens stand beside the input, runs may stand apart."""

import json
from typing import Any

import pytest

from s4fw.core.usage import Usage
from s4fw.dialects.anthropic.usage import usage_of, usage_of_1h
from tests.samples import sample

COUNTS = {"input_tokens": 10, "output_tokens": 5}


def message(**usage: Any) -> dict[str, Any]:
    """A message with this usage beside the two counts that each has."""
    return {"model": "claude-a", "usage": COUNTS | usage}


def test_usage_of_sample_is_what_is_billed() -> None:
    """Every bucket of a real answer, and how it was run."""
    assert Usage(
        uncached_input=12,
        cache_read=1800,
        cache_write_5m=48,
        cache_write_1h=200,
        output=91,
        web_searches=1,
        model="claude-sonnet-4-5-20250929",
        tier="standard",
        geo="global",
    ) == usage_of(json.loads(sample("anthropic_messages/response.json")))


@pytest.mark.parametrize(
    ("usage", "write_5m", "write_1h"),
    [
        ({"cache_creation_input_tokens": 100}, 100, 0),
        ({"cache_creation_input_tokens": 100, "cache_creation": None}, 100, 0),
        (
            {
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_1h_input_tokens": 100},
            },
            0,
            100,
        ),
        (  # outgrown by what tools of the provider brought
            {
                "cache_creation_input_tokens": 100,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 30,
                },
            },
            20 + 50,
            30,
        ),
    ],
)
def test_usage_of_writes_without_a_split_cost_what_was_asked_for(
    usage: dict[str, Any], write_5m: int, write_1h: int
) -> None:
    """Where the split is not told, the request's dearest time counts for the rest."""
    short, long = usage_of(message(**usage)), usage_of_1h(message(**usage))
    assert short is not None
    assert long is not None
    total = write_5m + write_1h
    assert (write_5m, write_1h) == (short.cache_write_5m, short.cache_write_1h)
    assert total == long.cache_write_5m + long.cache_write_1h
    split = usage.get("cache_creation") or {}
    assert split.get("ephemeral_5m_input_tokens", 0) == long.cache_write_5m


def test_usage_of_tells_speed_place_tier_and_thinking() -> None:
    """Speed and place multiply the bill; thinking is inside the output and only shown."""
    usage = usage_of(
        message(
            speed="fast",
            inference_geo="us",
            service_tier="priority",
            output_tokens_details={"thinking_tokens": 4},
        )
    )
    assert usage is not None
    assert ("fast", "us", "priority", 4, 5) == (
        usage.speed,
        usage.geo,
        usage.tier,
        usage.reasoning,
        usage.output,
    )


def test_usage_of_runs_that_the_top_level_leaves_out_are_billed_each_at_its_model() -> None:
    """A compaction is not in the totals; an advisor is another model."""
    iterations = [
        {"type": "compaction", "input_tokens": 900, "output_tokens": 90},
        {"type": "message", **COUNTS, "cache_read_input_tokens": 7},
        {"type": "advisor_message", "model": "claude-b", "input_tokens": 3, "output_tokens": 2},
    ]
    usage = usage_of(
        message(iterations=iterations, speed="fast", server_tool_use={"web_search_requests": 2})
    )
    assert usage is not None
    runs = [usage, *usage.others]
    assert [("claude-a", 10, 7, 5), ("claude-a", 900, 0, 90), ("claude-b", 3, 0, 2)] == [
        (run.model, run.uncached_input, run.cache_read, run.output) for run in runs
    ]
    assert [2, 0, 0] == [run.web_searches for run in runs]
    assert {"fast"} == {run.speed for run in runs}


def test_usage_of_turns_of_the_message_itself_are_in_its_totals() -> None:
    """Turns of tools that the provider runs are listed too: billed once."""
    turn = {"type": "message", "input_tokens": 5, "output_tokens": 2}
    usage = usage_of(message(iterations=[turn, turn]))
    assert usage is not None
    assert (10, 5, ()) == (usage.uncached_input, usage.output, usage.others)


@pytest.mark.parametrize(
    "answer",
    [{}, {"usage": None}, {"usage": {"input_tokens": 0, "output_tokens": 0}}],
)
def test_usage_of_nothing_is_none(answer: dict[str, Any]) -> None:
    """No answer is free: what tells nothing is charged at worst case."""
    assert None is usage_of(answer)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1},
        {"input_tokens": None},
        {"input_tokens": "10"},
        {"input_tokens": 1.5},
        {"input_tokens": True},
        {"input_tokens": 10**10},
        {"output_tokens": None},
        {"cache_read_input_tokens": -5},
        {"cache_creation": 5},
        {"cache_creation": {"ephemeral_1h_input_tokens": -1}},
        {"server_tool_use": {"web_search_requests": "1"}},
        {"iterations": {}},
        {"iterations": [5]},
        {"iterations": [{"type": "compaction"}]},
    ],
)
def test_usage_of_what_is_no_count_is_implausible(usage: dict[str, Any]) -> None:
    """A lie about usage must not become a discount."""
    with pytest.raises(ValueError, match=r"count|usage|iterations"):
        usage_of(message(**usage))
