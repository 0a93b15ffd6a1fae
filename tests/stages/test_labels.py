"""Who pays, by the table in attribution.yaml, and what becomes of values on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from s4fw.config import Config
from s4fw.config.attribution import ALIASES as CONFIGURED_ALIASES
from s4fw.config.attribution import SETTABLE
from s4fw.config.load import parse
from s4fw.core.attribution import DEFAULTED
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.stage import Admitted
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.stages.attribute import Attribute
from s4fw.stages.caller import Caller
from s4fw.stages.labels import ALIASES, HEADERS, label

CASES = yaml.safe_load((Path(__file__).parent / "attribution.yaml").read_text())


def configured(case: dict[str, Any]) -> Config:
    """The configuration of a case."""
    key = case.get("key")
    sections = {
        "upstreams": {"openai": {"base_url": "http://127.0.0.1:1", "api_key": "sk-12345678"}},
        "attribution": case.get("attribution", {}),
    }
    if key is not None:
        sections["keys"] = [{"id": "bot", "sha256": "0" * 64, **key}]
    return parse(yaml.safe_dump(sections), "case.yaml", {})


def priced(model: str, provider: str, upstream: str) -> str | None:
    """Every model has a price."""
    return model


def an_exchange(case: dict[str, Any], config: Config, path: bytes = b"/v1/chat/completions") -> Any:
    """What the request of a case is when its head and body are read."""
    headers = {name.encode(): value.encode() for name, value in case.get("headers", {}).items()}
    (route,) = ROUTES[path].values()
    x = Exchange(route, Request(b"POST", path, b"", headers))
    x.request.model = "gpt-4o"
    x.request.labels_of_path = case.get("path", {})
    x.request.labels = case.get("body", {})
    if config.keys:
        x.caller = Caller(config.keys[0])
    return x


def outcome(stage: Attribute, x: Exchange) -> dict[str, str | None] | str:
    """The code of a refusal, or the dimensions that are not their default."""
    verdict: Admitted = stage.open(x) or stage.admit(x)
    if verdict is not None:
        assert isinstance(verdict, Block)
        return verdict.code.name
    assert x.attribution is not None
    given = {name: x.attribution.get(name) for name in SETTABLE}
    default = {name: "unattributed" if name in DEFAULTED else None for name in SETTABLE}
    changed = {name: value for name, value in given.items() if value != default[name]}
    return {n: "k:..." if v is not None and v.startswith("k:") else v for n, v in changed.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["says"])
def test_case_of_the_table(case: dict[str, Any]) -> None:
    """One rule of attribution; asked twice, because what was resolved once is remembered."""
    config = configured(case)
    stage = Attribute(config.attribution, priced, bytes(32))
    expected = case.get("refused") or case["gives"]
    for _ in range(2):
        assert expected == outcome(stage, an_exchange(case, config))


def test_names_that_can_be_configured_are_those_that_are_read() -> None:
    """A name that is accepted and does nothing would leave spend unattributed, unseen."""
    assert set(CONFIGURED_ALIASES) == ALIASES
    assert set(SETTABLE) == HEADERS.keys()


def hidden(key: bytes, **body: str) -> str | None:
    """The label of a field of the body under a key."""
    case = {"attribution": {"body_fields": list(body)}, "body": body}
    config = configured(case)
    x = an_exchange(case, config)
    Attribute(config.attribution, priced, key).admit(x)
    assert x.attribution is not None
    value: str | None = x.attribution.get("customer")
    return value


def test_hidden_value_is_the_same_for_the_same_key_only() -> None:
    """Whoever sees a label cannot try out whose it is; the same user is one customer, whatever
    field names it."""
    one = hidden(bytes(32), user="alice@example.com")
    assert one is not None
    assert "alice" not in one
    assert one == hidden(bytes(32), safety_identifier="alice@example.com")
    assert one != hidden(b"k" * 32, user="alice@example.com")
    assert one != hidden(bytes(32), user="bob@example.com")
    assert hidden(bytes(32), user="\ud800") is not None  # what JSON can hold and UTF-8 cannot


def test_admit_other_bodies_of_the_same_caller_are_told_apart() -> None:
    """What is remembered of one customer must not be given to the next."""
    case = {"attribution": {"body_fields": ["user"]}}
    config = configured(case)
    stage = Attribute(config.attribution, priced, bytes(32))
    found = set()
    for user in ("u1", "u2", None, "u1"):
        x = an_exchange(case | {"body": {"user": user} if user else {}}, config)
        assert stage.admit(x) is None
        found.add(x.attribution)
    assert 3 == len(found)


def test_admit_other_paths_of_the_same_caller_are_told_apart() -> None:
    """The path is no header, and counts all the same."""
    config = configured({})
    stage = Attribute(config.attribution, priced, bytes(32))
    outcomes = [
        outcome(stage, an_exchange({"path": path}, config))
        for path in ({"tenant": "a"}, {"feature": "a"}, {}, {"tenant": "a"})
    ]
    assert [{"tenant": "a"}, {"feature": "a"}, {}, {"tenant": "a"}] == outcomes


def test_admit_route_without_money_needs_no_dimension() -> None:
    """A list of models costs nothing, and SDKs ask for it without labels."""
    config = configured({"attribution": {"require": ["tenant"]}})
    stage = Attribute(config.attribution, priced, bytes(32))
    x = an_exchange({}, config, b"/v1/models")
    assert {} == outcome(stage, x)


def test_refusal_for_a_missing_dimension_says_where_to_name_it() -> None:
    """The message is all that an SDK prints."""
    config = configured({"attribution": {"require": ["tenant", "session"]}})
    block = Attribute(config.attribution, priced, bytes(32)).admit(an_exchange({}, config))
    assert isinstance(block, Block)
    assert "x-s4fw-session" in block.message
    assert {"missing": ["session", "tenant"]} == block.detail


@pytest.mark.parametrize("value", [b"a" * 8193, b",".join([b"x=1"] * 64) + b",s4fw.tenant=acme"])
def test_baggage_beyond_its_bounds_says_nothing(value: bytes) -> None:
    """Parsing is bounded whatever comes."""
    config = configured({})
    x = an_exchange({"headers": {"baggage": value.decode()}}, config)
    assert {} == outcome(Attribute(config.attribution, priced, bytes(32)), x)


def test_label_of_what_is_none_is_hashed() -> None:
    """Whatever a header holds, no byte of it reaches the table as it is."""
    assert "a.b:c@d/e-f_1" == label(b"a.b:c@d/e-f_1")
    assert label(b"") is None
    odd = label("Zoë".encode())
    assert odd is not None
    assert odd.startswith("h:")
