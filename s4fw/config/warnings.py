"""What is allowed but probably not meant."""

from __future__ import annotations

from collections.abc import Iterator

from s4fw.config.attribution import BODY_FIELDS
from s4fw.config.budgets import Budget
from s4fw.config.listeners import is_loopback
from s4fw.config.schema import Config
from s4fw.config.secret import FileSecret
from s4fw.core.attribution import DEFAULTED


def warnings(config: Config) -> Iterator[str]:
    """Sentences for `check`, the log of a start, and the log of a reload."""
    if not any(_is_firm(budget, config) for budget in config.budgets):
        yield (
            "No enforced budget is free of dimensions that callers choose: whoever makes up new"
            " values gets a fresh limit with each. Add a budget with an empty `per`."
        )
    for budget in config.budgets:
        if (reason := _never_applies(budget, config)) is not None:
            yield f"Budget {budget.id} never applies: {reason}."
        if budget.mode == "shadow" and (budget.clamp or budget.on_exceed):
            yield (
                f"Budget {budget.id} is a shadow: it refuses nothing, so it never clamps and never"
                " asks a cheaper model."
            )
        yield from _idle_overrides(budget, config)
    for upstream in config.upstreams.values():
        if upstream.url.startswith("http:") and not upstream.is_loopback:
            yield (
                f"Upstream {upstream.name} is spoken to over plain http: prompts and credentials"
                " cross the network in the clear."
            )
    tls = config.server.tls
    if tls is not None and tls.key.is_open:
        yield f"The key {tls.key.path} can be read or changed by others: chmod 600 it."
    master = config.server.sigv4_master
    if isinstance(master, FileSecret) and master.is_open:
        yield f"The file {master.path} can be read or changed by others: chmod 600 it."
    yield from _idle_fields(config)
    yield from _open_door(config)


def _is_firm(budget: Budget, config: Config) -> bool:
    """Whether an enforced budget meets every request, and callers cannot multiply its limit."""
    return budget.mode == "enforce" and all(_is_given(d, config) for d in budget.per)


def _is_given(dimension: str, config: Config) -> bool:
    """Whether every request has a value for it, out of values that callers cannot extend."""
    keys = config.keys
    if dimension == "provider":
        return True  # where a request goes is written in `upstreams`
    if dimension == "key":
        return bool(keys)
    if dimension in DEFAULTED:
        is_open = not keys or any(dimension in key.may_set for key in keys)
        return not is_open or dimension in config.attribution.known
    # A session can be left out, and then its budget does not apply; an agent, unless each key pins
    # it.  The model is the caller's choice among all that have a price.
    return dimension == "agent" and bool(keys) and all(key.agent is not None for key in keys)


def _never_applies(budget: Budget, config: Config) -> str | None:
    if "key" in budget.per and not config.keys:
        return "it is per key, and there are no `keys`"
    for dimension in ("session", "agent"):
        if dimension not in budget.per or not config.keys:
            continue
        if not any(dimension in key.may_set or dimension in key.pins for key in config.keys):
            return f"it is per {dimension}, and no key pins it or may set it"
    return None


def _idle_overrides(budget: Budget, config: Config) -> Iterator[str]:
    """Overrides for values that no request can have."""
    ids = frozenset(key.id for key in config.keys)
    for override in budget.overrides:
        for dimension, value in override.scope.items():
            known = ids if dimension == "key" else config.attribution.known.get(dimension)
            if known is not None and value not in known and value not in ("other", "unattributed"):
                yield f"Budget {budget.id}: no request has {dimension} {value} of its overrides."


def _idle_fields(config: Config) -> Iterator[str]:
    """Fields of the body for dimensions that no key leaves to requests."""
    if not config.keys:
        return
    settable = frozenset().union(*(key.may_set for key in config.keys))
    for field in config.attribution.body_fields:
        if BODY_FIELDS[field] not in settable:
            yield (
                f"attribution.body_fields lists {field}, but no key may_set"
                f" {BODY_FIELDS[field]}: it never counts."
            )


def _open_door(config: Config) -> Iterator[str]:
    if config.keys or is_loopback(config.server.host):
        return
    for upstream in config.upstreams.values():
        if upstream.has_our_credential:
            yield (
                f"Everyone who reaches {config.server.host} spends with the credential of upstream"
                f" {upstream.name}: there are no `keys`."
            )
