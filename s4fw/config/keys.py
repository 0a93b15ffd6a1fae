"""`keys`: who may call, what each caller's key pins, and what it leaves to request headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import model_validator

from s4fw.config.attribution import RESERVED, SETTABLE, Attribution, Value
from s4fw.config.forms import Choice, Text
from s4fw.config.limits import KeyLimits
from s4fw.config.section import Section, setting
from s4fw.config.sigv4 import AWS_ID_PREFIXES

PINNABLE = ("tenant", "feature", "customer", "agent")
MAY_SET = ("session", "agent")  # unless the key pins one of them


def key_digest(key: bytes) -> str:
    """The digest a key is known by here: the SHA-256 of its bytes, in lower-case hex.

    Plain SHA-256 is enough because keys are long and random, not chosen by people.
    """
    return hashlib.sha256(key).hexdigest()


class Key(Section):
    """One caller."""

    id: Value = setting("Its name in budgets, ledger and logs.")
    sha256: Annotated[str, Text(r"[0-9a-f]{64}", "64 lower-case hex digits")] | None = setting(
        "The SHA-256 of the key; `s4fw keys hash` prints it. Not needed beside access_key_id.", None
    )
    access_key_id: (
        Annotated[str, Text(r"[A-Za-z0-9_-]{8,64}", "8 to 64 letters, digits, - and _")] | None
    ) = setting(
        "For AWS SDKs: the access key id it signs with (SigV4); `s4fw keys sigv4` prints one with"
        " its secret. Needs server.sigv4_master.",
        None,
    )
    tenant: Value | None = setting("The tenant all its requests are for.", None)
    feature: Value | None = setting("The feature all its requests are for.", None)
    customer: Value | None = setting("The customer all its requests are for.", None)
    agent: Value | None = setting("The agent all its requests come from.", None)
    may_set: frozenset[Annotated[str, Choice(*SETTABLE)]] = setting(
        "The dimensions its requests may set by header; where left out, session and agent, without"
        " those the key pins.",
        list(MAY_SET),
    )
    limits: KeyLimits = setting("Its own limits, each instead of the one for all keys.", {})

    @model_validator(mode="before")
    @classmethod
    def _default_may_set(cls, data: Any) -> Any:
        if isinstance(data, dict) and "may_set" not in data:
            return {**data, "may_set": [name for name in MAY_SET if name not in data]}
        return data

    @property
    def pins(self) -> dict[str, str]:
        """The dimensions the key fixes, with their values."""
        given = {name: getattr(self, name) for name in PINNABLE}
        return {name: value for name, value in given.items() if value is not None}


def key_problems(
    keys: Mapping[int, Key], attribution: Attribution | None, has_sigv4_master: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with the keys (by their place in the list), as (path, sentence)."""
    ids: dict[str, int] = {}
    digests: dict[str, int] = {}
    access_key_ids: dict[str, int] = {}
    for at, key in keys.items():
        path = f"keys[{at}]"
        first = ids.setdefault(key.id, at)
        if first != at:
            yield f"{path}.id", f"is {key.id}, which is the id of keys[{first}] already"
        if key.sha256 is not None:
            first = digests.setdefault(key.sha256, at)
            if first != at:
                yield f"{path}.sha256", f"is the digest of keys[{first}] already"
        if key.access_key_id is not None:
            first = access_key_ids.setdefault(key.access_key_id, at)
            if first != at:
                yield f"{path}.access_key_id", f"is that of keys[{first}] already"
        yield from _credential_problems(path, key, has_sigv4_master)
        if key.id in RESERVED:
            yield f"{path}.id", f"is {key.id}, which is the firewall's own word"
        yield from _pin_problems(path, key, attribution)


def _credential_problems(path: str, key: Key, has_master: bool) -> Iterator[tuple[str, str]]:
    if key.sha256 is None and key.access_key_id is None:
        yield path, "has neither sha256 nor access_key_id: nobody could call with it"
    if key.access_key_id is None:
        return
    if key.access_key_id.startswith(AWS_ID_PREFIXES):
        yield (
            f"{path}.access_key_id",
            "looks like one of AWS, whose secret the firewall cannot know; `s4fw keys sigv4` makes"
            " one",
        )
    if not has_master:
        yield (
            f"{path}.access_key_id",
            "needs server.sigv4_master, from which its secret is derived",
        )


def _pin_problems(
    path: str, key: Key, attribution: Attribution | None
) -> Iterator[tuple[str, str]]:
    for dimension, value in key.pins.items():
        known = attribution.known.get(dimension) if attribution else None
        if dimension in key.may_set:
            yield (
                f"{path}.may_set",
                f"names {dimension}, which the key pins: a header cannot set it",
            )
        if value in RESERVED:
            yield f"{path}.{dimension}", f"is {value}, which is the firewall's own word"
        elif known is not None and value not in known:
            yield f"{path}.{dimension}", f"is not listed in attribution.known.{dimension}"
