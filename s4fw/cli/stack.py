"""A firewall in front of the simulator, as two child processes, for trying things out.

Both end with this process: they are asked to when it ends properly, and the kernel tells them when
it does not (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PR_SET_PDEATHSIG = 1  # linux/prctl.h
READY_S = 30


class StackFailed(Exception):
    """A child did not come up; it has said why on stderr."""

    def __init__(self, what: str, exit_code: int) -> None:
        super().__init__(f"{what} did not start")
        self.exit_code = exit_code or 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """`python -m s4fw ARGS`, waited for until it prints its ready line."""

    def __init__(self, args: list[str], ready_word: str, stderr: int | None = None) -> None:
        self._name = f"s4fw {args[0]}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "s4fw", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to pass on, once
            preexec_fn=_die_with_parent,
        )
        self.ready = self._wait_ready(ready_word)

    def _wait_ready(self, word: str) -> list[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line.split()
        raise StackFailed(self._name, self.process.wait())

    def stop(self) -> None:
        """Ask it to end and wait; a child that does not end in time is killed."""
        self.process.terminate()
        try:
            self.process.wait(READY_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stack:
    """The two children and where they listen."""

    def __init__(self, simulator: Child, firewall: Child, config_path: Path) -> None:
        self.simulator = simulator
        self.firewall = firewall
        self.config_path = config_path
        self.simulator_url = simulator.ready[1]
        self.url, self.admin_url = firewall.ready[2], firewall.ready[4]


def _upstreams(url: str) -> dict[str, Any]:
    """Every provider is the simulator; what it would be given as credentials is anything."""
    return {
        "openai": {"base_url": url},
        "anthropic": {"base_url": url},
        "bedrock": {"base_url": url, "region": "us-east-1", "api_key": "simulated"},
    }


@contextlib.contextmanager
def running(
    folder: Path, config: dict[str, Any], *, pace: str = "fast", quiet: bool = False
) -> Iterator[Stack]:
    """Start both in `folder`; `config` gets its upstreams and its paths.  Raises StackFailed."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    simulator = Child(["sim", "--port", "0", "--pace", pace], "ready ")
    try:
        whole = {
            "upstreams": _upstreams(simulator.ready[1]),
            "paths": {"runtime": str(folder / "runtime"), "state": str(folder / "state")},
            **config,
        }
        path = folder / "s4fw.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        with (folder / "firewall.log").open("ab") as log:
            firewall = Child(
                ["serve", "-c", str(path)], "s4fw ready ", log.fileno() if quiet else None
            )
        try:
            yield Stack(simulator, firewall, path)
        finally:
            firewall.stop()
    finally:
        simulator.stop()


def wait_for_the_end(stack: Stack) -> int:
    """Wait until the firewall ends or a signal asks for it; returns its exit code."""
    asked = {signal.SIGINT, signal.SIGTERM}
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {*asked, signal.SIGCHLD})
    try:
        while stack.firewall.process.poll() is None:
            if signal.sigwait({*asked, signal.SIGCHLD}) in asked:
                stack.firewall.process.terminate()
                return stack.firewall.process.wait()
        return (
            os.EX_SOFTWARE
            if stack.firewall.process.returncode < 0
            else int(stack.firewall.process.returncode)
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
