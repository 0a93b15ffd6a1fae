"""Programs that are started here and certainly end with this one.

Each is a session of its own, so that Ctrl-C reaches only us and we end them in order; the kernel
tells them when we die without a chance to (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from load.bench import cpu

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1  # linux/prctl.h
END_S = 10.0  # what a child gets to end by itself
READY_S = 20.0

_libc = ctypes.CDLL(None)


class ChildFailed(Exception):
    """A program did not come up, or ended early; the message holds the end of what it said."""


class Child:
    """One program, from its start to its certain end."""

    def __init__(
        self,
        args: Sequence[str | Path],
        cores: set[int],
        folder: Path,
        *,
        has_ready_line: bool,
        root: Path = ROOT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._said = folder / f"{Path(args[0]).name}-{time.monotonic_ns()}.stderr"

        def prepare() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cores)

        with self._said.open("wb") as stderr:
            self._process = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if has_ready_line else subprocess.DEVNULL,
                stderr=stderr,
                cwd=root,
                env=os.environ | (environment or {}),
                text=True,
                start_new_session=True,
                preexec_fn=prepare,
            )

    @property
    def pid(self) -> int:
        """The first process of its tree."""
        return self._process.pid

    def ready_line(self, word: str) -> list[str]:
        """The words of the line of its output that begins with `word`.  Raises ChildFailed."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line.split()
        raise ChildFailed(self._last_words())

    def wait_listening(self, port: int) -> None:
        """Wait until the port answers.  Raises ChildFailed."""
        end_s = time.monotonic() + READY_S
        while time.monotonic() < end_s and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.01)
        raise ChildFailed(self._last_words())

    def end(self) -> None:
        """Ask it to end, and kill whatever of it is left afterwards."""
        tree = cpu.tree(self.pid) if self._process.poll() is None else set()
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            for pid in tree & cpu.tree(self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _last_words(self) -> str:
        return f"{self._process.args!r} failed:\n{self._said.read_text(errors='replace')[-2000:]}"


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
