"""What systemd is told."""

import os
import socket

from s4fw.process.sdnotify import Systemd


def test_ready_and_watchdog_reach_the_socket_systemd_gave(tmp_path):
    """Type=notify units wait for exactly these words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}
        ours = Systemd(env)
        assert ours.watchdog_s == 5.0
        ours.ready("2 workers")
        ours.watchdog()
        ours.close()
        assert [systemd.recv(99), systemd.recv(99)] == [b"READY=1\nSTATUS=2 workers", b"WATCHDOG=1"]


def test_without_systemd_nothing_is_sent_and_nothing_fails():
    """The same program runs in a terminal."""
    ours = Systemd({})
    ours.ready("fine")
    assert ours.watchdog_s is None


def test_watchdog_meant_for_another_process_is_ignored(tmp_path):
    """WATCHDOG_PID tells whose duty it is; a wrapper's is not ours."""
    env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    assert os.getpid() != 1
    ours = Systemd(env)
    assert ours.watchdog_s is None
    ours.close()
