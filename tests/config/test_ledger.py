"""`ledger`: what it may say, and where files lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.config.changes import unreloadable_changes
from s4fw.config.load import parse
from s4fw.config.problem import ConfigErrors
from s4fw.config.schema import Config

BASE = "upstreams: {openai: {base_url: https://api.openai.com}}\npaths: {runtime: run, state: st}\n"


def parsed(section: str) -> Config:
    return parse(f"{BASE}ledger: {section}\n", "s4fw.yaml", {}, Path("/etc/s4fw"))


def test_ledger_is_off_and_lies_in_the_state_directory() -> None:
    """Nothing is written that nobody asked for, and a shared disk is not filled by surprise."""
    config = parsed("{}")
    assert not config.ledger.enabled
    assert not config.ledger.is_strict
    assert Path("/etc/s4fw/st/ledger") == config.ledger.directory(config.paths.state)
    assert Path("/etc/s4fw/st/ledger.key") == config.ledger.key_path(config.paths.state)


def test_names_are_relative_to_the_configuration() -> None:
    """The same file works from every directory."""
    config = parsed("{enabled: true, dir: audit, key: {file: keys/ledger.pem}}")
    assert Path("/etc/s4fw/audit") == config.ledger.directory(config.paths.state)
    assert Path("/etc/s4fw/keys/ledger.pem") == config.ledger.key_path(config.paths.state)


def test_refuse_is_the_default_and_drop_must_be_said() -> None:
    """A ledger with holes is a choice, not an accident."""
    assert parsed("{enabled: true}").ledger.is_strict
    assert not parsed("{enabled: true, when_full: drop}").ledger.is_strict


@pytest.mark.parametrize("prefix", ["audit", "audit/", "a/b"])
def test_object_names_have_one_slash_between_parts(prefix: str) -> None:
    """`audit//x` and `audit/x` are two objects to S3."""
    s3 = parsed(f"{{s3: {{bucket: b-1, prefix: {prefix}}}}}").ledger.s3
    assert s3 is not None
    assert f"{prefix.rstrip('/')}/c0/x.gz" == s3.key_of("c0", "x.gz")


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ("{when_full: wait}", "ledger.when_full"),
        ("{max_bytes: 1KiB}", "ledger.max_bytes"),
        ("{rotate: 10ms}", "ledger.rotate"),
        ("{fields: {agent: secret}}", "ledger.fields.agent"),
        ("{fields: {tools: omit}}", "ledger.fields.tools"),
        ("{s3: {prefix: x}}", "ledger.s3.bucket"),
        ("{s3: {bucket: UPPER}}", "ledger.s3.bucket"),
        ("{s3: {bucket: b-1, prefix: /x}}", "ledger.s3.prefix"),
        ("{s3: {bucket: b-1, region: here}}", "ledger.s3.region"),
        ("{key: ledger.pem}", "ledger.key"),
    ],
)
def test_what_makes_no_ledger_is_refused_by_its_path(section: str, place: str) -> None:
    """A mistake is found by `check`, not by an auditor a year later."""
    with pytest.raises(ConfigErrors) as refused:
        parsed(section)
    assert place in [problem.path for problem in refused.value.problems]


def test_reload_changes_bounds_and_fields_only() -> None:
    """Files and keys stay as they are while they are open."""
    old = parsed("{enabled: true}")
    new = parsed("{enabled: true, max_bytes: 2GiB, when_full: drop, fields: {agent: plain}}")
    assert [] == unreloadable_changes(old, new)
    for other in ("{}", "{enabled: true, dir: x}", "{enabled: true, s3: {bucket: b-1}}"):
        assert 1 == len(unreloadable_changes(old, parsed(other)))
