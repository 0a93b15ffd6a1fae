"""The service under the restrictions of its unit file, on a machine whose init is not systemd.

Theory of operation.  The directives are read from the unit itself.  bubblewrap builds the view of
the file system (ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices, the runtime and state
directories); `become.py` takes away what is taken from the process (user, capabilities, system
calls); then the command of ExecStart runs.  We play systemd at the other end of NOTIFY_SOCKET: the
kernel's credentials on each message say which process sent it.

Not done: PrivateUsers, cgroup rules (DevicePolicy, IPAddressDeny, OOMPolicy), ProtectProc.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.deploy.unit import Unit

SYSTEM_PYTHON = "/usr/bin/python3"
BECOME = Path(__file__).parent / "become.py"
UID = 971  # nobody's, in any passwd of the machine
# Of the root these are built anew, and of /etc only what programs need is shown.
_OWN_VIEW = frozenset(
    ("dev", "etc", "home", "lost+found", "media", "mnt", "proc", "root", "run", "srv", "sys", "tmp")
) | {"var"}
_ETC = ("hosts", "ld.so.cache", "nsswitch.conf", "passwd", "resolv.conf", "ssl", "localtime")
WATCHDOG_USEC = 2_000_000  # instead of WatchdogSec=30: a test does not wait that long


def missing() -> str:
    """What this machine lacks for it; empty when nothing."""
    if os.geteuid() != 0:
        return "needs root, to give rights up"
    for program, package in (("bwrap", "bubblewrap"), ("systemd-analyze", "systemd")):
        if shutil.which(program) is None:
            return f"needs {program} (Debian: apt-get install {package})"
    probe = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import seccomp"], capture_output=True, check=False
    )
    return "needs python3-seccomp" if probe.returncode else ""


@cache
def _calls_in(group: str) -> frozenset[str]:
    """The system calls of one of systemd's sets, those of the sets in it included."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    ).stdout
    names: set[str] = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            names |= _calls_in(word)
        elif word and not word.startswith("#"):
            names.add(word)
    return frozenset(names)


def allowed_calls(unit: Unit) -> list[str]:
    """What SystemCallFilter= leaves: the first line lists, `~` lines take away."""
    # Every filter of systemd allows these (systemd.exec, SystemCallFilter=).
    names = set(_calls_in("@default"))
    for line in unit.all("SystemCallFilter"):
        groups = [_calls_in(word) for word in line.lstrip("~").split()]
        merged = frozenset[str]().union(*groups)
        names = names - merged if line.startswith("~") else names | merged
    return sorted(names)


