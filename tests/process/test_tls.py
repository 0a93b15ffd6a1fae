"""`serve` with TLS, for real: the SDK over https, a renewed certificate, pairs that are refused."""

from __future__ import annotations

import http.client
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
import trustme

from tests.harness import Firewall, chat_body, firewall_config, quiesce, wait_until

Start = Callable[..., Firewall]

ALL = [{"id": "all", "per": [], "window": "month", "limit_usd": "10"}]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def written(folder: Path, authority: trustme.CA, name: str) -> dict[str, Any]:
    """Write a pair whose certificate has this name, too; returns the `server` section."""
    leaf = authority.issue_cert("127.0.0.1", name)
    (folder / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key = folder / "key.pem"
    key.write_bytes(leaf.private_key_pem.bytes())
    key.chmod(0o600)
    return {"tls": {"cert": str(folder / "cert.pem"), "key": str(key)}, "workers": 2}


def names(proxy: Firewall, trusting: ssl.SSLContext) -> set[str]:
    """The names in the certificate that a new connection meets."""
    connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=5, context=trusting)
    try:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
        certificate: Any = connection.sock.getpeercert()
        return {name for kind, name in certificate["subjectAltName"] if kind == "DNS"}
    finally:
        connection.close()


def reloads(proxy: Firewall) -> list[Any]:
    return [e for e in proxy.admin("/v1/events")["events"] if e["kind"] == "reload"]


def test_sdk_over_https_with_labels_in_its_base_url(
    firewall: Start, tmp_path: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """The whole way of a request, plain and streamed, settled to the token."""
    per_tenant = [{"id": "tenant", "per": ["tenant"], "window": "day", "limit_usd": "1"}]
    proxy = firewall(budgets=per_tenant, server=written(tmp_path, authority, "one.test"))
    assert proxy.url.startswith("https://")
    with openai.DefaultHttpxClient(verify=trusting) as http_client:
        client = openai.OpenAI(
            base_url=f"{proxy.url}/t/acme/v1",
            api_key="sk-test",
            http_client=http_client,
            max_retries=0,
        )
        body = chat_body()
        answer = client.chat.completions.create(**body)
        assert answer.usage is not None
        stream = client.chat.completions.create(**body, stream=True)
        assert [event for event in stream if event.choices]
        assert http_client.head(proxy.url + "/").status_code == 200
    quiesce(proxy)
    (entry,) = proxy.budgets()
    assert {"tenant": "acme"} == entry["scope"]
    assert entry["spent_nusd"] > 0
    assert 0 == entry["accrued_nusd"] == entry["held_nusd"]


def test_reload_takes_a_renewed_certificate_and_refuses_a_broken_one(
    firewall: Start, tmp_path: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """Certificates live for weeks, firewalls for months; a half-written pair changes nothing."""
    proxy = firewall(firewall_config(NOWHERE, ALL, server=written(tmp_path, authority, "one.test")))
    pids = proxy.pids()
    assert "one.test" in names(proxy, trusting)
    written(tmp_path, authority, "two.test")
    proxy.reload()
    wait_until(lambda: reloads(proxy), "every worker has acknowledged")
    for _ in range(8):  # whichever worker answers
        assert "two.test" in names(proxy, trusting)
    (tmp_path / "key.pem").write_bytes(authority.issue_cert("x").private_key_pem.bytes())
    proxy.reload()
    wait_until(lambda: "does not belong to the certificate" in proxy.stderr(), "it says why")
    assert "two.test" in names(proxy, trusting)
    assert pids == proxy.pids()
    proxy.kill_worker()  # one that is born now has the old pair, too, not the broken files
    proxy.wait_workers()
    for _ in range(8):
        assert "two.test" in names(proxy, trusting)


def test_drain_over_tls_ends_in_time(
    firewall: Start, tmp_path: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """An idle connection of a caller that never says goodbye must not hold a shutdown."""
    proxy = firewall(firewall_config(NOWHERE, ALL, server=written(tmp_path, authority, "one.test")))
    connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=5, context=trusting)
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    proxy.signal(signal.SIGTERM)
    assert 0 == proxy.wait(5)
    connection.close()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("missing.pem", "server.tls.key: names a file that cannot be read"),
        ("other.pem", "server.tls: has a key that does not belong to the certificate"),
    ],
)
def test_start_with_a_pair_that_cannot_be_used_exits_78(
    tmp_path: Path, authority: trustme.CA, key: str, sentence: str
) -> None:
    """Before a port is taken, with the line of the file."""
    server = written(tmp_path, authority, "one.test")
    other = authority.issue_cert("other.test").private_key_pem.bytes()
    (tmp_path / "other.pem").write_bytes(other)
    server["tls"]["key"] = str(tmp_path / key)
    proxy = Firewall(tmp_path, firewall_config(NOWHERE, ALL, server=server))
    proxy.start(wait=False)
    assert 78 == proxy.wait(10)
    assert sentence in proxy.stderr()
    proxy.stop()
