"""What must fit together across sections, checked over every part that could be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from s4fw.config.attribution import Attribution, attribution_problems
from s4fw.config.budgets import BUDGETS_MAX, Budget, budget_problems
from s4fw.config.fleet import Fleet, fleet_problems
from s4fw.config.keys import Key, key_problems
from s4fw.config.limits import Limits, limit_problems
from s4fw.config.listeners import Admin, Server, is_loopback, listener_problems
from s4fw.config.loops import Loops, loop_problems
from s4fw.config.section import Section
from s4fw.config.upstreams import Upstream, named_upstreams, upstream_problems

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Parts:
    """The readable parts of a configuration; what has a mistake of its own is left out."""

    server: Server | None
    admin: Admin | None
    upstreams: dict[str, Upstream]
    keys: dict[int, Key]
    attribution: Attribution | None
    budgets: dict[int, Budget]
    limits: Limits | None
    loops: Loops | None
    fleet: Fleet | None
    are_keys_given: bool
    budgets_written: int


def readable_parts(tree: dict[str, Any], context: dict[str, Any]) -> Parts:
    """Read what can be read, element by element."""

    def one(section: type[S], value: Any) -> S | None:
        try:
            return section.model_validate(value, context=context)
        except ValidationError:
            return None

    def listed(section: type[S], value: Any) -> dict[int, S]:
        items = enumerate(value) if isinstance(value, list) else ()
        read = ((at, one(section, item)) for at, item in items)
        return {at: item for at, item in read if item is not None}

    upstreams = named_upstreams(tree.get("upstreams"))
    named = upstreams.items() if isinstance(upstreams, dict) else ()
    read = ((name, one(Upstream, item)) for name, item in named)
    budgets = tree.get("budgets")
    return Parts(
        server=one(Server, tree.get("server", {})),
        admin=one(Admin, tree.get("admin", {})),
        upstreams={name: item for name, item in read if item is not None},
        keys=listed(Key, tree.get("keys")),
        attribution=one(Attribution, tree.get("attribution", {})),
        budgets=listed(Budget, budgets),
        limits=one(Limits, tree.get("limits", {})),
        loops=one(Loops, tree.get("loops", {})),
        fleet=one(Fleet, tree.get("fleet", {})),
        are_keys_given="keys" in tree,
        budgets_written=len(budgets) if isinstance(budgets, list) else 0,
    )


def part_problems(parts: Parts) -> Iterator[tuple[str, str]]:
    """Everything that does not fit together, as (path, sentence)."""
    yield from listener_problems(parts.server, parts.admin)
    yield from upstream_problems(parts.upstreams)
    has_master = parts.server is None or parts.server.sigv4_master is not None
    yield from key_problems(parts.keys, parts.attribution, has_master)
    if parts.attribution is not None:
        yield from attribution_problems(parts.attribution)
    limits_of_keys = {at: key.limits for at, key in parts.keys.items()}
    if parts.limits is not None:
        yield from limit_problems(parts.limits, limits_of_keys)
    if parts.loops is not None:
        yield from loop_problems(parts.loops, parts.keys)
    yield from fleet_problems(parts.fleet, parts.limits, limits_of_keys)
    if parts.budgets_written > BUDGETS_MAX:
        yield "budgets", f"are {parts.budgets_written}; at most {BUDGETS_MAX} are possible"
    yield from budget_problems(parts.budgets)
    yield from _caller_problems(parts)


def _caller_problems(parts: Parts) -> Iterator[tuple[str, str]]:
    """Who may spend whose money: the caller's credential, or ours."""
    server = parts.server
    for name, upstream in parts.upstreams.items():
        path = f"upstreams.{name}.api_key"
        if parts.are_keys_given and not upstream.has_our_credential:
            yield path, "is missing: with `keys` the caller's own key is never forwarded"
        if parts.are_keys_given or not upstream.has_our_credential or server is None:
            continue
        if not is_loopback(server.host) and not server.allow_anonymous:
            yield (
                "server.host",
                f"is reachable from other machines, and upstreams.{name} has a credential of ours:"
                " list `keys`, use 127.0.0.1, or set server.allow_anonymous: true",
            )
