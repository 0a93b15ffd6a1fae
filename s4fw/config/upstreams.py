"""`upstreams`: the providers behind the firewall, our credential for each, and which one is asked.

An upstream is asked by the prefix of the path, else by its dialect and the model, else by its name,
which is then its dialect's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from s4fw.config.credentials import Credentials
from s4fw.config.document import Scalar
from s4fw.config.forms import Choice, Duration, Text, Whole
from s4fw.config.listeners import is_loopback
from s4fw.config.pricing import Model, PriceOverride
from s4fw.config.secret import Secret
from s4fw.config.section import Section, setting
from s4fw.config.url import Url

DIALECTS = ("openai", "anthropic", "bedrock")
NAME = "(name)"  # the key an upstream stands under; nobody can write this one

# What begins the path of a governed route or of a label, so that no prefix can hide one.
_TAKEN_PREFIXES = frozenset({"/v1", "/model", "/healthz", "/readyz"})

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class BaseUrl(Url):
    """Where a provider's API stands; stored without a trailing slash and without `/v1`."""

    words = "a URL such as https://api.openai.com"

    def read(self, scalar: Scalar) -> str:
        parts, host, port = self.split(scalar)
        if "@" in parts.netloc:
            raise ValueError("must not hold a user or password; give the credential as api_key")
        if "?" in scalar.text or "#" in scalar.text:
            raise ValueError("must not have a query or a fragment")
        path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
        is_dotted = any(set(segment) == {"."} for segment in path.split("/"))
        if re.search(r"\s", scalar.text) or _PATH.fullmatch(path) is None or is_dotted:
            raise self.refused()
        shown = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "") + path


