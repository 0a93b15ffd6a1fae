"""`upstreams`: the providers behind the firewall, and our credential for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from s4fw.config.document import Scalar
from s4fw.config.forms import Choice, Form, Text
from s4fw.config.listeners import is_loopback
from s4fw.config.secret import Secret
from s4fw.config.section import Section, setting

DIALECTS = ("openai",)
NAME = "(name)"  # the key an upstream stands under; nobody can write this one

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45}")


class BaseUrl(Form):
    """Where a provider's API stands; stored without a trailing slash and without `/v1`."""

    words = "a URL such as https://api.openai.com"
    schema = {"type": "string", "pattern": "^https?://"}

    def read(self, scalar: Scalar) -> str:
        # Never quote the text: people put passwords into URLs.
        try:
            parts = urlsplit(scalar.text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise self.refused() from None
        if parts.scheme not in ("http", "https") or not host or re.search(r"\s", scalar.text):
            raise self.refused()
        if "@" in parts.netloc:
            raise ValueError("must not hold a user or password; give the credential as api_key")
        if "?" in scalar.text or "#" in scalar.text:
            raise ValueError("must not have a query or a fragment")
        path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
        is_dotted = any(set(segment) == {"."} for segment in path.split("/"))
        if _HOST.fullmatch(host) is None or _PATH.fullmatch(path) is None or is_dotted:
            raise self.refused()
        shown = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "") + path


class Upstream(Section):
    """One provider.  It is found by its name, which is its dialect's."""

    name: Annotated[str, Text(r"[a-z][a-z0-9_-]{0,31}", "a lower-case name")] = Field(
        alias="(name)", exclude=True
    )
    dialect: Annotated[str, Choice(*DIALECTS)] = setting(
        "The wire shape it speaks; the name where it is one.", "openai"
    )
    base_url: Annotated[str, BaseUrl()] = setting(
        "Where its API stands; with or without a trailing /v1 is the same."
    )
    api_key: Annotated[SecretStr, Secret()] | None = setting(
        "Our credential for it, as text or `{file: path}`; without one the caller's own passes"
        " through.",
        None,
    )

    @property
    def is_loopback(self) -> bool:
        """Whether it stands on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def named_upstreams(value: Any) -> Any:
    """Give each upstream the name it stands under.  Works on the tree, before validation."""
    if not isinstance(value, dict):
        return value
    return {name: _named(name, one) for name, one in value.items()}


def _named(name: str, one: Any) -> Any:
    return {**one, NAME: name} if isinstance(one, dict) else one


def upstream_problems(upstreams: Mapping[str, Upstream]) -> Iterator[tuple[str, str]]:
    """What is wrong with them together, as (path, sentence)."""
    for name, upstream in upstreams.items():
        if name != upstream.dialect:
            yield (
                f"upstreams.{name}",
                "would receive no request: an upstream is found by its name, and this version"
                f" knows {', '.join(DIALECTS)}",
            )
