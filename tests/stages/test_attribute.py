"""Who calls and who pays: keys by digest, pinned values, headers that may or may not set one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.stage import Admitted
from s4fw.core.verdict import Block, Verdict
from s4fw.dialects import ROUTES
from s4fw.stages.attribute import Attribute
from s4fw.stages.caller import Identify

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]


@dataclass
class Key:
    """A caller as the configuration has it."""

    id: str = "bot"
    access_key_id: str | None = None
    secret: str = "k-1"
    tenant: str | None = "acme"
    feature: str | None = None
    customer: str | None = None
    agent: str | None = None
    may_set: frozenset[str] = frozenset({"session", "agent"})

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()


@dataclass
class Declared:
    """The values that were declared."""

    known: dict[str, frozenset[str]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    body_fields: tuple[str, ...] = ()
    require: frozenset[str] = frozenset()


def priced_as(model: str, provider: str, upstream: str) -> str | None:
    """The price table of these tests."""
    return {"gpt-4o": "gpt-4o", "ft:gpt-4o:mine": "ft:gpt-4o"}.get(model)


def nothing_is_long(_: Callable[[], Any]) -> Any:
    """No body of these tests is worth a thread."""
    raise AssertionError("a thread was asked for")


class Stages:
    """The two stages that say who pays."""

    def __init__(self, keys: list[Key], *rest: Any) -> None:
        self.identify, self.attribute = (
            Identify(keys, None, nothing_is_long),
            Attribute(*rest, bytes(32)),
        )

    def open(self, x: Exchange) -> Verdict:
        return self.identify.open(x) or self.attribute.open(x)

    def admit(self, x: Exchange) -> Admitted:
        return self.attribute.admit(x)


def walk(stage: Stages, headers: dict[bytes, bytes]) -> Exchange | Block:
    """Open and admit one exchange; the first block, or the exchange."""
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", headers))
    x.request.model = "gpt-4o"
    block = stage.open(x) or stage.admit(x)
    assert block is None or isinstance(block, Block)
    return block or x


def values(x: Exchange | Block) -> dict[str, str | None]:
    """The attribution as a dict."""
    assert isinstance(x, Exchange), x
    assert x.attribution is not None
    names = ("key", "tenant", "feature", "customer", "agent", "session")
    return {name: x.attribution.get(name) for name in names}


AUTH = {b"authorization": b"Bearer k-1"}


def test_open_known_key_pins_its_values() -> None:
    """Who pays is a matter of the key, not of what a caller says."""
    x = walk(Stages([Key()], Declared(), priced_as), AUTH)
    assert {
        "key": "bot",
        "tenant": "acme",
        "feature": "unattributed",
        "customer": "unattributed",
        "agent": None,
        "session": None,
    } == values(x)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer nope"},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Basic k-1"},
        {b"authorization": b"Bearer ' OR '1'='1"},
        {b"x-api-key": hashlib.sha256(b"k-1").hexdigest().encode()},
    ],
)
def test_open_without_a_known_key_is_401(headers: dict[bytes, bytes]) -> None:
    """Nobody gets in, and the digest in the configuration is no key."""
    block = walk(Stages([Key()], Declared(), priced_as), headers)
    assert isinstance(block, Block)
    assert "invalid_api_key" == block.code.name


@pytest.mark.parametrize("name", [b"x-api-key", b"x-s4fw-key"])
def test_open_key_in_another_header_is_the_same_key(name: bytes) -> None:
    """Each SDK has its own place for a key."""
    assert "bot" == values(walk(Stages([Key()], Declared(), priced_as), {name: b"k-1"}))["key"]


def test_open_two_different_keys_are_refused() -> None:
    """Nobody may choose the richer one; the same key twice is one key."""
    stage = Stages([Key(), Key(id="b", secret="k-2")], Declared(), priced_as)
    block = walk(stage, AUTH | {b"x-api-key": b"k-2"})
    assert isinstance(block, Block)
    assert 400 == block.code.status
    assert isinstance(walk(stage, AUTH | {b"x-api-key": b"k-1"}), Exchange)


@pytest.mark.parametrize(
    ("header", "value", "is_allowed"),
    [
        (b"x-s4fw-tenant", b"globex", False),
        (b"x-s4fw-tenant", b"acme", True),
        (b"x-s4fw-feature", b"support", False),
        (b"x-s4fw-session", b"s1", True),
        (b"x-s4fw-agent", b"a1", True),
    ],
)
def test_open_header_against_the_key(header: bytes, value: bytes, is_allowed: bool) -> None:
    """What a key pins no header changes; what it does not allow no header sets."""
    outcome = walk(Stages([Key()], Declared(), priced_as), AUTH | {header: value})
    assert is_allowed == isinstance(outcome, Exchange)
    if isinstance(outcome, Block):
        assert "attribution_conflict" == outcome.code.name
        assert value.decode() not in outcome.message


def test_admit_without_keys_takes_headers() -> None:
    """Inside a trusted network the applications say who pays."""
    headers = {b"x-s4fw-tenant": b"acme", b"x-s4fw-customer": b"c/7"}
    got = values(walk(Stages([], Declared(), priced_as), headers))
    assert ("acme", "c/7", None) == (got["tenant"], got["customer"], got["key"])


def test_admit_value_beyond_the_declared_ones_is_unattributed() -> None:
    """A made-up tenant must not get a budget of its own."""
    stage = Stages([], Declared({"tenant": frozenset({"acme"})}), priced_as)
    assert "unattributed" == values(walk(stage, {b"x-s4fw-tenant": b"acme2"}))["tenant"]
    assert "acme" == values(walk(stage, {b"x-s4fw-tenant": b"acme"}))["tenant"]


@pytest.mark.parametrize("value", [b"a b", b"\xff\xfe", b"a" * 129, "é".encode()])
def test_admit_value_that_is_no_label_is_hashed_and_stays_distinct(value: bytes) -> None:
    """Whatever a header holds, no byte of it reaches the table as it is."""
    stage = Stages([], Declared(), priced_as)
    got = values(walk(stage, {b"x-s4fw-tenant": value}))["tenant"]
    assert got is not None
    assert got.startswith("h:")
    assert got != values(walk(stage, {b"x-s4fw-tenant": value + b"x"}))["tenant"]


def test_admit_same_caller_gets_the_same_attribution_object() -> None:
    """What is resolved from an attribution is remembered with it."""
    stage = Stages([Key()], Declared(), priced_as)
    first, second = walk(stage, AUTH), walk(stage, dict(AUTH))
    assert isinstance(first, Exchange)
    assert isinstance(second, Exchange)
    assert first.attribution is second.attribution


def test_admit_model_without_a_price_gets_into_no_book() -> None:
    """A model's name is the caller's text until the price table knows it."""
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.request.model = "my-secret-text"
    assert Stages([], Declared(), priced_as).admit(x) is None
    assert x.attribution is not None
    assert x.attribution.get("model") is None


def test_admit_fine_tuned_model_is_booked_under_the_name_that_has_the_price() -> None:
    """Whatever follows the base is the caller's text, as long and as often new as it likes."""
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.request.model = "ft:gpt-4o:mine"
    assert Stages([], Declared(), priced_as).admit(x) is None
    assert x.attribution is not None
    assert "ft:gpt-4o" == x.attribution.get("model")


def test_admit_long_header_is_not_remembered() -> None:
    """A hundred thousand of them would be gigabytes."""
    stage = Stages([], Declared(), priced_as)
    long = {b"x-s4fw-tenant": b"a" * 129}
    first, second = walk(stage, long), walk(stage, long)
    assert isinstance(first, Exchange)
    assert isinstance(second, Exchange)
    assert first.attribution == second.attribution
    assert first.attribution is not second.attribution
