"""Caller: who calls.

The credential is judged at the head, before the body costs anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from typing import Protocol

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import INVALID_API_KEY, INVALID_REQUEST

# Where the SDKs put a key: Anthropic's, ours beside a credential of another kind, Azure's.
_KEY_HEADERS = (b"x-api-key", b"x-s4fw-key", b"api-key")


class Key(Protocol):
    """A configured caller (see `s4fw.config`)."""

    @property
    def id(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def feature(self) -> str | None: ...
    @property
    def customer(self) -> str | None: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def may_set(self) -> Set[str]: ...


class Caller:
    """A key, prepared for the hot path: plain values instead of a model of the configuration."""

    __slots__ = ("id", "may_set", "pins")

    def __init__(self, key: Key) -> None:
        self.id = key.id
        self.may_set = frozenset(key.may_set)
        pinned = {
            "tenant": key.tenant,
            "feature": key.feature,
            "customer": key.customer,
            "agent": key.agent,
        }
        self.pins = {name: value for name, value in pinned.items() if value is not None}


def keys_in(headers: Mapping[bytes, bytes]) -> set[bytes]:
    """The different keys that a head carries as they are."""
    found = {value for name in _KEY_HEADERS if (value := headers.get(name))}
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, value = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and value.strip():
            found.add(value.strip())
    return found


class Identify(Stage):
    """Sets `x.caller`; without `keys` it lets everybody in."""

    name = "caller"
    is_for_free_routes = True

    def __init__(self, keys: Sequence[Key]) -> None:
        # Keyed by digest: looking a digest up tells an attacker nothing about another one.
        self._callers = {bytes.fromhex(key.sha256): Caller(key) for key in keys}

    def open(self, x: Exchange) -> Verdict:
        """Judge the credential; refuses before the body is read."""
        if not self._callers:
            return None
        keys = keys_in(x.request.headers)
        if not keys:
            return Block(INVALID_API_KEY, "the request carries no key of this firewall")
        if len(keys) > 1:
            return Block(INVALID_REQUEST, "the request carries two different keys; send one")
        x.caller = self._callers.get(hashlib.sha256(keys.pop()).digest())
        if x.caller is None:
            return Block(INVALID_API_KEY, "this key is not known to the firewall")
        return None
