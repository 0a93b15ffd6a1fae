"""What stands in a path before the route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4fw.core.verdict import Block
from s4fw.proxy.prefixes import Begun, begun
from tests.proxy.rig import Rig, on_rig, post

PREFIXES = frozenset({b"/azure", b"/eu"})
ROUTE = b"/v1/chat/completions"


def parts(path: bytes) -> tuple[bytes, Mapping[str, str], bytes]:
    found = begun(path, PREFIXES)
    assert isinstance(found, Begun)
    return found.below, found.labels, found.prefix


@pytest.mark.parametrize(
    ("path", "labels", "prefix"),
    [
        (b"", {}, b""),
        (b"/t/acme", {"tenant": "acme"}, b""),
        (b"/s/s-1/t/acme/f/a.b", {"session": "s-1", "tenant": "acme", "feature": "a.b"}, b""),
        (b"/c/c1/a/planner", {"customer": "c1", "agent": "planner"}, b""),
        (b"/t/acme%2Feu%3A1", {"tenant": "acme/eu:1"}, b""),
        (b"/t/v1", {"tenant": "v1"}, b""),
        (b"/t/t", {"tenant": "t"}, b""),
        (b"/azure", {}, b"/azure"),
        (b"/azure/t/acme", {"tenant": "acme"}, b"/azure"),
        (b"/t/azure/azure", {"tenant": "azure"}, b"/azure"),
    ],
)
def test_begun_labels_and_prefix_are_taken_off(
    path: bytes, labels: dict[str, str], prefix: bytes
) -> None:
    """A base URL is all that some clients let people set: it says who pays, and where to."""
    assert (ROUTE, labels, prefix) == parts(path + ROUTE)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/models",
        b"/x/acme/v1/models",
        b"/T/acme/v1/models",
        b"/%74/acme/v1/models",
        b"/other/v1/models",
        b"/azures/v1/models",
        b"//t/acme/v1/models",
        b"/",
        b"/azure",
        b"/t",
    ],
)
def test_begun_other_segments_stay(path: bytes) -> None:
    """What is not exactly a label or a prefix is part of the route, and then not governed."""
    assert (path, {}, b"") == parts(path)


def test_begun_each_prefix_is_taken_once() -> None:
    """`/azure/eu/...` names two upstreams: the rest is no route, so nobody guesses."""
    assert (b"/eu" + ROUTE, {}, b"/azure") == parts(b"/azure/eu" + ROUTE)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a%20b",
        b"caf%C3%A9",
        b"a%",
        b"a%2",
        b"a%zz",
        b"%2541%",
        b"a%253Ab",
        b"x" * 129,
        b"a;b",
        b"a,b",
        b"acme/t/globex",
    ],
)
def test_begun_value_that_is_no_label_is_refused(value: bytes) -> None:
    """A typing mistake in a base URL must not open a budget of its own; nothing is decoded
    twice."""
    block = begun(b"/t/" + value + ROUTE, PREFIXES)
    assert isinstance(block, Block)
    assert 400 == block.code.status


@given(st.binary(max_size=40))
def test_begun_any_bytes_are_taken_apart_or_refused(path: bytes) -> None:
    """Whatever stands in a path, the rest of it is a suffix of what came."""
    found = begun(b"/" + path, PREFIXES)
    if isinstance(found, Begun):
        assert (b"/" + path).endswith(found.below) or found.below == b"/"


@on_rig(prefixes=PREFIXES)
async def test_request_carries_labels_and_prefix_and_goes_to_the_plain_route(rig: Rig) -> None:
    """Stages see who pays; the provider sees its own path; a signature covers the whole one."""
    client = await rig.client()
    path = b"/t/acme/azure" + ROUTE
    for _ in range(2):  # the second time the head is remembered
        assert (await client.ask(post(path=path)))[0] == 200
    for x, seen in zip(rig.stage.begun, rig.upstream.seen, strict=True):
        assert path == x.request.path
        assert ({"tenant": "acme"}, b"/azure") == (x.request.labels_of_path, x.request.prefix)
        assert seen.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


@on_rig()
async def test_label_that_is_none_is_refused_at_the_head(rig: Rig) -> None:
    """Before the body costs anything."""
    client = await rig.client()
    status, _, body = await client.ask(post(path=b"/t/a%20b" + ROUTE))
    assert (400, True) == (status, b"tenant" in body)


@on_rig(prefixes=PREFIXES)
async def test_reload_judges_a_remembered_head_anew(rig: Rig) -> None:
    """A prefix that is configured no more must not live on in open connections."""
    client = await rig.client()
    request = post(path=b"/azure" + ROUTE)
    assert (await client.ask(request))[0] == 200
    rig.proxy.settings = replace(rig.settings, prefixes=frozenset())
    assert (await client.ask(request))[0] == 403
