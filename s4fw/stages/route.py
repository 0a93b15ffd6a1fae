"""Route: which upstream a request goes to.

By the prefix of its path, else the first whose `models` name its model, else the one named like the
provider of the route.  An upstream is asked only what its dialect has: the provider of a route is
the dialect of the upstreams that can take it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Final, Protocol

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Block, Verdict
from s4fw.errors import ENDPOINT_NOT_GOVERNED

REMEMBERED_MAX: Final = 10_000
_MODEL_CHARS_MAX: Final = 256  # longer names are matched anew: callers must not fill memory


class Configured(Protocol):
    """A configured upstream (see `s4fw.config`)."""

    @property
    def name(self) -> str: ...
    @property
    def dialect(self) -> str: ...
    @property
    def prefix(self) -> str | None: ...
    @property
    def models(self) -> Sequence[str]: ...


class Target:
    """An upstream, prepared for the hot path."""

    __slots__ = ("_models", "dialect", "name", "prefix")

    def __init__(self, upstream: Configured) -> None:
        self.name = upstream.name
        self.dialect = upstream.dialect
        self.prefix = upstream.prefix.encode() if upstream.prefix is not None else b""
        self._models = [re.compile(translate(pattern)) for pattern in upstream.models]

    def __repr__(self) -> str:
        return f"<Target {self.name}>"

    def takes(self, model: str) -> bool:
        """Whether its `models` name this one."""
        return any(pattern.match(model) for pattern in self._models)


class Route(Stage):
    """Fills `x.upstream`."""

    name = "route"
    is_for_free_routes = True

    def __init__(self, upstreams: Sequence[Configured]) -> None:
        self._targets = [Target(upstream) for upstream in upstreams]
        self._remembered: dict[tuple[str, bytes, str], Target] = {}

    def admit(self, x: Exchange) -> Verdict:
        """Choose; refuses what no upstream takes."""
        request = x.request
        model = request.model or x.route.model  # a free route's body is not read
        asked = (x.route.provider, request.prefix, model)
        target = self._remembered.get(asked)
        if target is None:
            target = self._choose(*asked)
            if target is None:
                return Block(
                    ENDPOINT_NOT_GOVERNED, "no upstream is configured for this API and model"
                )
            if len(model) <= _MODEL_CHARS_MAX:
                if len(self._remembered) >= REMEMBERED_MAX:
                    self._remembered.clear()
                self._remembered[asked] = target
        x.upstream = target.name
        return None

    def _choose(self, provider: str, prefix: bytes, model: str) -> Target | None:
        able = [target for target in self._targets if target.dialect == provider]
        if prefix:
            return next((target for target in able if target.prefix == prefix), None)
        for target in able:
            if target.takes(model):
                return target
        return next((target for target in able if target.name == provider), None)
