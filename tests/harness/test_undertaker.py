"""What a killed test process has started ends, and nothing else."""

from __future__ import annotations

import subprocess
import sys

from tests.harness.process import ROOT, is_alive
from tests.harness.wait import wait_until

# Starts two processes of which it tells one, and waits to be killed.
SCRIPT = """
import subprocess, sys, time
from tests.harness import undertaker
told, other = (subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(2))
undertaker.tell(told.pid)
print(told.pid, other.pid, flush=True)
time.sleep(60)
"""


def test_told_process_does_not_outlive_a_killed_test_process() -> None:
    """A run that was cut leaves no firewall behind to slow down the next."""
    arguments = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as test_process:
        assert test_process.stdout is not None
        told, other = map(int, test_process.stdout.readline().split())
        assert is_alive(told)
        test_process.kill()
    try:
        wait_until(lambda: not is_alive(told), "the process that was told ends")
        assert is_alive(other)
    finally:
        subprocess.run(["kill", str(other)], check=True)
