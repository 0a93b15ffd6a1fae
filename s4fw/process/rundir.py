"""The runtime and the state directory: made private, and files replaced whole."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from s4fw.ledger.records import is_on_tmpfs
from s4fw.process.exitcode import FAILED, Stop


def made(path: Path) -> Path:
    """The directory, created with mode 0700 where it is missing.  Raises Stop."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise Stop(FAILED, f"cannot make the directory {path}: {fault.strerror}") from fault
    if not os.access(path, os.W_OK | os.X_OK):
        raise Stop(FAILED, f"cannot write to the directory {path}")
    return path


def state_risk(runtime: Path, state: Path) -> str | None:
    """How the state could be lost together with the table: a sentence for people, or None.

    Either alone is enough to go on with (`opening`); without both every budget begins anew.
    Neither directory need exist.
    """
    remedy = "set paths.state, or $STATE_DIRECTORY as the systemd unit does, to one on a disk"
    if is_on_tmpfs(state):
        return (
            f"the state directory {state} is in memory: a reboot loses it together with the"
            f" counter table, and every budget begins anew; {remedy}"
        )
    if state.resolve().is_relative_to(runtime.resolve()):
        return (
            f"the state directory {state} lies in the runtime directory: whatever clears that"
            f" loses both, and every budget begins anew; {remedy} of its own"
        )
    return None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old bytes or the new ones."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def kept_key(path: Path) -> bytes:
    """The 32 random bytes kept in a file, made where there are none.  Raises Stop.

    A new key is a new name for every value that is hidden with it.
    """
    try:
        if not path.exists():
            write_whole(path, secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError as fault:
        raise Stop(FAILED, f"cannot read or make {path}: {fault.strerror}") from fault
    if len(key) != 32:
        raise Stop(FAILED, f"{path} does not hold 32 bytes; remove it for a new one")
    return key


def write_ports(runtime: Path, data: int, admin: int) -> None:
    """Tell the commands which ports were chosen where the configuration says 0."""
    write_whole(runtime / "ports.json", json.dumps({"data": data, "admin": admin}).encode())


def boot_id() -> str:
    """The name of the present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_same_boot(runtime: Path) -> bool:
    """Whether this directory was last used in the present boot."""
    noted = runtime / "boot"
    return noted.exists() and noted.read_text().strip() == boot_id()


def note_boot(runtime: Path) -> None:
    """Say for next time that this directory was used in the present boot."""
    write_whole(runtime / "boot", boot_id().encode() + b"\n")
