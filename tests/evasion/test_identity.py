"""Another tenant's budget, or nobody's: keys, labels and paths say one thing or are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from s4fw.core.exchange import Exchange
from s4fw.core.verdict import Block
from tests.evasion.bench import Bench
from tests.evasion.intakes import CHAT, CONVERSE, INTAKES, Intake

PINNED, FREE = "sk-pinned-0123456789", "sk-free-0123456789"
KEYS = [
    {"id": "pinned", "sha256": hashlib.sha256(PINNED.encode()).hexdigest(), "tenant": "acme"},
    {
        "id": "free",
        "sha256": hashlib.sha256(FREE.encode()).hexdigest(),
        "may_set": ["tenant", "session"],
    },
]
KNOWN = {"known": {"tenant": ["acme", "globex"]}}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A key that pins its tenant, and one that may say it."""
    made = Bench(tmp_path_factory.mktemp("identity"), keys=KEYS, attribution=KNOWN)
    with made.play:
        yield made


def ask(
    bench: Bench, *headers: tuple[str, str], intake: Intake = CHAT, prefix: str = ""
) -> Exchange | Block:
    """The honest request with these headers only."""
    attempt = intake.attempt(headers=(*intake.headers, *headers))
    if prefix:
        attempt = type(attempt)(prefix + attempt.path, attempt.body, attempt.headers)
    return let_go(bench, bench.ask(attempt))


def let_go(bench: Bench, found: Exchange | Block) -> Exchange | Block:
    """Nothing of it was sent: give back what is held."""
    if isinstance(found, Exchange) and found.block is None:
        bench.play.end(found)
    return found


def key(value: str) -> tuple[str, str]:
    """The usual way to send one."""
    return "authorization", f"Bearer {value}"


def code(found: Exchange | Block) -> str:
    """Why it was refused, empty when it was not."""
    block = found if isinstance(found, Block) else found.block
    return "" if block is None else block.code.name


@pytest.mark.parametrize("intake", INTAKES, ids=[intake.name for intake in INTAKES])
@pytest.mark.parametrize("tenant", ["globex", "ACME", "acme ", "acme,globex", "", "unattributed"])
@pytest.mark.parametrize("how", ["header", "path", "baggage"])
def test_pinned_key_never_pays_for_another_tenant(
    bench: Bench, intake: Intake, tenant: str, how: str
) -> None:
    """Whatever a request says: refused, or acme pays."""
    if how == "path":
        found = ask(bench, key(PINNED), intake=intake, prefix=f"/t/{tenant.replace(' ', '%20')}")
    else:
        name = "x-s4fw-tenant" if how == "header" else "baggage"
        value = tenant if how == "header" else f"s4fw.tenant={tenant},tenant={tenant}"
        found = ask(bench, key(PINNED), (name, value), intake=intake)
    assert code(found) or (
        isinstance(found, Exchange) and found.attribution.get("tenant") == "acme"
    )


@pytest.mark.parametrize(
    ("said", "paid"),
    [
        ("globex", "globex"),
        ("acme", "acme"),
        ("acme2", "unattributed"),
        ("ACME", "unattributed"),
        ("acme\u200b", "unattributed"),
        ("a" * 500, "unattributed"),
        ("../acme", "unattributed"),
        ("other", "unattributed"),
    ],
)
def test_made_up_tenant_gets_no_budget_of_its_own(bench: Bench, said: str, paid: str) -> None:
    """A fresh value must not be a fresh budget."""
    attempt = ("x-s4fw-tenant", said.encode().decode("latin-1"))
    found = ask(bench, key(FREE), attempt)
    assert isinstance(found, Exchange)
    assert code(found) or paid == found.attribution.get("tenant")


