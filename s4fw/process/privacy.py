"""Keep content out of core files, and provider keys out of the environments of children."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterable, MutableMapping

_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PART_CHARS_MIN = 8  # of a variable that is only a part of a secret: `api_key: sk-${REST}`
_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK")

_libc = ctypes.CDLL(None, use_errno=True)


def forbid_core_files() -> None:
    """No core file, no ptrace by others of the same user; inherited over fork."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def set_process_name(name: str) -> None:
    """The name in `ps` and `top`, cut by the kernel at 15 bytes."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def scrub_environment(env: MutableMapping[str, str], secrets: Iterable[str]) -> None:
    """Remove the variables that hold one of `secrets`, or a good part of one, from `env` and from
    /proc/PID/environ.

    The master keeps its own copy for the next reload; children and their crash reporters see none.
    """
    values = {secret for secret in secrets if secret}
    for name in [name for name, value in env.items() if _gives_away(value, values)]:
        _wipe(name)
        del env[name]


def _gives_away(value: str, secrets: Iterable[str]) -> bool:
    if len(value) < _PART_CHARS_MIN:  # a word that happens to stand in a secret
        return value in secrets
    return any(value in secret for secret in secrets)


def forget_credentials(env: MutableMapping[str, str]) -> None:
    """Remove the AWS credentials from the environment of a child that does not look for them."""
    for name in _AWS_SECRETS:
        if name in env:
            _wipe(name)
            del env[name]


def _wipe(name: str) -> None:
    """Overwrite the value where the kernel shows it: unsetenv(3) alone leaves the bytes there."""
    start = os.fsencode(name) + b"="
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(_libc, "environ")
    index = 0
    while environ and (address := environ[index]):
        text = ctypes.string_at(address)
        if text.startswith(start):
            ctypes.memset(address + len(start), ord("x"), len(text) - len(start))
        index += 1
