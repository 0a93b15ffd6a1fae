"""The commands' end: what it sends, and that every failure is one sentence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from s4fw.admin.client import AdminClient, Refused, Unreachable
from tests.admin.scripted import TOKEN, listening


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """Something that answers one connection with these bytes, whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(raw)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(10)
        listener.close()


def test_get_with_the_token_gives_the_document() -> None:
    """The way of every command."""
    with listening(token=TOKEN) as server:
        assert "0.1.0" == AdminClient(server.url, TOKEN).get("/v1/status")["version"]


def test_get_encodes_its_parameters() -> None:
    """A value is a value, never a part of the query's structure."""
    with listening() as server, pytest.raises(Refused, match="by: one of"):
        AdminClient(server.url).get("/v1/costs", by="tenant&limit=1")


def test_post_sends_what_a_change_needs() -> None:
    """Token and content type: without either the listener refuses."""
    with listening(token=TOKEN) as server:
        frozen = AdminClient(server.url, TOKEN).post("/v1/freeze", {"everything": True})
        assert {"everything": True, "budgets": []} == frozen


def test_get_refused_raises_with_the_listeners_own_words() -> None:
    """What the listener says is what the person needs to know."""
    with listening(token=TOKEN) as server, pytest.raises(Refused) as refused:
        AdminClient(server.url).get("/v1/status")
    assert (401, "token_missing") == (refused.value.status, refused.value.code)


def test_get_nobody_listens_says_connection_refused() -> None:
    """The most common case of all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match=f"at http://127.0.0.1:{port}: connection refused"):
        AdminClient(f"http://127.0.0.1:{port}").get("/v1/status")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP as"),
        (b"", "no firewall answers"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "not the admin listener"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "not the admin listener"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", "not the admin listener"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", "the answer was cut"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "as a firewall does"),
    ],
)
def test_get_something_else_answers_says_so(raw: bytes, said: str) -> None:
    """A wrong port is found by the sentence, not by a traceback."""
    with answering(raw) as url, pytest.raises(Unreachable, match=said):
        AdminClient(url).get("/v1/status")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9090",
        "https://127.0.0.1:9090",
        "http://",
        "http://127.0.0.1:9090/v1/status",
        "http://user:pass@127.0.0.1:9090",
        "http://127.0.0.1:9090?x=1",
        "http://127.0.0.1:99999999",
    ],
)
def test_url_that_is_no_plain_address_is_refused(url: str) -> None:
    """Better a refusal than a token sent to a half-understood address."""
    with pytest.raises(ValueError, match=r".+"):
        AdminClient(url)


def test_repr_hides_the_token() -> None:
    """A repr ends up in logs."""
    assert "<AdminClient http://[::1]:9090 with token>" == repr(
        AdminClient("http://[::1]:9090", TOKEN)
    )
