"""The runtime and the state directory: made private, and looked at before money is kept there."""

from __future__ import annotations

import json
import os
from pathlib import Path

from s4fw.process.exitcode import FAILED, Stop

# File systems that live in memory: a store into a mapped page never waits for a disk there.
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def made(path: Path) -> Path:
    """The directory, created with mode 0700 where it is missing.  Raises Stop."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise Stop(FAILED, f"cannot make the directory {path}: {fault.strerror}") from fault
    if not os.access(path, os.W_OK | os.X_OK):
        raise Stop(FAILED, f"cannot write to the directory {path}")
    return path


def is_disk_backed(path: Path) -> bool:
    """Whether write-back to a disk may stall a store into a file mapped from there."""
    return _file_system(path) not in _IN_MEMORY


def _file_system(path: Path) -> str:
    """The type of the file system with the longest mount point above `path`; proc(5) mountinfo."""
    real = str(path.resolve())
    best, kind = "", ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split()[4].encode().decode("unicode_escape")  # spaces come as \040
        is_above = mount == "/" or real == mount or real.startswith(mount + "/")
        if is_above and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old bytes or the new ones."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def write_ports(runtime: Path, data: int, admin: int) -> None:
    """Tell the commands which ports were chosen where the configuration says 0."""
    write_whole(runtime / "ports.json", json.dumps({"data": data, "admin": admin}).encode())


def is_same_boot(runtime: Path) -> bool:
    """Whether this directory was last used in the present boot.  Notes the boot for next time."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    noted = runtime / "boot"
    is_same = noted.exists() and noted.read_bytes() == boot
    write_whole(noted, boot)
    return is_same
