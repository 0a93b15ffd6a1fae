"""A stage: one rule of the firewall.

A stage overrides what it needs; the pipeline calls only what is overridden, so a stage costs
nothing where it has nothing to say.  Stages are flat, synchronous and fast.  One that must wait
(`admit` of a huge body) returns an awaitable of its verdict instead.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar

from mypy_extensions import mypyc_attr

from s4fw.core.exchange import Exchange
from s4fw.core.verdict import Verdict

Admitted = Verdict | Awaitable[Verdict]


@mypyc_attr(allow_interpreted_subclasses=True)
class Stage:
    """One rule.  `is_for_free_routes` marks those whose `admit` also sees routes without money, and
    `is_for_metered_routes` is False for the `admit` of those that only see these."""

    name: ClassVar[str]
    is_for_free_routes: ClassVar[bool] = False
    is_for_metered_routes: ClassVar[bool] = True
    is_shadow = False  # decide and count, do not enforce: the pipeline lets the request go on

    def open(self, x: Exchange) -> Verdict:
        """At the head, before the body is read."""
        return None

    def admit(self, x: Exchange) -> Admitted:
        """The body is read."""
        return None

    def sent(self, x: Exchange) -> None:
        """Just before the first upstream byte."""

    def feed(self, x: Exchange, chunk: bytes) -> bytes:
        """Each chunk of the answer."""
        return chunk

    def finish(self, x: Exchange) -> None:
        """Always, once, in reverse order."""
