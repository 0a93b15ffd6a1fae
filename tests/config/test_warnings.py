"""Warnings: above all, a cap that callers can step around by choosing another value."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from s4fw.config import parse

HASH = "a" * 64
UPSTREAM = "upstreams: {openai: {base_url: https://api.openai.com, api_key: k}}\n"
BOT = f"{{id: bot, sha256: '{HASH}', tenant: acme}}"
OTHER = f"{{id: b, sha256: '{'b' * 64}', may_set: [tenant]}}"
OPEN_BOT = f"{{id: bot, sha256: '{HASH}', may_set: [tenant]}}"
AGENT = f"{{id: bot, sha256: '{HASH}', agent: a}}"


def budget(per: str, mode: str = "enforce") -> str:
    return f"budgets: [{{id: b, per: [{per}], window: day, limit_usd: 1, mode: {mode}}}]\n"


def warned(text: str) -> str:
    return "\n".join(parse(UPSTREAM + text, "s4fw.yaml", {}).warnings)


FREE = "No enforced budget is free"


@pytest.mark.parametrize(
    ("text", "is_firm"),
    [
        ("", False),
        (budget(""), True),
        (budget("", "shadow"), False),
        (budget("tenant"), False),
        (budget("tenant") + f"keys: [{BOT}]", True),
        (budget("tenant") + f"keys: [{OPEN_BOT}]", False),
        (budget("tenant") + f"keys: [{BOT}, {OTHER}]", False),
        (budget("tenant") + "attribution: {known: {tenant: [acme]}}", True),
        (budget("tenant, feature") + "attribution: {known: {tenant: [acme]}}", False),
        (budget("key"), False),
        (budget("key") + f"keys: [{BOT}]", True),
        (budget("session") + f"keys: [{BOT}]", False),
        (budget("session") + "attribution: {known: {session: [s]}}", False),
        (budget("agent") + f"keys: [{BOT}]", False),
        (budget("agent") + f"keys: [{AGENT}]", True),
        (budget("model") + f"keys: [{BOT}]", False),
        (budget("provider"), True),
    ],
)  # fmt: skip
def test_budgets_that_callers_can_multiply_are_no_cap(text: str, is_firm: bool) -> None:
    """A fresh value is a fresh limit; only what callers cannot choose bounds the bill."""
    assert is_firm == (FREE not in warned(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (budget("key"), "Budget b never applies: it is per key, and there are no `keys`."),
        (
            budget("session") + f"keys: [{BOT[:-1]}, may_set: []}}]",
            "Budget b never applies: it is per session, and no key pins it or may set it.",
        ),
        (
            "budgets: [{id: b, per: [tenant], window: day, limit_usd: 1, overrides: {acne: 2}}]\n"
            "attribution: {known: {tenant: [acme]}}",
            "Budget b: no request has tenant acne of its overrides.",
        ),
        (
            "server: {host: 0.0.0.0, allow_anonymous: true}",
            "Everyone who reaches 0.0.0.0 spends with the credential of upstream openai",
        ),
    ],
)
def test_what_is_probably_not_meant_is_said(text: str, sentence: str) -> None:
    """Each is accepted, and each has cost somebody a day."""
    assert sentence in warned(text)


def test_plain_http_upstream_is_warned_of_only_beyond_this_machine() -> None:
    """The simulator on loopback is fine; a provider over http is not."""
    text = "upstreams: {openai: {base_url: 'http://%s'}}"
    away = parse(text % "10.0.0.7:8080", "x", {}).warnings
    here = parse(text % "127.0.0.1:8080", "x", {}).warnings
    assert [True, False] == [any("plain http" in w for w in said) for said in (away, here)]


def test_master_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    """Whoever reads it can call as every caller that signs; a group of the service may."""
    master = tmp_path / "master"
    master.write_text("m" * 44)
    text = (
        "server: {sigv4_master: {file: master}}\nupstreams: {openai: {base_url: https://a.example}}"
    )
    for mode, is_open in ((0o644, True), (0o640, False), (0o600, False)):
        master.chmod(mode)
        config = parse(text, "x", {}, tmp_path)
        assert is_open == any("chmod 600" in warning for warning in config.warnings)
        # The configuration travels to the workers, and keeps its secrets there.
        again = pickle.loads(pickle.dumps(config)).server.sigv4_master
        assert "m" * 44 == again.get_secret_value()
        assert "mmm" not in str(config) + repr(again)


@pytest.mark.parametrize(
    ("keys", "is_warned"), [("", False), (f"keys: [{BOT}]\n", True), (f"keys: [{OTHER}]\n", True)]
)
def test_body_field_that_no_key_may_set_is_warned_of(keys: str, is_warned: bool) -> None:
    """It would be accepted and do nothing."""
    said = warned(keys + "attribution: {body_fields: [user, prompt_cache_key]}")
    assert is_warned == ("lists user, but no key may_set customer" in said)
