"""Keys out of environments, content out of core files."""

import os
import subprocess
import sys

PROGRAM = """
import os, resource
from s4fw.process.privacy import forbid_core_files, scrub_environment
forbid_core_files()
scrub_environment(os.environ, ["sk-canary-123"])
assert "PROVIDER_KEY" not in os.environ and os.environ["PLAIN"] == "kept"
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
seen = open("/proc/self/environ", "rb").read()
assert b"sk-canary-123" not in seen, "the key is still shown by the kernel"
assert b"PLAIN=kept" in seen
pid = os.fork()
if pid == 0:
    os._exit(b"sk-canary-123" in open("/proc/self/environ", "rb").read())
assert os.waitpid(pid, 0)[1] == 0
"""


def test_scrub_removes_the_secret_from_the_process_and_its_children():
    """What the kernel shows in /proc outlives unsetenv; a child's crash report must not have it."""
    env = {**os.environ, "PROVIDER_KEY": "sk-canary-123", "PLAIN": "kept"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