@pytest.mark.parametrize(
    "headers",
    [
        (key(PINNED), ("x-api-key", FREE)),
        (key(PINNED), ("x-s4fw-key", FREE)),
        (key(PINNED), ("api-key", FREE)),
        (("x-api-key", PINNED), ("api-key", FREE)),
        (("x-api-key", PINNED), ("x-s4fw-key", FREE)),
        (key(PINNED), ("x-api-key", "x")),
        (("x-api-key", "x"), ("x-s4fw-key", FREE)),
    ],
)
def test_two_different_keys_are_refused(bench: Bench, headers: tuple[tuple[str, str], ...]) -> None:
    """EV-078: the richer one would be the attacker's choice."""
    assert "invalid_request_error" == code(ask(bench, *headers))


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            PINNED[:-1],
            PINNED + "0",
            PINNED.upper(),
            f"{PINNED},{FREE}",
            f"{PINNED} {FREE}",
        ),
        *(hashlib.sha256(PINNED.encode()).hexdigest(), "pinned", "' OR 1=1 --", "*", "null", "%00"),
        *(f"{PINNED}\x00", "${jndi:ldap://a}", "{{7*7}}", "sk-" + "a" * 5000),
    ],
)
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-s4fw-key", "api-key"])
def test_what_is_not_exactly_a_key_is_none(bench: Bench, name: str, value: str) -> None:
    """EV-081: compared whole and by digest; the digest itself opens nothing."""
    given = f"Bearer {value}" if name == "authorization" else value
    assert code(ask(bench, (name, given))) in ("invalid_api_key", "invalid_request_error")


@pytest.mark.parametrize(
    "prefix",
    [
        *("/t/globex/t/acme", "/t/acme/t/acme", "/t//f/x", "/t/acme/..", "/t/acme/../t/globex"),
        *("/t/%61cme/t/acme", "/t/ac%00me", "/t/%2e%2e", "/t/acme%2f..%2f..", "/t/" + "a" * 200),
        *("/t/acme%0d%0a", "/T/acme", "/t/acme/x/y", "/tenant/acme", "//t/acme", "/t/a%zz", "/t/%"),
    ],
)
def test_path_that_can_be_read_twice_is_refused(bench: Bench, prefix: str) -> None:
    """A label in the path is cut out raw, once; all else is not a route."""
    found = ask(bench, key(FREE), prefix=prefix)
    assert code(found) or (
        isinstance(found, Exchange) and found.attribution.get("tenant") == "unattributed"
    )


def test_header_and_path_that_disagree_are_refused(bench: Bench) -> None:
    """Which of them would pay is anybody's guess."""
    found = ask(bench, key(FREE), ("x-s4fw-tenant", "acme"), prefix="/t/globex")
    assert code(found) in ("attribution_conflict", "invalid_request_error")


@pytest.mark.parametrize(
    "model",
    [
        *("anthropic.claude-haiku-4-5-20251001-v1%253A0", "a%2Fb%2Finvoke", "..%2Fx", "%2e%2e"),
        *("a%00", "a%0d%0aX:y", "a%20b", "%E2%80%AEx", "a/../../b", "a%5cb", "a;b", "a%3Fb"),
        *("arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aguardrail%2Fx", "", "%", "%zz", "a" * 3000),
        *("arn:aws:bedrock:us-east-1:1:inference-profile/../../x", "prompt%2Fabc", "a%252fb"),
    ],
)
@pytest.mark.parametrize("what", ["converse", "invoke", "converse-stream"])
def test_model_in_a_path_is_decoded_once_and_priced_or_refused(
    bench: Bench, model: str, what: str
) -> None:
    """EV-055: what AWS would decode again must not be another model or another operation."""
    attempt = CONVERSE.attempt(headers=(key(FREE),))
    raw = type(attempt)(f"/model/{model}/{what}", attempt.body, attempt.headers)
    assert code(let_go(bench, bench.ask(raw)))


def test_deployment_in_the_path_wins_over_the_model_in_the_body(bench: Bench) -> None:
    """Azure runs what the path names: a cheap name in the body must not set the price."""
    body = CHAT.changed(model="mock-small")
    attempt = CHAT.attempt(body, headers=(key(FREE),))
    path = "/openai/deployments/mock-large/chat/completions"
    dear = let_go(bench, bench.ask(type(attempt)(path, attempt.body, attempt.headers)))
    assert isinstance(dear, Exchange)
    cheap = let_go(bench, bench.ask(attempt))
    assert isinstance(cheap, Exchange)
    assert code(dear) or dear.quote_nusd > 9 * cheap.quote_nusd
