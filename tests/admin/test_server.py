"""The listener against peers that are broken, slow, greedy or hostile."""

from __future__ import annotations

import json
import re
import socket
import threading
import time

import pytest

from s4fw.admin import server as admin_server
from tests.admin.scripted import TOKEN, listening, read_all

STATUS = b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"


def statuses(answers: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def test_every_answer_forbids_caching_and_sniffing() -> None:
    """Figures of an hour ago from some proxy are worse than none."""
    with listening(token=TOKEN) as server:
        for path in ("/healthz", "/v1/status", "/nothing"):
            headers = server.ask("GET", path)[1]
            assert "no-store" == headers["cache-control"]
            assert "nosniff" == headers["x-content-type-options"]


def test_keep_alive_answers_one_request_after_the_other() -> None:
    """A scraper holds its connection for months."""
    with listening() as server, server.connect() as peer:
        for _ in range(3):
            peer.sendall(STATUS)
            assert [200] == statuses(peer.recv(65536))


def test_pipelined_requests_are_all_answered_in_order() -> None:
    """Two requests in one segment are two requests."""
    with listening() as server:
        raw = STATUS + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + STATUS
        assert [200, 200, 200] == statuses(server.send_raw(raw))


def test_expect_continue_is_granted() -> None:
    """curl waits a second for it with larger bodies."""
    with listening(token=TOKEN) as server, server.connect() as peer:
        head = (
            f"POST /v1/freeze HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
            "content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 20\r\n\r\n"
        )
        peer.sendall(head.encode())
        assert [100] == statuses(peer.recv(65536))
        peer.sendall(b'{"everything": true}')
        assert [200] == statuses(peer.recv(65536))


def test_chunked_body_is_read() -> None:
    """Some clients never send a length."""
    with listening(token=TOKEN) as server:
        raw = (
            f"POST /v1/freeze HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
            "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            '14\r\n{"everything": true}\r\n0\r\n\r\n'
        )
        assert [200] == statuses(server.send_raw(raw.encode()))


def test_head_is_refused_without_a_body() -> None:
    """A HEAD with a body would be read as the start of the next answer."""
    with listening() as server:
        answer = server.send_raw(b"HEAD /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
        assert [405] == statuses(answer)
        assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /v1/status HTTP/9.9\r\nhost: x\r\n\r\n", 505),
        (b"GET /v1/status HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\na\x00b: c\r\n\r\n", 400),
        (b"GET /v1/st\x80tus HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (
            b"GET /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET /" + b"a" * 22_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", 431),
        (b"POST /v1/freeze HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n" + b"x" * 9999, 413),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000, 413),
    ],
)
def test_malformed_request_is_refused_once_and_the_connection_closed(
    raw: bytes, status: int
) -> None:
    """After bytes that cannot be read nobody knows where the next request would start."""
    with listening() as server:
        answer = server.send_raw(raw + STATUS)
        assert [status] == statuses(answer)
        assert "error" in json.loads(answer.partition(b"\r\n\r\n")[2])
        assert 200 == server.ask("GET", "/v1/status")[0]


def test_absolute_target_of_another_host_is_not_found() -> None:
    """The listener is no proxy."""
    with listening() as server:
        raw = b"GET http://169.254.169.254/v1/status HTTP/1.1\r\nhost: x\r\n\r\n"
        assert [404] == statuses(server.send_raw(raw))


def test_peer_that_leaves_in_the_middle_harms_nobody() -> None:
    """Cut before the head's end, in the body, and before reading the answer."""
    with listening(token=TOKEN) as server:
        for raw in (b"", b"GET /v1/st", STATUS[:-2], STATUS):
            with server.connect() as peer:
                peer.sendall(raw)
        assert 200 == server.ask("GET", "/healthz")[0]


def test_slow_head_is_cut_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then must not hold a connection for ever."""
    monkeypatch.setattr(admin_server, "READ_S", 0.3)
    with listening() as server, server.connect() as peer:
        started = time.monotonic()
        peer.sendall(b"GET /v1/status HT")
        dripping = threading.Event()

        def drip() -> None:
            while not dripping.wait(0.05):
                try:
                    peer.send(b"T")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert b"" == read_all(peer)
        except ConnectionResetError:
            pass  # closed with a drop of ours unread
        finally:
            dripping.set()
            thread.join()
        assert 0.2 < time.monotonic() - started < 5


def test_silent_connection_is_closed_when_it_idled_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who never asks makes room."""
    monkeypatch.setattr(admin_server, "IDLE_S", 0.2)
    with listening() as server, server.connect() as peer:
        assert b"" == peer.recv(1)


def test_connections_at_the_limit_the_oldest_idle_one_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody holding all connections open must not keep the operator out."""
    monkeypatch.setattr(admin_server, "CONNECTIONS_MAX", 4)
    with listening() as server:
        held = [server.connect() for _ in range(12)]
        try:
            assert 200 == server.ask("GET", "/v1/status")[0]
            assert b"" == held[0].recv(1)
        finally:
            for peer in held:
                peer.close()


def test_connections_at_the_limit_and_all_busy_the_oldest_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests that are sent slowly, again and again, must not keep the operator out either."""
    monkeypatch.setattr(admin_server, "CONNECTIONS_MAX", 2)
    with listening() as server:
        busy = [server.connect() for _ in range(2)]
        try:
            for count, peer in enumerate(busy, 1):
                peer.sendall(b"GET /v1/st")
                while sum(not c.is_idle for c in server.server._connections) < count:
                    time.sleep(0.002)
            assert 200 == server.ask("GET", "/v1/status")[0]
            assert b"" == busy[0].recv(1)
            assert 2 >= len(server.server._connections)
        finally:
            for peer in busy:
                peer.close()


def test_close_ends_open_connections_and_the_port() -> None:
    """A drained firewall leaves nothing behind."""
    with listening() as server:
        peer = server.connect()
        peer.sendall(STATUS)
        assert [200] == statuses(peer.recv(65536))
    assert b"" == peer.recv(1)
    peer.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_repr_tells_the_state() -> None:
    """What an operator sees in a debugger."""
    with listening() as server:
        expected = "<AdminServer serving connections=0 <Guard loopback, no token>>"
        assert expected == repr(server.server)
    assert repr(server.server).startswith("<AdminServer closed ")
