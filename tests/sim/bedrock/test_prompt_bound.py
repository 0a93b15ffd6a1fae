"""What the simulator counts of a converse prompt is never more than the firewall would reserve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from s4fw.dialects.bedrock import converse
from s4fw.sim.bedrock.prompt import CONVERSE, pieces
from s4fw.sim.prompt import Prompts
from s4fw.tokens import TokenCounter
from tests.sim.bounds import NAME, SCHEMA, TEXT, THOROUGH, bound_of

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TEXT_BLOCK = st.builds(lambda text: {"text": text}, TEXT)
POINT = st.sampled_from([{"cachePoint": {"type": "default", "ttl": t}} for t in ("5m", "1h")])
IMAGE = st.just({"image": {"format": "png", "source": {"bytes": "AAAA"}}})
USE = st.builds(
    lambda name, value: {"toolUse": {"toolUseId": "t", "name": name, "input": {"a": value}}},
    NAME,
    TEXT,
)
RESULT = st.builds(
    lambda content, value: {
        "toolResult": {"toolUseId": "t", "content": [*content, {"json": {"a": value}}]}
    },
    st.lists(TEXT_BLOCK, max_size=2),
    TEXT,
)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "content": st.lists(TEXT_BLOCK | POINT | IMAGE | USE | RESULT, min_size=1, max_size=4),
    }
)
TOOL = st.builds(
    lambda name, description, schema: {
        "toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}
    },
    NAME,
    TEXT,
    SCHEMA,
)
BODY = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4)},
    optional={
        "toolConfig": st.builds(lambda t: {"tools": t}, st.lists(TOOL, min_size=1, max_size=3)),
        "system": st.lists(TEXT_BLOCK | POINT, max_size=2),
    },
)


@given(body=BODY)
@THOROUGH
def test_count_is_within_what_the_firewall_reserves(
    counter: TokenCounter, body: dict[str, Any]
) -> None:
    """Otherwise an honest provider would look like an overrun in every money test."""
    bound = bound_of(counter, converse.read, MODEL, body)
    assert Prompts(counter).count(MODEL, CONVERSE, pieces(body)).tokens <= bound
