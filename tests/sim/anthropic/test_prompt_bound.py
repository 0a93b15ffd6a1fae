"""What the simulator counts of a messages prompt is never more than the firewall would reserve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from s4fw.dialects.anthropic import messages
from s4fw.sim.anthropic.prompt import MESSAGES, pieces
from s4fw.sim.prompt import Prompts
from s4fw.tokens import TokenCounter
from tests.sim.bounds import NAME, SCHEMA, TEXT, THOROUGH, bound_of

MODEL = "claude-opus-5"
MARK = st.sampled_from([{}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])
TEXT_BLOCK = st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, TEXT, MARK)
IMAGE = st.just(
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
)
USE = st.builds(
    lambda name, value: {"type": "tool_use", "id": "t", "name": name, "input": {"a": value}},
    NAME,
    TEXT,
)
RESULT = st.builds(
    lambda content: {"type": "tool_result", "tool_use_id": "t", "content": content},
    TEXT | st.lists(TEXT_BLOCK, max_size=2),
)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "content": TEXT | st.lists(TEXT_BLOCK | IMAGE | USE | RESULT, max_size=4),
    }
)
TOOL = st.fixed_dictionaries({"name": NAME, "description": TEXT, "input_schema": SCHEMA})
BODY = st.fixed_dictionaries(
    {
        "model": st.just(MODEL),
        "max_tokens": st.just(9),
        "messages": st.lists(MESSAGE, min_size=1, max_size=4),
    },
    optional={
        "tools": st.lists(TOOL, min_size=1, max_size=3),
        "system": TEXT | st.lists(TEXT_BLOCK, max_size=2),
    },
)


@given(body=BODY)
@THOROUGH
def test_count_is_within_what_the_firewall_reserves(
    counter: TokenCounter, body: dict[str, Any]
) -> None:
    """Otherwise an honest provider would look like an overrun in every money test."""
    bound = bound_of(counter, messages.read, MODEL, body)
    counted = Prompts(counter).count(MODEL, MESSAGES, pieces(body))
    assert counted.tokens <= bound
    assert Prompts(counter).tokens(MODEL, MESSAGES, pieces(body)) == counted.tokens
