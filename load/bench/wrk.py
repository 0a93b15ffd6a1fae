"""wrk: the script that makes its requests, the run, and what it reports."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from load.bench.payloads import HEADERS, NEW, PATH

CONNECTIONS = 64

# `--` after the URL hands to init() how many requests there were before: what is counted goes on
# over all runs.
_SCRIPT = """
local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end
local before, after = read("{before}"), read("{after}")
local count = 0
function init(args) count = tonumber(args[1]) end
wrk.method, wrk.path = "POST", "{path}"
{headers}
wrk.body = before .. after
{request}
{delay}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\n@{{"requests":%d,"us":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d}}\\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
_NEW_TEXT = """
function request()
  count = count + 1
  return wrk.format(nil, nil, nil, before .. "turn " .. count .. after)
end
"""
_SESSIONS = """
function request()
  count = count + 1
  wrk.headers["x-s4fw-session"] = string.format("session-%05d", count % {sessions})
  return wrk.format()
end
"""
_DELAY = "function delay() return math.random(1, {most}) end"


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends.  Text for NEW in the body makes each request new; `sessions` rotates them.

    `pause_ms` is the mean time a connection waits between an answer and its next request.
    """

    body: str
    tenant: str = "acme"
    sessions: int = 0
    closes: bool = False
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run."""

    requests: int
    seconds: float
    refused: int  # answers of 400 and above
    broken: int  # connections that failed
    p50_ms: float
    p99_ms: float


class BadRun(Exception):
    """wrk failed, or did not get the answers that the shape is about."""


def script(load: Load, before: Path, after: Path) -> str:
    """The Lua for a load; `before` and `after` are the files of the body around NEW."""
    headers = HEADERS | {"x-s4fw-tenant": load.tenant}
    if load.closes:
        headers["connection"] = "close"
    request = ""
    if NEW in load.body:
        request = _NEW_TEXT
    elif load.sessions:
        request = _SESSIONS.format(sessions=load.sessions)
    return _SCRIPT.format(
        before=before,
        after=after,
        path=PATH,
        headers="\n".join(f'wrk.headers["{name}"] = "{text}"' for name, text in headers.items()),
        request=request,
        delay=_DELAY.format(most=2 * load.pause_ms - 1) if load.pause_ms else "",
    )


def parse(output: str) -> Report:
    """Read the line that `done` wrote.  Raises BadRun."""
    for line in output.splitlines():
        if line.startswith("@{"):
            said = json.loads(line[1:])
            return Report(
                said["requests"],
                said["us"] / 1e6,
                said["refused"],
                said["broken"],
                said["p50_us"] / 1e3,
                said["p99_us"] / 1e3,
            )
    raise BadRun(f"wrk did not report: {output[-500:]}")


class Wrk:
    """Runs loads, on the cores of its parent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._requests = 0  # so far, of all runs

    def run(self, load: Load, port: int, seconds: float, connections: int = CONNECTIONS) -> Report:
        """Load the port; wrk counts whole seconds, so the time is rounded up.  Raises BadRun."""
        before, _, after = load.body.partition(NEW)
        files = [self._folder / name for name in ("body.before", "body.after", "load.lua")]
        files[0].write_text(before)
        files[1].write_text(after)
        files[2].write_text(script(load, files[0], files[1]))
        whole_s = max(1, round(seconds))
        args = ["wrk", "-t1", f"-c{connections}", f"-d{whole_s}s", "-s", str(files[2])]
        done = subprocess.run(
            [*args, f"http://127.0.0.1:{port}", "--", str(self._requests)],
            capture_output=True,
            text=True,
            timeout=whole_s + 20,
            check=False,
        )
        report = parse(done.stdout + done.stderr)
        self._requests += report.requests + connections  # the last ones had no answer yet
        return report
