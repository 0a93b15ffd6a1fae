"""The paths of OpenAI's shapes: its own, those on Bedrock's host, and Azure's."""

from __future__ import annotations

import re
from typing import Final

from s4fw.core.dialect import Route
from s4fw.dialects.openai.shapes import Chat, Completions, Embeddings, OpenAI, Responses

OPENAI: Final = OpenAI()  # of routes without money
CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES = Chat(), Completions(), Embeddings(), Responses()

Methods = dict[bytes, Route]

# Below which path which provider speaks OpenAI: itself, Bedrock, and Azure where no deployment is
# named.  An upstream that a prefix or a rule names has prices of its own.
_BASES: Final = {b"/v1": "openai", b"/openai/v1": "bedrock", b"/openai": "openai"}

_MODEL: Final = re.compile(rb"(/v1|/openai/v1|/openai)/models/[A-Za-z0-9._:-]{1,128}")
_RESPONSE: Final = re.compile(
    rb"(/v1|/openai/v1|/openai)/responses/resp_[A-Za-z0-9_-]{1,256}(/input_items|/cancel)?"
)
_DEPLOYMENT: Final = re.compile(
    rb"/openai/deployments/([A-Za-z0-9._-]{1,64})/(chat/completions|completions|embeddings)"
)
_OF_DEPLOYMENT: Final[dict[bytes, tuple[str, OpenAI]]] = {
    b"chat/completions": ("openai.chat", CHAT),
    b"completions": ("openai.completions", COMPLETIONS),
    b"embeddings": ("openai.embeddings", EMBEDDINGS),
}


def table() -> dict[bytes, Methods]:
    """Raw path -> method -> route, for the paths without a name in them."""
    routes: dict[bytes, Methods] = {}
    for base, provider in _BASES.items():
        for path, method, name, dialect, is_metered in _ENDPOINTS:
            whole = base + path
            routes[whole] = {method: Route(name, dialect, is_metered, whole, provider)}
    return routes


_ENDPOINTS: Final[tuple[tuple[bytes, bytes, str, OpenAI, bool], ...]] = (
    (b"/chat/completions", b"POST", "openai.chat", CHAT, True),
    (b"/completions", b"POST", "openai.completions", COMPLETIONS, True),
    (b"/embeddings", b"POST", "openai.embeddings", EMBEDDINGS, True),
    (b"/responses", b"POST", "openai.responses", RESPONSES, True),
    (b"/responses/input_tokens", b"POST", "openai.input_tokens", OPENAI, False),
    (b"/moderations", b"POST", "openai.moderations", OPENAI, False),
    (b"/models", b"GET", "openai.models", OPENAI, False),
)


def of_named(path: bytes) -> Methods | None:
    """The routes of a path that holds a name: a deployment, a response, a model."""
    found = _DEPLOYMENT.fullmatch(path)
    if found is not None:
        name, dialect = _OF_DEPLOYMENT[found[2]]
        deployment = found[1].decode()  # it is the model, whatever the body says
        return {b"POST": Route(name, dialect, True, path, "openai", deployment)}
    found = _RESPONSE.fullmatch(path)
    if found is not None:
        return _of_response(path, found[1], found[2])
    found = _MODEL.fullmatch(path)
    if found is not None:
        return {b"GET": Route("openai.models", OPENAI, False, path, _BASES[found[1]])}
    return None


def _of_response(path: bytes, base: bytes, what: bytes | None) -> Methods:
    """A response that was made and charged before: to look at it, stop it or delete it is free."""
    route = Route("openai.response", OPENAI, False, path, _BASES[base])
    if what == b"/cancel":
        return {b"POST": route}
    return {b"GET": route} if what else {b"GET": route, b"DELETE": route}
