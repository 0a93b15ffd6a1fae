"""RES-*: what a machine runs out of."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.chaos import scene as s
from tests.chaos.oracle import CANARY
from tests.chaos.plays_client import memory_bytes
from tests.chaos.scene import Crowd, Scene, ask, streams, usd, worst
from tests.harness import Firewall, Simulator, chat_body, chat_request, send_all, wait_until
from tests.harness.client import Answer
from tests.harness.process import is_alive

DESCRIPTORS = 256
CGROUPS = Path("/sys/fs/cgroup")
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOCAL_PORTS = 200
_CLONE_NEWNET, _SIOCSIFFLAGS, _IFF_UP = 0x4000_0000, 0x8914, 0x1


class Limited(Firewall):
    """A firewall whose processes may open few descriptors."""

    def start(self, *, wait: bool = True) -> None:
        if self.args[0] != "prlimit":
            self.args = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *self.args]
        super().start(wait=wait)


def few_descriptors(scene: Scene) -> str:
    """RES-04: many more callers than descriptors; those that were there go on."""
    clients = scene.either(1000, 400)
    proxy = scene.firewall(kind=Limited, server={"workers": 1})
    held = {"content": f"{CANARY} [[fault hold]]", "max_tokens": 5, "stream": True}
    with s.asking(proxy, **held) as first:
        scene.simulator.wait_held(1)
        request = chat_request(chat_body(content=CANARY, max_tokens=5))
        (worker,) = proxy.pids()
        began = _cpu_s(worker)
        answers = send_all(proxy.host, proxy.port, [request] * clients)
        spent_s = _cpu_s(worker) - began
        statuses = [a.status if isinstance(a, Answer) else 0 for a in answers]
        assert set(statuses) <= {200, 503, 0}, set(statuses)
        assert statuses.count(200) > 0, Counter(map(str, answers))
        wait_until(lambda: ask(proxy) == 200, "it recovers", timeout_s=10.0)
        scene.simulator.release()
        s.read_until(first, b"[DONE]")
    assert worker in proxy.pids()
    entry = scene.end(proxy, accrued_nusd=0)
    return (
        f"{statuses.count(200)} served, {statuses.count(503)} refused, {statuses.count(0)} closed, "
        f"{spent_s:.1f} s of processor; the stream lived; spent {usd(entry['spent_nusd'])}"
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state_full(scene: Scene) -> str:
    """RES-01: the disk of the sums is full for a while; rows wait in their rings."""
    state = scene.folder / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], check=True)
    try:
        paths = {"runtime": str(scene.folder / "runtime"), "state": str(state)}
        proxy = scene.firewall(paths=paths)
        assert 200 == ask(proxy)
        ballast = state / "ballast"
        _fill(ballast)
        for _ in range(20):
            assert 200 == ask(proxy)
        time.sleep(1.5)  # the sums are written once a second
        ballast.unlink()
        assert 200 == ask(proxy)
        entry = scene.end(proxy, accrued_nusd=0)
        total = proxy.admin("/v1/costs?by=model")["total"]
        assert 22 == total["requests"], total
        proxy.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)
    return f"22 rows, none lost, none twice; spent {usd(entry['spent_nusd'])}"


def _fill(path: Path) -> None:
    """Write until there is no more room."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def out_of_memory(scene: Scene) -> str:
    """CHA-13: the kernel kills one worker, which is in a group of its own with too little."""
    count = 6
    group = CGROUPS / "memory" / f"s4fw-chaos-{os.getpid()}"
    group.mkdir()
    try:
        proxy = scene.firewall()
        with streams(proxy, count):
            victim = max(
                (row for row in proxy.workers() if row["kind"] == "worker"),
                key=lambda row: row["in_flight"],
            )
            pid, lost = victim["pid"], victim["in_flight"]
            (group / "memory.limit_in_bytes").write_text(str(4 << 20))
            (group / "cgroup.procs").write_text(str(pid))
            request = chat_request(chat_body(content=CANARY + " " * (8 << 20), max_tokens=5))
            end_s = time.monotonic() + 20
            while is_alive(pid) and time.monotonic() < end_s:
                send_all(proxy.host, proxy.port, [request] * 4)
            assert not is_alive(pid), "the kernel did not kill it"
            proxy.wait_workers()
            assert proxy.budgets()[0]["accrued_nusd"] >= worst(lost)
            for other in proxy.pids():  # the streams of the others end in the same way
                os.kill(other, signal.SIGKILL)
            wait_until(lambda: proxy.budgets()[0]["held_nusd"] == 0, "nothing is held")
            proxy.wait_workers()
        entry = scene.end(proxy)
        assert entry["accrued_nusd"] >= worst(count)
        proxy.stop()
    finally:
        wait_until(lambda: _removed(group), "the group is empty")
    return f"{lost} × worst case and more, {usd(entry['accrued_nusd'])} accrued; replaced"


