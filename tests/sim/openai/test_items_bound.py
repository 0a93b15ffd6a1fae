"""What the simulator counts of a responses prompt is never more than the firewall would reserve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from s4fw.dialects.openai import responses
from s4fw.sim.openai.items import RESPONSES, input_items, pieces
from s4fw.sim.prompt import Prompts
from s4fw.tokens import TokenCounter
from tests.sim.bounds import NAME, SCHEMA, TEXT, THOROUGH, bound_of

PART = st.builds(lambda text: {"type": "input_text", "text": text}, TEXT) | st.just(
    {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "developer"]),
        "content": TEXT | st.lists(PART, max_size=3),
    }
)
CALL = st.builds(
    lambda name, arguments: {
        "type": "function_call",
        "call_id": "c",
        "name": name,
        "arguments": arguments,
    },
    NAME,
    TEXT,
)
RESULT = st.builds(
    lambda output: {"type": "function_call_output", "call_id": "c", "output": output}, TEXT
)
TOOL = st.builds(
    lambda name, description, schema: {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": schema,
    },
    NAME,
    TEXT,
    SCHEMA,
)
BODY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-4o", "gpt-4.1"]),
        "input": TEXT | st.lists(MESSAGE | CALL | RESULT, min_size=1, max_size=4),
    },
    optional={"tools": st.lists(TOOL, min_size=1, max_size=3), "instructions": TEXT},
)


@given(body=BODY)
@THOROUGH
def test_count_is_within_what_the_firewall_reserves(
    counter: TokenCounter, body: dict[str, Any]
) -> None:
    """Otherwise an honest provider would look like an overrun in every money test."""
    model = str(body["model"])
    bound = bound_of(counter, responses.read, model, body)
    found = pieces(body, input_items(body))
    assert Prompts(counter).count(model, RESPONSES, found).tokens <= bound
