"""The endpoints as the pipeline sees them: bounds lowered, models renamed, streams ended."""

import json
from typing import Any

import orjson
import pytest

from s4fw.core.exchange import Exchange
from s4fw.dialects.openai import measure
from s4fw.dialects.openai.responsemeter import ResponseMeter
from s4fw.errors import UPSTREAM_CUT, Refusal
from tests.dialects.reading import exchange, forwarded, measured

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"model": "davinci-002", "prompt": "hi"},
    "/v1/responses": {"model": "gpt-5.5", "input": "hi"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi"},
}
FIRST_BOUND = {
    "/v1/chat/completions": "max_completion_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
}


def read(path: str, **more: Any) -> Exchange:
    """An exchange of a path, whose body says more than it must."""
    return exchange(path, BODIES[path] | more)


@pytest.mark.parametrize("path", FIRST_BOUND)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("given", [{}, {"bound": None}, {"bound": 0}, {"bound": 900}])
def test_lower_output_of_a_larger_bound_or_none_asks_for_the_lower(
    path: str, stream: bool, given: dict[str, Any]
) -> None:
    """A clamp must be what the upstream reads, and what was held; nothing else may change."""
    name = FIRST_BOUND[path]
    x = read(path, stream=stream, **({name: given["bound"]} if given else {}))
    assert x.route.dialect.lower_output(x, 100)
    assert 100 == x.request.output_tokens_max
    assert 100 == forwarded(x.request).pop(name)
    assert x.route.dialect.lower_output(x, 50)
    assert x.route.dialect.lower_output(x, 70)
    sent = forwarded(x.request)
    assert (50, 50) == (sent.pop(name), x.request.output_tokens_max)
    assert stream == sent.pop("stream")
    if stream and path != "/v1/responses":
        assert {"include_usage": True} == sent.pop("stream_options")
    assert BODIES[path] == sent


@pytest.mark.parametrize("path", FIRST_BOUND)
def test_lower_output_of_a_smaller_bound_changes_nothing(path: str) -> None:
    """What the caller asked for is never raised."""
    x = read(path, **{FIRST_BOUND[path]: 40})
    assert x.route.dialect.lower_output(x, 100)
    assert 40 == x.request.output_tokens_max
    assert 40 == forwarded(x.request)[FIRST_BOUND[path]]


def test_lower_output_of_a_chat_lowers_both_bounds() -> None:
    """Models differ in which one they obey."""
    x = read("/v1/chat/completions", max_tokens=500, max_completion_tokens=30)
    assert x.route.dialect.lower_output(x, 100)
    sent = forwarded(x.request)
    assert (100, 30, 100) == (
        sent["max_tokens"],
        sent["max_completion_tokens"],
        x.request.output_tokens_max,
    )


@pytest.mark.parametrize(("path", "tokens"), [("/v1/responses", 15), ("/v1/embeddings", 100)])
def test_lower_output_that_the_shape_cannot_do_says_so(path: str, tokens: int) -> None:
    """The provider refuses so small a bound; embeddings have no output."""
    x = read(path)
    assert not x.route.dialect.lower_output(x, tokens)
    assert BODIES[path] == forwarded(x.request)


@pytest.mark.parametrize("path", BODIES)
def test_rename_model_is_what_the_upstream_reads(path: str) -> None:
    """The model that is priced and the model that is asked are one."""
    x = read(path)
    assert x.route.dialect.rename_model(x, "cheaper-1")
    assert "cheaper-1" == x.request.model
    assert BODIES[path] | {"model": "cheaper-1"} == forwarded(x.request)


def test_rename_model_bounds_images_anew() -> None:
    """The cheaper model may bill an image as many more tokens."""
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    x = read("/v1/chat/completions", messages=[{"role": "user", "content": [image]}])
    assert measured(x.request)[1] < measure.IMAGE_TOKENS_MINI
    assert x.route.dialect.rename_model(x, "gpt-4o-mini")
    assert measured(x.request)[1] >= measure.IMAGE_TOKENS_MINI
    assert x.route.dialect.rename_model(x, "gpt-4o")
    assert measured(x.request)[1] < measure.IMAGE_TOKENS_MINI


@pytest.mark.parametrize("model", ["gpt-4o-search-preview", "a b", ""])
def test_rename_model_to_what_is_not_governed_is_not_done(model: str) -> None:
    """A rename is no way around what a request may not ask."""
    x = read("/v1/chat/completions")
    assert not x.route.dialect.rename_model(x, model)
    assert "gpt-4o" == x.request.model


AZURE = "/openai/deployments/prod-chat/"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": []}),
        ("chat/completions", {"model": "gpt-4o", "messages": []}),
        ("completions", {"model": "gpt-4o", "prompt": "a"}),
        ("embeddings", {"model": "gpt-4o", "input": "a"}),
    ],
)
def test_deployment_of_the_path_is_the_model_whatever_the_body_says(
    path: str, body: dict[str, Any]
) -> None:
    """Azure goes by the path; a server that went by the body would find the same there."""
    x = exchange(AZURE + path, body)
    assert "prod-chat" == x.request.model
    assert forwarded(x.request).get("model", "prod-chat") == "prod-chat"
    assert not x.route.dialect.rename_model(x, "other")


def test_deployment_with_a_model_that_is_no_name_is_refused() -> None:
    """Also a model that nobody should read must have one reading."""
    with pytest.raises(Refusal):
        exchange(AZURE + "chat/completions", {"model": ["a"], "messages": []})


def test_error_event_of_a_response_is_typed_and_numbered() -> None:
    """Its SDK looks at the type of each event, and at the order of their numbers."""
    x = read("/v1/responses", stream=True)
    x.meter = x.route.dialect.meter(x, 200, True, {})
    assert isinstance(x.meter, ResponseMeter)
    x.meter.feed(b'event: a\ndata: {"type":"a","sequence_number":7}\n\nevent: b\ndata: {"ty')
    event = x.route.dialect.error_event(x, UPSTREAM_CUT, "it broke")
    assert event.startswith(b"event: error\ndata: ")
    assert {
        "type": "error",
        "code": "upstream_cut",
        "message": "S4 Firewall: it broke",
        "param": None,
        "sequence_number": 8,
    } == orjson.loads(event.split(b"data: ")[1])


def test_error_event_of_a_chat_makes_the_sdk_raise() -> None:
    """It raises for any event with an error in it."""
    x = read("/v1/chat/completions", stream=True)
    event = x.route.dialect.error_event(x, UPSTREAM_CUT, "it broke")
    assert "upstream_cut" == json.loads(event.removeprefix(b"data: "))["error"]["code"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("status", [199, 301, 400, 500])
def test_meter_of_a_failure_is_none(path: str, status: int) -> None:
    """Only an answer that succeeded tells a usage."""
    x = read(path)
    assert x.route.dialect.meter(x, status, False, {}) is None
    assert x.route.dialect.meter(x, 200, False, {}) is not None


def test_file_in_a_chat_is_bound_by_the_context_and_is_no_text() -> None:
    """A page may take a few bytes in a file: only the context bounds what is made of it."""
    data = "data:application/pdf;base64," + "A" * 200
    part = {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}
    x = read("/v1/chat/completions", messages=[{"role": "user", "content": [part]}])
    assert x.request.is_context_bound
    assert not any("AAAA" in text for text in measured(x.request)[0])
