"""What the simulator counts is never more than what the firewall would reserve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from s4fw.dialects.openai import chat
from s4fw.sim.openai.prompt import CHAT, pieces
from s4fw.sim.prompt import Prompts
from s4fw.tokens import TokenCounter
from tests.sim.bounds import TEXT, THOROUGH, bound_of

CALL = st.builds(
    lambda name, arguments: {
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    TEXT,
    TEXT,
)
IMAGE = st.sampled_from(
    [{"type": "image_url", "image_url": {"url": "data:,", "detail": d}} for d in ("low", "high")]
)
PART = IMAGE | st.builds(lambda text: {"type": "text", "text": text}, TEXT)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
        "content": TEXT | st.none() | st.lists(PART, max_size=3),
    },
    optional={"name": TEXT, "tool_calls": st.lists(CALL, max_size=2)},
)
SCHEMA = st.dictionaries(TEXT, st.fixed_dictionaries({"type": st.just("string")}), max_size=4)
TOOL = st.builds(
    lambda name, description, properties: {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties},
        },
    },
    TEXT,
    TEXT,
    SCHEMA,
)
BODY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-4o", "gpt-4", "gpt-4o-mini"]),
        "messages": st.lists(MESSAGE, min_size=1, max_size=4),
    },
    optional={
        "tools": st.lists(TOOL, min_size=1, max_size=3),
        "response_format": st.builds(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
            SCHEMA,
        ),
    },
)


@given(body=BODY)
@THOROUGH
def test_count_is_within_what_the_firewall_reserves(
    counter: TokenCounter, body: dict[str, Any]
) -> None:
    """Otherwise an honest provider would look like an overrun in every money test."""
    model = str(body["model"])
    bound = bound_of(counter, chat.read, model, body)
    assert Prompts(counter).count(model, CHAT, pieces(body)).tokens <= bound
