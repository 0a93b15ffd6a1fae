"""Labels: what a request says about who pays, in the order of how far it is trusted.

    said     our own headers, x-s4fw-tags, and labels in the path: meant for us, so two that differ
             are refused, as is one against the caller's key
    hinted   `baggage`, and headers of other gateways where the operator named them: meant for
             others and perhaps set by others, so whatever does not fit is passed over
    in body  fields of the body that the operator named: text of the caller's users, of which only a
             keyed hash goes on

All of them are labels, never authority.  Nothing is parsed that is not there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from s4fw.config.attribution import BODY_FIELDS
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.errors import ATTRIBUTION_CONFLICT

# The dimensions that callers may name, and the header of each.
HEADERS: Final = {
    name: f"x-s4fw-{name}".encode()
    for name in ("tenant", "feature", "customer", "agent", "session")
}
TAGS: Final = b"x-s4fw-tags"
_BAGGAGE: Final = b"baggage"
# W3C Baggage 3.3.2: what everybody has to pass on; more of it is nobody's label.
_BAGGAGE_BYTES_MAX, _BAGGAGE_MEMBERS_MAX = 8192, 64

# Headers of other gateways and tools: of one dimension, of JSON members, of tags.
_ALIASES_OF_ONE: Final = {
    b"helicone-property-tenant": "tenant",
    b"helicone-property-feature": "feature",
    b"helicone-property-customer": "customer",
    b"helicone-session-id": "session",
    b"helicone-user-id": "customer",
    b"x-litellm-session-id": "session",
    b"x-litellm-agent-id": "agent",
    b"x-claude-code-session-id": "session",
    b"x-claude-code-agent-id": "agent",
}
_ALIASES_OF_JSON: Final = (
    b"x-portkey-metadata",
    b"cf-aig-metadata",
    b"x-litellm-spend-logs-metadata",
    b"x-amzn-bedrock-request-metadata",
)
_JSON_MEMBERS: Final = {name: name for name in HEADERS} | {
    "_user": "customer"
}  # _user: Portkey's own
_ALIAS_OF_TAGS: Final = b"x-litellm-tags"

_VALUE: Final = re.compile(rb"[A-Za-z0-9._:@/-]{1,128}")

NONE: Final[frozenset[str]] = frozenset()
Found = dict[str, bytes]  # dimension -> value as it came


def label(value: bytes) -> str | None:
    """A header's value as a label; what is no plain label is hashed, so that it stays distinct."""
    if not value:
        return None
    if _VALUE.fullmatch(value):
        return value.decode()
    return "h:" + hashlib.sha256(value).hexdigest()[:32]


def said(request: Request) -> Found | Block:
    """What the request says to us; refused where it says two things."""
    headers = request.headers
    found = {name: headers[header] for name, header in HEADERS.items() if header in headers}
    more = [(name, value.encode()) for name, value in request.labels_of_path.items()]
    if TAGS in headers:
        more += _pairs(headers[TAGS], b"=")
    for name, value in more:
        if found.setdefault(name, value) != value:
            return Block(ATTRIBUTION_CONFLICT, f"the request names two different values of {name}")
    return found


def _pairs(tags: bytes, sign: bytes) -> list[tuple[str, bytes]]:
    """The members of a comma list that name a dimension."""
    pairs = []
    for member in tags.split(b","):
        name, found, value = member.partition(sign)
        dimension = name.strip().decode("latin-1")
        if found and dimension in HEADERS:
            pairs.append((dimension, value.strip()))
    return pairs


def _from_tags(value: bytes) -> Found:
    return dict(reversed(_pairs(value, b":")))  # the first of a dimension counts


def _from_json(value: bytes) -> Found:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    found: Found = {}
    if isinstance(document, dict):
        for member, dimension in _JSON_MEMBERS.items():
            text = document.get(member)
            if isinstance(text, str) and text:
                found.setdefault(dimension, text.encode(errors="replace"))
    return found


def _from_baggage(value: bytes, is_plain: bool) -> Found:
    """Members s4fw.tenant and so on; after those, where wanted, the plain names."""
    if len(value) > _BAGGAGE_BYTES_MAX:
        return {}
    ours: Found = {}
    plain: Found = {}
    for member in value.split(b",")[:_BAGGAGE_MEMBERS_MAX]:
        name, found, text = member.partition(b";")[0].partition(b"=")
        dimension = name.strip().decode("latin-1")
        into = plain
        if dimension.startswith("s4fw."):
            dimension, into = dimension[5:], ours
        if found and dimension in HEADERS:
            into.setdefault(dimension, unquote_to_bytes(text.strip()))
    return plain | ours if is_plain else ours


def _of_one(dimension: str) -> Callable[[bytes], Found]:
    return lambda value: {dimension: value}


class Labels:
    """The hints and body fields that one configuration lets count."""

    def __init__(self, aliases: Sequence[str], body_fields: Sequence[str], hash_key: bytes) -> None:
        is_plain = "baggage" in aliases
        self._readers: list[tuple[bytes, Callable[[bytes], Found]]] = [
            (_BAGGAGE, lambda value: _from_baggage(value, is_plain))
        ]
        for alias in aliases:
            if alias != "baggage":
                self._readers.append((alias.encode(), _reader(alias.encode())))
        self._body_fields = [(field, BODY_FIELDS[field]) for field in body_fields]
        self._hash_key = hash_key
        self.headers = (*HEADERS.values(), TAGS, *(header for header, _ in self._readers))

    def hinted(self, headers: Mapping[bytes, bytes]) -> Found:
        """What is said to others; of two that name a dimension the first configured one counts."""
        found: Found = {}
        for header, read in self._readers:
            value = headers.get(header)
            if value:
                found = read(value) | found
        return found

    def in_body(
        self, labels: Mapping[str, str], known: Mapping[str, frozenset[str]]
    ) -> dict[str, str]:
        """The labels of the body's fields: hashed, but for values that the operator declared."""
        found: dict[str, str] = {}
        for field, dimension in self._body_fields:
            text = labels.get(field)
            if text and dimension not in found:
                found[dimension] = self._hidden(dimension, text, known.get(dimension, NONE))
        return found

    def _hidden(self, dimension: str, text: str, declared: frozenset[str]) -> str:
        if text in declared:
            return text
        data = text.encode(errors="surrogatepass")
        person = dimension.encode()
        return (
            "k:"
            + hashlib.blake2b(data, digest_size=16, key=self._hash_key, person=person).hexdigest()
        )


def _reader(alias: bytes) -> Callable[[bytes], Found]:
    if alias == _ALIAS_OF_TAGS:
        return _from_tags
    if alias in _ALIASES_OF_JSON:
        return _from_json
    return _of_one(_ALIASES_OF_ONE[alias])


ALIASES: Final = frozenset(
    alias.decode() for alias in (_BAGGAGE, *_ALIASES_OF_ONE, *_ALIASES_OF_JSON, _ALIAS_OF_TAGS)
)
