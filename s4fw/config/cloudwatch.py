"""`cloudwatch`: metrics that the steward sends to Amazon CloudWatch."""

from __future__ import annotations

from typing import Annotated

from s4fw.config.forms import Choice, Duration, Flag, Text, Whole
from s4fw.config.section import Section, setting

# docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html; `AWS/` is theirs.
_NAMESPACE = r"(?!AWS/)[A-Za-z0-9._/#-]{1,255}"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-[0-9]"

DIMENSIONS = ("tenant", "feature", "customer", "model")


class CloudWatch(Section):
    """What was spent, and how the firewall does. Needs cloudwatch:PutMetricData and nothing else;
    credentials are found as by any AWS SDK. See docs/monitoring/cloudwatch.md."""

    enabled: Annotated[bool, Flag()] = setting("Whether metrics are sent.", "false")
    namespace: Annotated[str, Text(_NAMESPACE, "a namespace, as S4/Firewall")] = setting(
        "The namespace of all metrics; a policy can allow this one only.", "S4/Firewall"
    )
    interval_s: Annotated[float, Duration("10s", "1h")] = setting(
        "How often they are sent.", "60s", key="interval"
    )
    region: Annotated[str, Text(_REGION, "an AWS region, as us-east-1")] | None = setting(
        "The region. Where left out, as the AWS SDK finds it.", None
    )
    dimensions: frozenset[Annotated[str, Choice(*DIMENSIONS)]] = setting(
        "By what spend and tokens are told apart; each value is a custom metric that AWS bills.",
        ["tenant", "feature", "customer"],
    )
    max_values: Annotated[int, Whole(1, 1000)] = setting(
        "How many values of a dimension are sent each time, the dearest first; what others spent"
        " is sent as `other`.",
        100,
    )
