"""Attribute: who pays.

What a key pins (see `stages.caller`), no header changes; what it does not name in `may_set`, no
header sets.  Values of headers are labels, never authority: they choose among budgets that the
operator wrote, and the surplus of values beyond what was declared or allowed shares one budget.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Set
from typing import Protocol

from s4fw.core.attribution import DEFAULTED, DIMENSIONS, UNATTRIBUTED, VALUE_BYTES_MAX, Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import ATTRIBUTION_CONFLICT
from s4fw.stages.caller import Caller

# The dimensions that callers may name, and the header of each.
HEADERS = {
    name: f"x-s4fw-{name}".encode()
    for name in ("tenant", "feature", "customer", "agent", "session")
}
_HEADER_NAMES = tuple(HEADERS.values())
_VALUE = re.compile(rb"[A-Za-z0-9._:@/-]{1,128}")
REMEMBERED_MAX = 100_000


class Declared(Protocol):
    """What the configuration says about values (see `s4fw.config`)."""

    @property
    def known(self) -> Mapping[str, Set[str]]: ...


class Attribute(Stage):
    """Fills `x.attribution`."""

    name = "attribute"
    is_for_free_routes = True

    def __init__(
        self,
        declared: Declared,
        priced_as: Callable[[str, str, str], str | None],
    ) -> None:
        """`priced_as` gives the name under which a model has its price at a provider and upstream,
        None where it has none."""
        self._known = declared.known
        self._priced_as = priced_as
        self._remembered: dict[tuple[object, ...], Attribution] = {}

    def open(self, x: Exchange) -> Verdict:
        """Refuse headers against the key, before the body is read."""
        return self._conflict(x.caller, x.request.headers) if x.caller is not None else None

    @staticmethod
    def _conflict(caller: Caller, headers: Mapping[bytes, bytes]) -> Block | None:
        """Refuse a header that names what the key pins to another value, or may not set."""
        for dimension, header in HEADERS.items():
            value = headers.get(header)
            if value is None:
                continue
            pinned = caller.pins.get(dimension)
            if pinned is not None and value != pinned.encode():
                return Block(
                    ATTRIBUTION_CONFLICT,
                    f"header {header.decode()} differs from the {dimension} of this key",
                )
            if pinned is None and dimension not in caller.may_set:
                return Block(
                    ATTRIBUTION_CONFLICT,
                    f"this key may not set {header.decode()}; its owner can allow it in may_set",
                )
        return None

    def admit(self, x: Exchange) -> Verdict:
        """Resolve the value of each dimension: pinned, else the header, else the default."""
        headers = x.request.headers
        given = (
            x.caller.id if x.caller is not None else None,
            x.request.model,
            x.route.provider,
            x.upstream,
            *map(headers.get, _HEADER_NAMES),
        )
        attribution = self._remembered.get(given)
        if attribution is None:
            attribution = self._resolve(x)
            if not self._is_worth_remembering(attribution, headers):
                x.attribution = attribution
                return None
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[given] = attribution
        x.attribution = attribution
        return None

    @staticmethod
    def _is_worth_remembering(attribution: Attribution, headers: Mapping[bytes, bytes]) -> bool:
        """Not a model that is refused in a moment, not a long header: callers must not fill
        memory."""
        if attribution.get("model") is None:
            return False
        return all(len(headers.get(name, b"")) <= VALUE_BYTES_MAX for name in HEADERS.values())

    def _resolve(self, x: Exchange) -> Attribution:
        values: dict[str, str | None] = {
            "key": x.caller.id if x.caller is not None else None,
            # A name that has no price, and what follows the base of a fine-tuned model, is the
            # caller's own text: it must not get into the books.
            "model": self._priced_as(x.request.model, x.route.provider, x.upstream),
            "provider": x.route.provider,
        }
        for dimension, header in HEADERS.items():
            value = x.caller.pins.get(dimension) if x.caller is not None else None
            if value is None and header in x.request.headers:
                value = _label(x.request.headers[header])
            if value is None and dimension in DEFAULTED:
                value = UNATTRIBUTED
            known = self._known.get(dimension)
            if value is not None and known is not None and value not in known:
                value = UNATTRIBUTED
            values[dimension] = value
        return Attribution(tuple(values[dimension] for dimension in DIMENSIONS))


def _label(value: bytes) -> str | None:
    """A header's value as a label; what is no plain label is hashed, so that it stays distinct."""
    if not value:
        return None
    if _VALUE.fullmatch(value):
        return value.decode()
    return "h:" + hashlib.sha256(value).hexdigest()[:32]