def _removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def little_processor(scene: Scene) -> str:
    """RES-10: all processes of the firewall share a fifth of one processor."""
    group = CGROUPS / "cpu" / f"s4fw-chaos-{os.getpid()}"
    group.mkdir()
    try:
        proxy = scene.firewall(server={"limits": {"loop_lag": "100ms"}})
        # A fifth of each second, at a stretch: everybody stands still for longer than `loop_lag`.
        (group / "cpu.cfs_period_us").write_text("1000000")
        (group / "cpu.cfs_quota_us").write_text("200000")
        for pid in proxy.tree():
            (group / "cgroup.procs").write_text(str(pid))
        with Crowd(proxy, 12) as crowd:
            time.sleep(scene.either(20, 4))
            statuses = crowd.stop()
        assert set(statuses) <= {200, 503, 0}, statuses
        assert statuses[503] > 0, statuses
        (group / "cpu.cfs_quota_us").write_text("-1")
        wait_until(lambda: ask(proxy) == 200, "it recovers", timeout_s=10.0)
        entry = scene.end(proxy, accrued_nusd=0)
        proxy.stop()
    finally:
        wait_until(lambda: _removed(group), "the group is empty")
    return f"{statuses[200]} served, {statuses[503]} shed; spent {usd(entry['spent_nusd'])}"


def memory_shed(scene: Scene) -> str:
    """RES-10: a bound on a worker's memory, below what it needs."""
    proxy = scene.firewall(server={"workers": 1, "limits": {"memory": "64MiB"}})
    (worker,) = proxy.pids()
    used = memory_bytes(worker)
    if used < 64 << 20:
        return f"a worker has {used >> 20} MiB only: nothing to shed"
    wait_until(lambda: ask(proxy) == 503, "it sheds", timeout_s=5.0)
    assert s.figure(proxy, "s4fw_shed_memory_total") > 0
    scene.end(proxy, accrued_nusd=0)
    return f"{used >> 20} MiB used, 64 MiB allowed: 503, nothing held"


def window_rolls_over(scene: Scene) -> str:
    """RES-07: streams begun in one minute end in the next, under load."""
    minute = [{"id": "all", "per": [], "window": "minute", "limit_usd": "1"}]
    month = {"id": "month", "per": [], "window": "month", "limit_usd": "10"}
    proxy = scene.firewall(budgets=[*minute, month])
    held = {"content": f"{CANARY} [[fault hold]]", "max_tokens": 5, "stream": True}
    with Crowd(proxy, 4, pause_s=0.01) as crowd, s.asking(proxy, **held) as spanning:
        scene.simulator.wait_held(1)
        first = int(time.time()) // 60
        while int(time.time()) // 60 == first:
            time.sleep(0.05)
        time.sleep(1.5)
        fresh = next(b for b in proxy.budgets() if b["id"] == "all")
        scene.simulator.release()
        s.read_until(spanning, b"[DONE]")
        statuses = crowd.stop()
    assert {200} == set(statuses), statuses
    assert fresh["charged_nusd"] < fresh["limit_nusd"]
    entry = scene.end(proxy, budget_id="month", accrued_nusd=0)
    return f"{statuses[200]} over midnight of a minute, spent {usd(entry['spent_nusd'])} in all"


def ports_exhausted(scene: Scene) -> str:
    """RES-05: in a network of its own, which has fewer ports than there are callers.

    Each caller has an address of its own, so that only the way to the upstream is short.
    """
    _enter_a_network()
    folder = scene.folder / "near"
    folder.mkdir()
    scene.simulator = scene.keep(Simulator(folder))  # the other one is in the other network
    proxy = scene.firewall()
    PORTS.write_text(f"50000 {50000 + LOCAL_PORTS - 1}")
    callers = LOCAL_PORTS + 60
    request = s.request_of(
        {"content": f"{CANARY} [[fault latency:6000]]", "max_tokens": 5}
    )  # takes long enough for all of them to be there at once
    with ExitStack() as stack:
        socks = []
        for number in range(callers):
            at = (f"127.1.{number // 250}.{1 + number % 250}", 0)
            address = (proxy.host, proxy.port)
            sock = stack.enter_context(socket.create_connection(address, 20, source_address=at))
            sock.sendall(request)
            socks.append(sock)
        statuses = Counter(int(s.read_all(sock)[0][9:12]) for sock in socks)
    assert {200, 503} == set(statuses), statuses
    assert statuses[200] <= LOCAL_PORTS
    wait_until(lambda: ask(proxy) == 200, "it recovers", timeout_s=10.0)
    assert 0 == s.figure(proxy, "s4fw_breaker_opened_total"), "the upstream was blamed"
    entry = scene.end(proxy, accrued_nusd=0)
    return (
        f"{callers} callers, {LOCAL_PORTS} ports: {statuses[200]} served, {statuses[503]} told to "
        f"come again; the upstream is not blamed; spent {usd(entry['spent_nusd'])}"
    )


def _enter_a_network() -> None:
    """Give this process, and what it starts, a network that nobody else is in (unshare(2))."""
    here = os.readlink("/proc/thread-self/ns/net")
    libc = ctypes.CDLL(None, use_errno=True)
    assert 0 == libc.unshare(_CLONE_NEWNET), os.strerror(ctypes.get_errno())
    assert here != os.readlink("/proc/thread-self/ns/net")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        up = struct.pack("16sh14x", b"lo", _IFF_UP)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, up)  # netdevice(7)


def can_enter_networks() -> bool:
    """Whether this machine lets us make one: tried in a process that then ends."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


def has_cgroups() -> bool:
    """Whether groups may be made here, as cgroup v1 has them."""
    probe = CGROUPS / "memory" / f"s4fw-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def can_mount() -> bool:
    """Whether a small disk can be had."""
    return os.geteuid() == 0 and shutil.which("mount") is not None
