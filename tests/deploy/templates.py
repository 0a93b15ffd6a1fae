"""Checks of the CloudFormation templates: linters, and both created against a stand-in of AWS."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

from tests.deploy.check import ROOT, Check, Workshop, output_of, plain_env

TEMPLATES = (ROOT / "cfn" / "cfn-single.yaml", ROOT / "cfn" / "cfn-ha.yaml")
# The whole of what an instance may do, where everything is switched on.
ALLOWED = {
    "autoscaling:CompleteLifecycleAction",
    "bedrock:CountTokens",
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "cloudwatch:PutMetricData",
    "kms:GenerateDataKey",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "ssm:GetParameter",
}
# The single one is created without a ledger and without a topic for alerts.
NOT_ASKED_FOR = {"autoscaling:CompleteLifecycleAction", "kms:GenerateDataKey", "s3:PutObject"} | {
    "sns:Publish"
}


def check_lint(workshop: Workshop) -> str:
    """No finding, warnings included."""
    assert "" == output_of([workshop.tool("cfn-lint"), *TEMPLATES]).strip()
    return "both templates, no finding"


def check_checkov(workshop: Workshop) -> str:
    """No failed check; each skip has its reason in the template."""
    command = [workshop.tool("checkov"), "-d", str(ROOT / "cfn"), "--framework", "cloudformation"]
    text = output_of([*command, "--skip-download", "--compact", "--quiet"])
    (counts,) = re.findall(
        r"Passed checks: (\d+), Failed checks: (\d+), Skipped checks: (\d+)", text
    )
    assert "0" == counts[1], text
    return f"{counts[0]} passed, {counts[2]} skipped (CKV_AWS_91: a TCP balancer has no access log)"


def check_created(workshop: Workshop) -> str:
    """Both stacks come up, and what came up is what the template says."""
    command = [workshop.tool("python"), "-W", "ignore", "-m", "tests.deploy.stacks"]
    text = output_of(command, env=plain_env())
    told = json.loads(text[text.index("\n{\n") :][: text.rindex("\n}\n") + 3])
    for name in ("ha", "single"):
        assert "CREATE_COMPLETE" == told[name]["status"], told[name]["why"]
    seen = told["seen"]
    statements = [one for one in seen["statements"] if one]
    actions = _actions(statements)
    assert actions == ALLOWED, actions ^ ALLOWED
    fewer = _actions(one for one in seen["statements_of_single"] if one)
    assert fewer == ALLOWED - NOT_ASKED_FOR, fewer ^ (ALLOWED - NOT_ASKED_FOR)
    assert all("Allow" == one["Effect"] for one in statements)
    wild = [one["Sid"] for one in statements if "*" in _listed(one["Resource"])]
    assert ["Metrics"] == wild, wild
    user_data = base64.b64decode(seen["user_data"]).decode()
    assert "S4FW_INSTANCES=4\n" in user_data
    assert 4 == seen["maximum"]
    assert "required" == seen["metadata"]["HttpTokens"]
    assert 1 == seen["volume"]["attached"]
    gaps = "; ".join(told["gaps"].values())
    return (
        f"both CREATE_COMPLETE; with everything on {len(actions)} actions are allowed, without"
        f" ledger and alerts {len(fewer)}. Gaps of the stand-in: {gaps}"
    )


def _actions(statements: Iterable[dict[str, Any]]) -> set[str]:
    return {action for one in statements for action in _listed(one["Action"])}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


CHECKS = (
    Check("cfn-lint", "templates", check_lint),
    Check("checkov", "templates", check_checkov),
    Check("moto", "both stacks created", check_created),
)
