#!/opt/s4fw/bin/python
"""Lets an instance of an Auto Scaling group finish its streams before it is ended.

The group takes an instance off the load balancer and holds it (lifecycle hook S4FW_HOOK of group
S4FW_GROUP).  The instance learns of it from its own metadata; then the firewall is stopped, which
drains it, and the group is told to go on.  Should this fail, the hook's timeout does so later.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping

import boto3  # type: ignore[import-untyped,unused-ignore]

METADATA = "http://169.254.169.254"
TOKEN_S = 300
ASK_EACH_S = 5.0
TIMEOUT_S = 2.0


def asked(base: str, path: str) -> str:
    """One value of the instance's metadata (IMDSv2); empty where there is none."""
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
    try:
        token = _said(
            urllib.request.Request(f"{base}/latest/api/token", None, seconds, method="PUT")
        )
        header = {"X-aws-ec2-metadata-token": token}
        return _said(urllib.request.Request(f"{base}/latest/meta-data/{path}", None, header))
    except OSError:
        return ""  # not known yet, or out of reach for a moment


def _said(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return str(answer.read().decode("ascii"))


def wait_for_end(base: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Return once the group wants this instance to end."""
    while asked(base, "autoscaling/target-lifecycle-state") != "Terminated":
        pause(ASK_EACH_S)


def leave(base: str, group: str, hook: str, stop: list[str]) -> None:
    """Drain, then let the group go on."""
    subprocess.run(stop, check=False)
    boto3.client("autoscaling").complete_lifecycle_action(
        AutoScalingGroupName=group,
        LifecycleHookName=hook,
        InstanceId=asked(base, "instance-id"),
        LifecycleActionResult="CONTINUE",
    )


def main(env: Mapping[str, str]) -> int:
    group, hook = env.get("S4FW_GROUP", ""), env.get("S4FW_HOOK", "")
    if not group or not hook:
        sys.stderr.write("watch_lifecycle: S4FW_GROUP and S4FW_HOOK name no group\n")
        return 78
    base = env.get("S4FW_METADATA", METADATA)
    wait_for_end(base)
    leave(base, group, hook, env.get("S4FW_STOP", "systemctl stop s4fw.service").split())
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
