"""From text and files to a Config: what it means, what it hides, and that it travels."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from s4fw.cli.check import as_yaml
from s4fw.config import Config, ConfigErrors, load, parse
from s4fw.config.document import BYTES_MAX

SECRETS = {"OPENAI_API_KEY": "sk-very-secret", "ADMIN": "token-very-secret"}

FULL = """\
server:
  host: 127.0.0.1
  port: 8081
  workers: 3
  limits: {body: 1MiB, headers: 16KiB}
  timeouts: {headers: 500ms, total: 1h}
admin: {host: "::1", token: "${ADMIN}"}
upstreams:
  openai: {base_url: https://API.openai.com/v1/, api_key: "${OPENAI_API_KEY}"}
keys:
  - id: bot
    sha256: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    tenant: acme
    agent: bot
attribution: {max_values: {tenant: 5}, known: {tenant: [acme, globex]}}
budgets:
  - {id: all-month, per: [], window: month, limit_usd: 20000, owner: finance@example.com}
  - id: tenant-day
    per: [tenant]
    window: day
    limit_usd: 0.1
    overrides: {acme: 500}
    warn_at: [0.5, 0.95]
  - id: feature-day
    per: [tenant, feature]
    window: day
    limit_usd: 20
    mode: shadow
    overrides: [{feature: support, tenant: acme, limit_usd: 5}]
  - {id: session, per: [session], window: total, idle: 24h, limit_usd: "5"}
pricing:
  overrides: {my-model: {input_usd_per_mtok: 1, output_usd_per_mtok: 2.50, max_output_tokens: 4096}}
paths: {runtime: run}
"""
PLAIN = "upstreams: {openai: {base_url: https://api.openai.com}}\n"


def full() -> Config:
    return parse(FULL, "s4fw.yaml", SECRETS, Path("/etc/s4fw"))


def test_full_configuration_means_what_it_says() -> None:
    """Every unit is converted once, here; the rest of the firewall only sees integers."""
    config = full()
    assert (1 << 20, 16 << 10, 100) == (
        config.server.limits.body_bytes,
        config.server.limits.headers_bytes,
        config.server.limits.header_fields,
    )
    assert (0.5, 3600.0, 300.0) == (
        config.server.timeouts.headers_s,
        config.server.timeouts.total_s,
        config.server.timeouts.drain_s,
    )
    assert "https://api.openai.com" == config.upstreams["openai"].base_url
    assert "openai" == config.upstreams["openai"].name
    month, tenant, feature, session = config.budgets
    assert 20_000 * 10**9 == month.limit_nusd
    assert 100_000_000 == tenant.limit_nusd
    assert (500, 950) == tenant.warn_at
    assert [({"tenant": "acme"}, 500 * 10**9)] == [
        (o.scope, o.limit_nusd) for o in tenant.overrides
    ]
    assert [{"tenant": "acme", "feature": "support"}] == [o.scope for o in feature.overrides]
    assert (86_400, "total") == (session.idle_s, session.window)
    rates = config.pricing.overrides["my-model"]
    assert (1_000_000, 2_500_000, None) == (
        rates.input_pusd,
        rates.output_pusd,
        rates.cache_read_pusd,
    )
    assert Path("/etc/s4fw/run") == config.paths.runtime
    assert Path("/etc/s4fw/run/state") == config.paths.state


def test_max_values_keeps_the_defaults_of_other_dimensions() -> None:
    """Writing one bound must not remove the others."""
    assert {"tenant": 5, "feature": 1000, "customer": 10000, "session": 50000, "agent": 10000} == (
        full().attribution.max_values
    )


def test_may_set_leaves_out_what_the_key_pins() -> None:
    """The default would contradict a key that pins its agent."""
    assert frozenset({"session"}) == full().keys[0].may_set


def test_secrets_are_shown_nowhere() -> None:
    """Representations end up in logs, and the printed configuration in tickets."""
    config = full()
    shown = repr(config) + str(config) + as_yaml(config) + repr(config.digest)
    assert [] == [secret for secret in SECRETS.values() if secret in shown]
    assert "a" * 64 not in as_yaml(config)
    token = config.admin.token
    assert token is not None
    assert "token-very-secret" == token.get_secret_value()


def test_printed_configuration_reads_back_the_same() -> None:
    """`check --print` is what is in effect, not a description of it."""
    text = FULL.replace('token: "${ADMIN}"', "").replace(', api_key: "${OPENAI_API_KEY}"', "")
    text = text.replace(text[text.index("keys:") : text.index("attribution:")], "")
    config = parse(text, "s4fw.yaml", {}, Path("/etc/s4fw"))
    assert config == parse(as_yaml(config), "s4fw.yaml", {}, Path("/elsewhere"))


def test_configuration_survives_pickling_whole() -> None:
    """The master sends it to its children on a reload."""
    config = full()
    copy = pickle.loads(pickle.dumps(config))
    assert config == copy
    assert config.digest == copy.digest
    secret = copy.upstreams["openai"].api_key
    assert secret is not None
    assert "sk-very-secret" == secret.get_secret_value()


def test_configuration_is_frozen() -> None:
    """It is replaced whole on a reload, and nothing else may change it."""
    with pytest.raises(ValidationError):
        full().server.port = 1


def test_digest_changes_with_a_limit_but_not_with_a_secret() -> None:
    """It tells operators whether two instances run the same rules, and nothing of their keys."""
    config = full()
    other = {**SECRETS, "OPENAI_API_KEY": "sk-another"}
    assert config.digest == parse(FULL, "s4fw.yaml", other, Path("/etc/s4fw")).digest
    lower = FULL.replace("20000", "19999")
    assert config.digest != parse(lower, "s4fw.yaml", SECRETS, Path("/etc/s4fw")).digest


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_base_url_with_or_without_v1_is_the_same(tail: str) -> None:
    """People paste either; `/v1/v1/chat/completions` would be a puzzling 404."""
    config = parse(f"upstreams: {{openai: {{base_url: 'http://127.0.0.1:9{tail}'}}}}", "x", {})
    assert "http://127.0.0.1:9" == config.upstreams["openai"].base_url


def test_secret_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    """systemd credentials and mounted secrets are files, with a newline at the end."""
    (tmp_path / "key").write_text("sk-from-file\n")
    path = tmp_path / "s4fw.yaml"
    path.write_text("upstreams: {openai: {base_url: https://a.example, api_key: {file: key}}}")
    config = load(path, {})
    secret = config.upstreams["openai"].api_key
    assert secret is not None
    assert "sk-from-file" == secret.get_secret_value()
    assert str(path) == config.source_path


def test_variable_is_never_read_as_yaml() -> None:
    """What stands in the environment cannot add keys, lists or comments."""
    text = PLAIN + 'budgets: [{id: a, per: [], window: day, limit_usd: 1, owner: "${OWNER}"}]'
    config = parse(text, "x", {"OWNER": "[a, b] # {limit_usd: 2}"})
    assert "[a, b] # {limit_usd: 2}" == config.budgets[0].owner


def test_variable_written_with_two_dollars_stays_as_it_is() -> None:
    """There must be a way to write the two characters."""
    text = PLAIN + "budgets: [{id: a, per: [], window: day, limit_usd: 1, owner: 'a $${B} c'}]"
    assert "a ${B} c" == parse(text, "x", {}).budgets[0].owner


def test_unquoted_numbers_and_words_are_text_where_text_belongs() -> None:
    """YAML reads `no` as false and 007 as 7; a tenant of that name stays what it is."""
    config = parse(PLAIN + "attribution: {known: {tenant: [no, 007, 1.0]}}", "x", {})
    assert frozenset({"no", "007", "1.0"}) == config.attribution.known["tenant"]


def test_missing_file_is_one_problem_without_a_line(tmp_path: Path) -> None:
    """A wrong path is the most common mistake of all."""
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "none.yaml", {})
    assert [(None, "cannot be read: No such file or directory")] == [
        (p.line, p.message) for p in caught.value.problems
    ]


def test_bytes_that_are_no_text_are_one_problem_with_its_line(tmp_path: Path) -> None:
    """Latin-1 editors still exist."""
    path = tmp_path / "s4fw.yaml"
    path.write_bytes(b"server:\n  host: \xff\n")
    with pytest.raises(ConfigErrors) as caught:
        load(path, {})
    assert [(2, "is not UTF-8 text")] == [(p.line, p.message) for p in caught.value.problems]


def test_huge_text_is_refused_unread() -> None:
    """A wrong file name, such as a log's, must not cost minutes."""
    with pytest.raises(ConfigErrors, match="larger than 1 MiB"):
        parse("#" * (BYTES_MAX + 1), "x", {})


def test_byte_order_mark_does_no_harm() -> None:
    """Some editors write one; it is invisible."""
    assert "openai" in parse("\ufeff" + PLAIN, "x", {}).upstreams


def test_errors_pickle() -> None:
    """They may cross a process boundary on a reload."""
    with pytest.raises(ConfigErrors) as caught:
        parse("a: 1", "x", {})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert caught.value.problems == copy.problems


def test_printed_configuration_is_yaml() -> None:
    """Numbers stand there as numbers."""
    shown = yaml.safe_load(as_yaml(full()))
    assert 0.1 == shown["budgets"][1]["limit_usd"]
    assert [0.5, 0.95] == shown["budgets"][1]["warn_at"]
