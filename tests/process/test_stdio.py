"""A firewall without a terminal: streams that are closed, full, or that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Firewall, fetch, firewall_config, wait_until
from tests.harness.process import ROOT

NOWHERE = "http://127.0.0.1:9"
READERS = {
    "closed": "<&- >&- 2>&-",
    "full": ">/dev/full 2>/dev/full",
}


@pytest.mark.parametrize("how", READERS)
def test_serve_without_usable_streams_runs_all_the_same(tmp_path: Path, how: str) -> None:
    """A log on a full disk, or a parent that closed everything, must not stop the traffic."""
    made = Firewall(tmp_path, firewall_config(NOWHERE, [], server={"workers": 1}))
    ports_path = tmp_path / "runtime" / "ports.json"
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {READERS[how]}', "sh", *made.args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_until(ports_path.exists, "the ports are chosen", timeout_s=10)
        url = f"http://127.0.0.1:{json.loads(ports_path.read_text())['admin']}/readyz"

        def is_ready() -> bool:
            assert process.poll() is None, "it ended"
            try:
                return fetch(url).status == 200
            except OSError:
                return False

        wait_until(is_ready, "it is ready", timeout_s=10)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_closed_streams_are_given_to_the_null_device() -> None:
    """Or the first file that is opened would be what standard error writes into."""
    program = (
        "import os, sys; from s4fw.process.stdio import fill_standard_streams as fill; fill();"
        "first = os.open(sys.argv[1], os.O_RDONLY);"
        "null = os.stat(os.devnull).st_rdev;"
        "same = [os.fstat(fd).st_rdev == null for fd in (0, 1, 2)];"
        "print('x', file=sys.stdout, flush=True); print('x', file=sys.stderr, flush=True);"
        "sys.exit(0 if first > 2 and all(same) else 7)"
    )
    arguments = [sys.executable, "-c", program, __file__]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *arguments], check=False)
    assert 0 == done.returncode
