"""Attribute: who pays.

What a key pins (see `stages.caller`), nothing in a request changes; what it does not name in
`may_set`, nothing in a request sets.  Values of requests (see `stages.labels`) are labels, never
authority: they choose among budgets that the operator wrote, and the surplus of values beyond what
was declared or allowed shares one budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, Protocol

from s4fw.core.attribution import DEFAULTED, DIMENSIONS, UNATTRIBUTED, VALUE_BYTES_MAX, Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import ATTRIBUTION_CONFLICT, MISSING_ATTRIBUTION
from s4fw.stages import labels
from s4fw.stages.caller import Caller
from s4fw.stages.labels import HEADERS, TAGS, Labels

REMEMBERED_MAX: Final = 100_000
_NOTHING: Final[Mapping[str, str]] = {}


class Declared(Protocol):
    """What the configuration says about values (see `s4fw.config`)."""

    @property
    def known(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def aliases(self) -> Sequence[str]: ...
    @property
    def body_fields(self) -> Sequence[str]: ...
    @property
    def require(self) -> Set[str]: ...


class Attribute(Stage):
    """Fills `x.attribution`."""

    name = "attribute"
    is_for_free_routes = True

    def __init__(
        self,
        declared: Declared,
        priced_as: Callable[[str, str, str], str | None],
        hash_key: bytes,
    ) -> None:
        """`priced_as` gives the name under which a model has its price at a provider and upstream,
        None where it has none; `hash_key` hides the values of body fields."""
        self._known = declared.known
        self._required = sorted(declared.require)
        self._labels = Labels(declared.aliases, declared.body_fields, hash_key)
        self._headers = self._labels.headers
        self._reads_bodies = bool(declared.body_fields)
        self._priced_as = priced_as
        self._remembered: dict[tuple[object, ...], Attribution] = {}

    def open(self, x: Exchange) -> Verdict:
        """Refuse labels against the key or each other, before the body is read."""
        request, caller = x.request, x.caller
        if caller is None and not request.labels_of_path and TAGS not in request.headers:
            return None
        said = labels.said(request)
        if isinstance(said, Block):
            return said
        return None if caller is None else self._conflict(caller, said)

    @staticmethod
    def _conflict(caller: Caller, said: Mapping[str, bytes]) -> Block | None:
        """Refuse what names another value than the key pins, or may not set."""
        for dimension, value in said.items():
            pinned = caller.pins.get(dimension)
            if pinned is not None and value != pinned.encode():
                return Block(
                    ATTRIBUTION_CONFLICT,
                    f"the {dimension} that the request names differs from that of its key",
                )
            if pinned is None and dimension not in caller.may_set:
                return Block(
                    ATTRIBUTION_CONFLICT,
                    f"this key may not set the {dimension}; its owner can allow it in may_set",
                )
        return None

    def admit(self, x: Exchange) -> Verdict:
        """Resolve the value of each dimension, once for each caller that says the same."""
        request, caller = x.request, x.caller
        headers = request.headers
        given: tuple[object, ...] = (
            caller.id if caller is not None else None,
            request.model,
            x.route.provider,
            x.upstream,
            *map(headers.get, self._headers),
        )
        in_body = _NOTHING
        if self._reads_bodies:
            in_body = self._labels.in_body(request.labels, self._known)
            given += tuple(map(in_body.get, HEADERS))
        if request.labels_of_path:
            given += tuple(map(request.labels_of_path.get, HEADERS))
        attribution = self._remembered.get(given)
        if attribution is None:
            attribution = self._resolve(x, in_body)
            missing = self._missing(x, attribution)
            if missing is not None:
                return missing
            if self._is_worth_remembering(attribution, headers):
                if len(self._remembered) >= REMEMBERED_MAX:
                    self._remembered.clear()
                self._remembered[given] = attribution
        x.attribution = attribution
        return None

    def _is_worth_remembering(
        self, attribution: Attribution, headers: Mapping[bytes, bytes]
    ) -> bool:
        """Not a model that is refused in a moment, not a long header: callers must not fill
        memory."""
        if attribution.get("model") is None:
            return False
        return all(len(headers.get(name, b"")) <= VALUE_BYTES_MAX for name in self._headers)

    def _resolve(self, x: Exchange, in_body: Mapping[str, str]) -> Attribution:
        """The first of: pinned by the key, said, hinted, in the body, the default."""
        caller = x.caller
        said = labels.said(x.request)
        assert not isinstance(said, Block), "refused at the head"
        hinted = self._labels.hinted(x.request.headers)
        values: dict[str, str | None] = {
            "key": caller.id if caller is not None else None,
            # A name that has no price, and what follows the base of a fine-tuned model, is the
            # caller's own text: it must not get into the books.
            "model": self._priced_as(x.request.model, x.route.provider, x.upstream),
            "provider": x.upstream or x.route.provider,  # whose bill it is on
        }
        for dimension in HEADERS:
            value = caller.pins.get(dimension) if caller is not None else None
            if value is None and (caller is None or dimension in caller.may_set):
                value = labels.label(said.get(dimension, b""))
                value = value or labels.label(hinted.get(dimension, b""))
                value = value or in_body.get(dimension)
            if value is None and dimension in DEFAULTED:
                value = UNATTRIBUTED
            known = self._known.get(dimension)
            if value is not None and known is not None and value not in known:
                value = UNATTRIBUTED
            values[dimension] = value
        return Attribution(tuple(values[dimension] for dimension in DIMENSIONS))

    def _missing(self, x: Exchange, attribution: Attribution) -> Block | None:
        """Refuse what would cost money and does not say who pays, where that is required."""
        if not self._required or not x.route.is_metered:
            return None
        missing = [n for n in self._required if attribution.get(n) in (None, UNATTRIBUTED)]
        if not missing:
            return None
        return Block(
            MISSING_ATTRIBUTION,
            f"not sent. The request has to name its {' and '.join(missing)}, for instance in"
            f" {HEADERS[missing[0]].decode()}.",
            {"missing": missing},
        )
