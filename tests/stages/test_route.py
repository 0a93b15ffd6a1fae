"""Which upstream a request goes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from s4fw.core.dialect import Route as Governed
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES, match
from s4fw.stages.route import Route
from tests.playbook import Play

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
MODELS = ROUTES[b"/v1/models"][b"GET"]


@dataclass(frozen=True)
class Upstream:
    """A configured upstream."""

    name: str
    dialect: str = "openai"
    prefix: str | None = None
    models: tuple[str, ...] = ()


ALL = (
    Upstream("openai"),
    Upstream("azure", prefix="/azure", models=("gpt-4*", "o?-mini")),
    Upstream("second", models=("gpt-*",)),
    Upstream("anthropic", "anthropic"),
    Upstream("claude-eu", "anthropic", prefix="/eu"),
    Upstream("bedrock", "bedrock", models=("amazon.*",)),
)


def asked(
    stage: Route,
    model: str = "",
    prefix: bytes = b"",
    *,
    provider: str = "openai",
    governed: Governed = CHAT,
) -> Exchange | Block:
    request = Request(b"POST", b"/", b"", {})
    request.model, request.prefix = model, prefix
    x = Exchange(replace(governed, provider=provider), request)
    verdict = stage.admit(x)
    assert verdict is None or isinstance(verdict, Block)
    return verdict or x


@pytest.mark.parametrize(
    ("model", "prefix", "provider", "expected"),
    [
        ("mock-small", b"", "openai", "openai"),
        ("gpt-4o", b"", "openai", "azure"),
        ("o3-mini", b"", "openai", "azure"),
        ("o33-mini", b"", "openai", "openai"),
        ("gpt-5", b"", "openai", "second"),
        ("GPT-5", b"", "openai", "openai"),
        ("xgpt-5", b"", "openai", "openai"),
        ("mock-small", b"/azure", "openai", "azure"),
        ("claude-x", b"", "anthropic", "anthropic"),
        ("gpt-4o", b"", "anthropic", "anthropic"),
        ("claude-x", b"/eu", "anthropic", "claude-eu"),
        ("amazon.nova-pro-v1:0", b"", "bedrock", "bedrock"),
        ("", b"", "openai", "openai"),
    ],
)
def test_admit_prefix_then_model_then_name(
    model: str, prefix: bytes, provider: str, expected: str
) -> None:
    """Money follows the upstream: which one is asked must be readable from the configuration."""
    stage = Route(ALL)
    for _ in range(2):  # the second time it is remembered
        x = asked(stage, model, prefix, provider=provider)
        assert isinstance(x, Exchange)
        assert expected == x.upstream


@pytest.mark.parametrize(
    ("prefix", "provider"), [(b"/azure", "anthropic"), (b"/nobody", "openai"), (b"", "bedrock")]
)
def test_admit_what_no_upstream_takes_is_refused(prefix: bytes, provider: str) -> None:
    """A request never ends up where another shape is spoken; trying again cannot help."""
    block = asked(Route(ALL[:5]), "x", prefix, provider=provider)
    assert isinstance(block, Block)
    assert "endpoint_not_governed" == block.code.name


def test_admit_pattern_for_everything_takes_free_routes_too() -> None:
    """`models: ["*"]` makes an upstream of any name the one for its dialect."""
    x = asked(Route([Upstream("only", models=("*",))]), governed=MODELS)
    assert isinstance(x, Exchange)
    assert "only" == x.upstream
    assert Route.is_for_free_routes


def test_admit_long_model_names_are_not_remembered() -> None:
    """Names are the caller's text: making them up must not fill memory."""
    stage = Route(ALL)
    asked(stage, "x" * 257)
    assert not stage._remembered


def test_build_profile_is_priced_as_its_model_and_at_its_upstream(tmp_path: Path) -> None:
    """An application inference profile is opaque: only the configuration knows its model."""
    rates = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "max_output_tokens": 9}
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    model = "amazon.nova-lite-v1:0"
    bedrock = {"region": "us-east-1", "profiles": {arn: model}, "prices": {model: rates}}
    with Play(tmp_path, upstreams={"bedrock": bedrock}) as play:
        found = match(b"POST", f"/model/{quote(arn, safe='')}/converse".encode())
        assert isinstance(found, Governed)
        x = Exchange(found, Request(b"POST", b"/", b"", {}))
        x.request.body = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
        assert play.pipeline.admit(x) is None
        assert ("bedrock", model, 9) == (x.upstream, x.price.model, x.quote_tokens_out)
        assert x.attribution is not None
        assert (model, "bedrock") == (x.attribution.get("model"), x.attribution.get("provider"))
        play.pipeline.finish(x)