class Confined:
    """One life of the service; `folder` keeps its runtime and state directory over lives."""

    def __init__(self, unit: Unit, folder: Path, config: str, root: Path = Path("/")) -> None:
        self.unit = unit
        self.folder = folder
        self.root = root
        self.env: dict[str, str] = {}
        self.command = unit.one("ExecStart").split()
        self.views: list[str] = []  # further mounts, as arguments of bwrap; see `show`
        self.pid = 0
        for name in ("run", "state", "etc", "notify"):
            path = folder / name
            path.mkdir(exist_ok=True)
            os.chown(path, UID, UID)
            path.chmod(0o700)
        (folder / "etc" / "s4fw.yaml").write_text(config)
        os.chown(folder / "etc" / "s4fw.yaml", UID, UID)
        self._notices: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def show(self, path: Path) -> None:
        """Let it see a path of this machine, read only, where the unit's view would hide it."""
        for parent in reversed(path.parents[:-1]):
            if parent.parts[1] in _OWN_VIEW:
                self.views += ["--perms", "0755", "--dir", str(parent)]
        self.views += ["--ro-bind", str(path), str(path)]

    def start(self) -> None:
        """Start it; `wait_for(b"READY=1")` tells when it is ready."""
        address = self.folder / "notify" / "socket"
        address.unlink(missing_ok=True)
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notices.bind(str(address))
        os.chown(address, UID, UID)
        spec = {
            "uid": UID,
            "gid": UID,
            "nofile": int(self.unit.one("LimitNOFILE")),
            "umask": self.unit.one("UMask"),
            "syscalls": allowed_calls(self.unit),
            "families": [
                int(getattr(socket, name))
                for name in self.unit.one("RestrictAddressFamilies").split()
            ],
            "env": self._environment(),
        }
        become = [SYSTEM_PYTHON, "/run/become.py", json.dumps(spec)]
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                ["bwrap", *self._view(), "--", *become, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )

    def _environment(self) -> dict[str, str]:
        given = dict(line.split("=", 1) for line in self.unit.all("Environment"))
        return given | {
            "PATH": "/usr/bin:/bin",
            "RUNTIME_DIRECTORY": f"/run/{self.unit.one('RuntimeDirectory')}",
            "STATE_DIRECTORY": f"/var/lib/{self.unit.one('StateDirectory')}",
            "CONFIGURATION_DIRECTORY": f"/etc/{self.unit.one('ConfigurationDirectory')}",
            "NOTIFY_SOCKET": "/run/notify/socket",
            "WATCHDOG_USEC": str(WATCHDOG_USEC),
            **self.env,
        }

    def _view(self) -> Sequence[str]:
        """The file system as ProtectSystem=strict and its kin show it."""
        assert self.unit.one("ProtectSystem") == "strict"
        assert self.unit.is_on("ProtectHome")
        assert self.unit.is_on("PrivateTmp")
        assert self.unit.is_on("PrivateDevices")
        made: list[str] = []  # else bwrap makes the parents of mount points for root alone
        for name in ("/etc", "/run", "/root", "/var", "/var/lib"):
            made += ["--perms", "0755", "--dir", name]
        shown: list[str] = []
        for path in sorted(self.root.iterdir()):
            if path.name not in _OWN_VIEW:
                shown += ["--ro-bind", str(path.resolve()), f"/{path.name}"]
        for path in (self.root / "etc" / name for name in _ETC):
            if path.exists():
                shown += ["--ro-bind", str(path.resolve()), f"/etc/{path.name}"]
        return [
            *("--cap-add", "ALL", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
            *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", *made, *shown),
            *("--ro-bind", str(BECOME), "/run/become.py"),
            *("--bind", str(self.folder / "run"), f"/run/{self.unit.one('RuntimeDirectory')}"),
            *("--bind", str(self.folder / "state"), f"/var/lib/{self.unit.one('StateDirectory')}"),
            *("--ro-bind", str(self.folder / "etc"), "/etc/s4fw"),
            *("--bind", str(self.folder / "notify"), "/run/notify"),
            *self.views,
            *("--remount-ro", "/"),
        ]

    # What systemd hears and does

    def wait_for(self, words: bytes, timeout_s: float = 20.0) -> bytes:
        """The first message with these words; all before it are passed over.  Only the main
        process may speak (NotifyAccess=main), and it is known by its first message."""
        assert self._notices is not None
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._notices.settimeout(left_s)
            try:
                message, ancillary, _, _ = self._notices.recvmsg(4096, 256)
            except TimeoutError:
                break
            pid: int = struct.unpack("3i", ancillary[0][2][:12])[0]
            assert self.pid in (0, pid), f"{pid} spoke, not the main process {self.pid}"
            self.pid = pid
            if words in message:
                return message
        raise AssertionError(f"never said {words!r}\n{self.said()}")

    def signal(self, number: signal.Signals) -> None:
        """As ExecReload and KillMode=mixed do: to the main process only."""
        os.kill(self.pid, number)

    def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM, and wait; returns the exit code."""
        assert self._process is not None
        if self.pid and self._process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self._process.wait(timeout_s)
        self.pid = 0
        return code

    def kill(self) -> None:
        """Whatever is left of it goes: bwrap takes its children along."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "stderr").read_text("utf-8", "replace")[-3000:]

    # What it is

    def status(self) -> dict[str, str]:
        """/proc/PID/status of the main process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