Region = Annotated[str, Text(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}-[1-9]", "an AWS region, as us-east-1")]
Prefix = Annotated[
    str,
    Text(
        r"/[A-Za-z0-9][A-Za-z0-9._~-]{1,31}", "one path segment of 2 characters or more, as /azure"
    ),
]
Pattern = Annotated[str, Text(r"[A-Za-z0-9._:@/*?-]{1,128}", "a model or a pattern such as gpt-*")]
Arn = Annotated[
    str,
    Text(
        r"arn:aws[a-z-]{0,20}:bedrock:[A-Za-z0-9:/._-]{1,400}",
        "the ARN of an application inference profile",
    ),
]


class Breaker(Section):
    """When an upstream is taken to be down.

    Each worker judges by what it sees itself. Requests are then refused at once with 502
    `upstream_unreachable`, and nothing is reserved for them."""

    failures: Annotated[int, Whole(0, 1000)] = setting(
        "So many failures in a row open the breaker: no connection, or no first byte in time."
        " 0 never opens it.",
        5,
    )
    open_s: Annotated[float, Duration("50ms", "10m")] = setting(
        "How long it then refuses before it lets one request try.", "5s", key="open"
    )


class Upstream(Section):
    """One provider, by its name.  Where several speak a dialect, a request goes to the one whose
    prefix its path has, else to the first that lists its model, else to the one named like the
    dialect."""

    name: Annotated[str, Text(r"[a-z][a-z0-9_-]{0,31}", "a lower-case name")] = Field(
        alias="(name)", exclude=True
    )
    dialect: Annotated[str, Choice(*DIALECTS)] = setting(
        "The wire shape it speaks; the name where it is one.", "openai"
    )
    base_url: Annotated[str, BaseUrl()] | None = setting(
        "Where its API stands; with or without a trailing /v1 is the same. For bedrock the region"
        " says it.",
        None,
    )
    region: Region | None = setting("For bedrock: the AWS region, such as us-east-1.", None)
    prefix: Prefix | None = setting("Requests whose path begins so go here; it is taken off.", None)
    models: tuple[Pattern, ...] = setting(
        "Requests for these models go here; `*` and `?` are wildcards.", []
    )
    api_key: Annotated[SecretStr, Secret()] | None = setting(
        "Our credential for it, as text or `{file: path}`. Without one the caller's own passes"
        " through; to bedrock requests are then signed with the AWS credentials of this machine.",
        None,
    )
    residency: Annotated[str, Choice("us", "eu")] | None = setting(
        "For openai: that it is a regional host, where newer models cost more.", None
    )
    credentials: Credentials | None = setting(
        "For bedrock: the AWS credentials that requests are signed with, instead of those of this"
        " machine.",
        None,
    )
    auth: Annotated[str, Choice("bearer", "api-key", "x-api-key")] | None = setting(
        "How api_key is sent: `Authorization: Bearer`, or in the header of that name; x-api-key to"
        " anthropic, else bearer.",
        None,
    )
    breaker: Breaker = setting("When it is taken to be down.", {})
    prices: dict[Model, PriceOverride] = setting(
        "Rates for models there, before pricing.overrides.", {}
    )
    profiles: dict[Arn, Model] = setting(
        "For bedrock: the model behind each application inference profile, by the profile's ARN.",
        {},
    )

    @property
    def url(self) -> str:
        """Where its API stands; a bedrock upstream may say so by its region."""
        return self.base_url or f"https://bedrock-runtime.{self.region}.amazonaws.com"

    @property
    def is_signed(self) -> bool:
        """Whether requests are signed with AWS credentials."""
        return self.dialect == "bedrock" and self.api_key is None

    @property
    def is_signed_by_role(self) -> bool:
        """Whether they are signed with what this machine has, not with what stands here."""
        return self.is_signed and self.credentials is None

    @property
    def has_our_credential(self) -> bool:
        """Whether whoever is let through spends our money."""
        return self.api_key is not None or self.is_signed

    @property
    def is_loopback(self) -> bool:
        """Whether it stands on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def named_upstreams(value: Any) -> Any:
    """Give each upstream the name it stands under, and the dialect of that name.  Works on the
    tree, before validation."""
    if not isinstance(value, dict):
        return value
    return {name: _named(name, one) for name, one in value.items()}


def _named(name: str, one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    dialect = {"dialect": name} if name in DIALECTS else {}
    return {**dialect, **one, NAME: name}


def upstream_problems(upstreams: Mapping[str, Upstream]) -> Iterator[tuple[str, str]]:
    """What is wrong with them together, as (path, sentence)."""
    by_prefix: dict[str, str] = {}
    for name, upstream in upstreams.items():
        path = f"upstreams.{name}"
        yield from _own_problems(path, upstream)
        prefix = upstream.prefix
        if prefix is None:
            continue
        first = by_prefix.setdefault(prefix, name)
        if first != name:
            yield f"{path}.prefix", f"is {prefix}, which is the prefix of upstreams.{first} already"
        if prefix in _TAKEN_PREFIXES:
            yield f"{path}.prefix", f"is {prefix}, which begins paths that the firewall governs"


def _own_problems(path: str, upstream: Upstream) -> Iterator[tuple[str, str]]:
    dialect = upstream.dialect
    if "dialect" not in upstream.model_fields_set:
        yield f"{path}.dialect", f"is missing: {upstream.name} is none of {', '.join(DIALECTS)}"
    elif dialect == "bedrock":
        if upstream.region is None and (upstream.base_url is None or upstream.is_signed):
            yield f"{path}.region", "is missing: it says where requests go and what is signed"
    else:
        if upstream.base_url is None:
            yield f"{path}.base_url", "is missing"
        if upstream.region is not None:
            yield f"{path}.region", "is for bedrock only; give base_url"
        if upstream.profiles:
            yield f"{path}.profiles", "are for bedrock only"
        if upstream.credentials is not None:
            yield f"{path}.credentials", "are for bedrock only; give api_key"
    if upstream.residency is not None and dialect != "openai":
        yield f"{path}.residency", "is for openai only"
    if upstream.credentials is not None and upstream.api_key is not None:
        yield f"{path}.credentials", "are not used beside api_key; give one of the two"
    if upstream.auth is not None and upstream.api_key is None:
        yield f"{path}.auth", "says how api_key is sent, and there is none"
    if (
        "dialect" in upstream.model_fields_set
        and upstream.name != dialect
        and upstream.prefix is None
        and not upstream.models
    ):
        yield (
            path,
            f"would receive no request: give it a prefix or models, or name it {dialect}",
        )
