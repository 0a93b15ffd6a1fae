"""Listening sockets of the workers."""

import socket

import pytest

from s4fw.process import sockets
from s4fw.process.exitcode import Stop


def test_listeners_share_one_free_port_for_port_0():
    """All workers answer on the port that is announced."""
    made = sockets.listeners("127.0.0.1", 0, 3, "server")
    assert len({s.getsockname() for s in made}) == 1
    for listener in made:
        listener.close()


def test_listeners_port_taken_by_a_listener_that_shares_is_refused(monkeypatch):
    """SO_REUSEPORT alone would silently take half of a stranger's traffic."""
    monkeypatch.setattr(sockets, "TAKEN_WAIT_S", 0.1)
    (stranger,) = sockets.listeners("127.0.0.1", 0, 1, "server")
    port = stranger.getsockname()[1]
    with pytest.raises(Stop, match=rf"127\.0\.0\.1:{port} \(server\): address already in use"):
        sockets.listeners("127.0.0.1", port, 2, "server")
    stranger.close()


def test_listeners_port_freed_within_the_wait_is_taken(monkeypatch):
    """Orphans of a killed master need a moment to close theirs."""
    (orphan,) = sockets.listeners("127.0.0.1", 0, 1, "server")
    port = orphan.getsockname()[1]
    monkeypatch.setattr(sockets.time, "sleep", lambda _: orphan.close())
    (taken,) = sockets.listeners("127.0.0.1", port, 1, "server")
    assert taken.getsockname()[1] == port
    taken.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_place_of_ipv6_is_in_brackets():
    """The ready line holds URLs that can be pasted."""
    try:
        (listener,) = sockets.listeners("::1", 0, 1, "server")
    except Stop:
        pytest.skip("no IPv6 loopback here")
    assert f"[::1]:{listener.getsockname()[1]}" == sockets.place_of(listener)
    listener.close()


def test_accepted_connection_inherits_probes_of_the_listener():
    """A caller who waits for minutes must not be forgotten by a gateway between."""
    (listener,) = sockets.listeners("127.0.0.1", 0, 1, "server")
    with listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert 1 == accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert 60 == accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
