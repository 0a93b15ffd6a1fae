"""Becomes a service as systemd would start it, then is replaced by its program.

    python3 become.py SPEC PROGRAM ARGS...

Run as root by the system's own Python 3, which has libseccomp's binding (Debian: python3-seccomp).
SPEC is JSON: {uid, gid, nofile, umask, syscalls, families, env}.  What is done here is what
systemd's exec_child does for the directives that the tests name, in its order.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import sys

import seccomp  # type: ignore[import-not-found,unused-ignore]

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITIES_MAX = 64
PROT_WRITE, PROT_EXEC = 2, 4
CLONE_NEW = 0x7E020000  # all CLONE_NEW* flags but the one of time
SET_ID_BITS = 0o6000

libc = ctypes.CDLL(None, use_errno=True)


def refuse_rights(spec: dict[str, object]) -> None:
    """CapabilityBoundingSet=, AmbientCapabilities=, User=, Group=, NoNewPrivileges=."""
    for capability in range(CAPABILITIES_MAX):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    gid, uid = int(str(spec["gid"])), int(str(spec["uid"]))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def refuse_calls(names: list[str], families: list[int]) -> None:
    """SystemCallFilter=, MemoryDenyWriteExecute=, RestrictAddressFamilies=, RestrictNamespaces=,
    RestrictSUIDSGID=: what is not in the list fails with EPERM."""
    allowed = seccomp.ALLOW
    box = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    arg, eq, masked = seccomp.Arg, seccomp.EQ, seccomp.MASKED_EQ
    refined = {"mmap", "mprotect", "pkey_mprotect", "shmat", "socket", "clone", "clone3"}
    refined |= {"chmod", "fchmod", "fchmodat", "unshare", "setns"}
    for name in names:
        if name not in refined:
            try:
                box.add_rule(allowed, name)
            except (ValueError, RuntimeError, OSError):
                continue  # a call of another architecture, or newer than this libseccomp
    for written in (0, PROT_WRITE):  # never writable and executable at once
        box.add_rule(allowed, "mmap", arg(2, masked, PROT_WRITE | PROT_EXEC, written))
    box.add_rule(allowed, "mmap", arg(2, masked, PROT_WRITE | PROT_EXEC, PROT_EXEC))
    box.add_rule(allowed, "mprotect", arg(2, masked, PROT_EXEC, 0))  # nor executable later
    box.add_rule(allowed, "shmat", arg(2, masked, 0o100000, 0))
    for family in families:
        box.add_rule(allowed, "socket", arg(0, eq, family))
    box.add_rule(allowed, "clone", arg(0, masked, CLONE_NEW, 0))
    box.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")  # glibc then uses clone
    for name, place in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2)):
        if platform.machine() == "x86_64" or name != "chmod":
            box.add_rule(allowed, name, arg(place, masked, SET_ID_BITS, 0))
    box.load()


def main() -> None:
    spec = json.loads(sys.argv[1])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(spec["nofile"]) if most == resource.RLIM_INFINITY else min(most, spec["nofile"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))  # containers may not raise it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(spec["umask"], 8))
    refuse_rights(spec)
    refuse_calls(spec["syscalls"], spec["families"])
    os.execve(sys.argv[2], sys.argv[2:], spec["env"])


if __name__ == "__main__":
    main()
