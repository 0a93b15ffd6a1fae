"""Bodies of a wrong shape get the provider's 400, not a failure of the simulator."""

from typing import Any

import pytest

from tests.harness import Simulator, fetch

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "model": "claude-haiku-4-5", "max_tokens": 5}
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "chat": ("/v1/chat/completions", {"model": "mock-small", "max_tokens": 5}, {}),
    "messages": ("/v1/messages", CLAUDE, {"anthropic-version": "2023-06-01"}),
    "invoke": (f"/model/{HAIKU}/invoke", CLAUDE, {}),
    "converse": (f"/model/{HAIKU}/converse", {}, {}),
    "nova": ("/model/amazon.nova-lite-v1:0/invoke", {}, {}),
}


def status(simulator: Simulator, shape: str, content: Any, **members: Any) -> int:
    """What one message with this content is answered."""
    path, body, headers = CALLS[shape]
    messages = [{"role": "user", "content": content}]
    return fetch(
        simulator.url + path, "POST", {**body, "messages": messages, **members}, headers
    ).status


@pytest.mark.parametrize("shape", CALLS)
@pytest.mark.parametrize(
    "content", [5, {"a": 1}, ["hi"], [1, 2, 3], [[1, 2]], [None], [{"text": "hi"}, "hi"]]
)
def test_content_that_is_no_list_of_objects_is_refused(
    simulator: Simulator, shape: str, content: Any
) -> None:
    """An attempt that only breaks the simulator would prove nothing about money."""
    assert 400 == status(simulator, shape, content)
    assert 0 == simulator.ledger()["billed"]


@pytest.mark.parametrize(
    ("shape", "content", "members"),
    [
        ("chat", "hi", {"stream_options": "yes"}),
        ("messages", "hi", {"tool_choice": "required"}),
        ("messages", "hi", {"tools": ["a"]}),
        ("messages", "hi", {"system": [1]}),
        ("messages", [{"type": "image", "source": "a"}], {}),
        ("messages", [{"type": "tool_result", "tool_use_id": "t", "content": [1]}], {}),
        ("converse", [{"text": "hi"}], {"system": ["hi"]}),
        ("converse", [{"text": "hi"}], {"inferenceConfig": []}),
        ("converse", [{"text": "hi"}], {"toolConfig": {"tools": ["a"]}}),
        ("converse", [{"text": ["hi"]}], {}),
        ("converse", [{"cachePoint": 1}], {}),
        ("converse", [{"toolResult": {"toolUseId": "t", "content": ["hi"]}}], {}),
        ("nova", [{"text": "hi"}], {"system": "hi"}),
        ("nova", [{"text": [""]}], {}),
    ],
)
def test_member_of_a_wrong_shape_is_refused(
    simulator: Simulator, shape: str, content: Any, members: dict[str, Any]
) -> None:
    """The same for what stands beside the content."""
    assert 400 == status(simulator, shape, content, **members)


@pytest.mark.parametrize("shape", ["chat", "messages", "invoke"])
def test_content_that_is_a_text_or_missing_passes(simulator: Simulator, shape: str) -> None:
    """Only what is wrong is refused."""
    assert 200 == status(simulator, shape, "hi")
    assert 200 == status(simulator, shape, None)
