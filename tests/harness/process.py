"""One program of ours as a real process tree: started, watched, and certainly gone afterwards.

The tree is a session of its own and every process of it carries a marker in its environment, so
that children are found whatever becomes of their parents, and nothing else is ever touched.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from tests.harness import undertaker
from tests.harness.wait import wait_until

ROOT = Path(__file__).parents[2]
_MARKER = "S4FW_TEST_TREE"


class Process:
    """`python -m s4fw ARGS`; `ready_line` is the line of stdout that begins with `ready_word`."""

    def __init__(
        self,
        args: list[str],
        *,
        folder: Path,
        ready_word: str,
        env: dict[str, str] | None = None,
        name: str = "s4fw",
        ready_timeout_s: float = 15.0,
    ) -> None:
        self.args = [sys.executable, "-m", "s4fw", *args]
        self.folder = folder
        self.env = env or {}
        self.name = name
        self.ready_line = ""
        self.stdout = b""
        self.leftover_timeout_s = 3.0  # how long children may outlive the first process
        self._marker = uuid.uuid4().hex
        self._ready_word = ready_word
        self._ready_timeout_s = ready_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # Life

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until it is ready; its stderr goes to a file in `folder`."""
        self._starts += 1
        self.ready_line, self.stdout = "", b""
        python_path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
        marked = {_MARKER: self._marker, "PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"}
        with self.stderr_path.open("wb") as stderr:
            self._process = subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self.folder,
                env={**os.environ, **marked, **self.env},
                start_new_session=True,
            )
        undertaker.tell(self._process.pid)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait for the ready line; fails with the end of stderr when it does not come."""
        end = time.monotonic() + self._ready_timeout_s
        while not self.ready_line:
            if not self._read_stdout(end - time.monotonic()):
                problem = f"{self.name} did not become ready\n{self.said()}"
                self.kill_everything()
                raise AssertionError(problem)
            for line in self.stdout.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(self._ready_word) and line.endswith("\n"):
                    self.ready_line = line.strip()
        self._on_ready(self.ready_line)

    def _on_ready(self, line: str) -> None:
        """Read addresses from the ready line; a subclass overrides it."""

    def terminate(self) -> None:
        """Send SIGTERM to the first process."""
        self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal to the first process of the tree."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Wait until the first process ends; returns its exit code, -N for signal N."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            problem = f"{self.name} did not end within {timeout_s} s\n{self.said()}"
            self.kill_everything()
            raise AssertionError(problem) from None

    def stop(self, timeout_s: float = 10.0) -> int | None:
        """End it in good order, if it still runs; fails when a process of the tree is left."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self.terminate()
        code = self.wait(timeout_s)
        self._close()
        try:
            wait_until(
                lambda: not self.tree(),
                f"{self.name} has left no process",
                timeout_s=self.leftover_timeout_s,
            )
        except AssertionError:
            self.kill_everything()
            raise
        return code

    def kill_everything(self) -> None:
        """SIGKILL every process of the tree, by pid, until none is left."""

        def is_empty() -> bool:
            pids = self.tree()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if self._process is not None:
                self._process.poll()  # reaps
            return not pids

        wait_until(is_empty, f"every process of {self.name} is dead")
        self._close()

    def _close(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    # Looking at it

    @property
    def pid(self) -> int:
        """The first process of the tree."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the first process still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def stderr_path(self) -> Path:
        """Where stderr of the latest start is."""
        return self.folder / f"{self.name}.{self._starts}.stderr"

    def stderr(self) -> str:
        """What it wrote to stderr since its latest start."""
        return self.stderr_path.read_text(errors="replace")

    def said(self) -> str:
        """The end of what it said, for a failing test."""
        text = self.stdout.decode(errors="replace")
        return f"--- stdout\n{text[-2000:]}\n--- stderr\n{self.stderr()[-6000:]}"

    def tree(self) -> list[int]:
        """Every live process of the tree; a zombie is not alive."""
        needle = f"{_MARKER}={self._marker}".encode()
        return [pid for pid in _all_pids() if self._has(pid, needle)]

    def _has(self, pid: int, needle: bytes) -> bool:
        try:
            state, _, _, session = _stat(pid)
            if state in "ZX":
                return False
            return int(session) == self.pid or needle in _environ(pid)
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _read_stdout(self, timeout_s: float) -> bool:
        """Read what is there; false when time is over or the pipe is closed."""
        assert self._process is not None
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        if not select.select([fd], [], [], max(0.0, timeout_s))[0]:
            return False
        data = os.read(fd, 65536)
        self.stdout += data
        return bool(data)

    def read_stdout(self) -> str:
        """Everything on stdout, to its end; only once the processes are about to end."""
        while self._read_stdout(5.0):
            pass
        return self.stdout.decode(errors="replace")


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """State, parent, process group and session of a process (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:  # another user's, or one that hides its memory: then by session
        return b""


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
