"""The templates, by their structure: nothing open, nothing wild, nothing lost at deletion.

The allowed set of the role is exact: a statement that is added here is noticed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from s4fw.config.ledger import LedgerS3
from tests.deploy.cloudformation import template

NAMES = ("cfn-single.yaml", "cfn-ha.yaml")
STATEMENTS = {
    "Metrics": {"cloudwatch:PutMetricData"},
    "ConfigurationInParameter": {"ssm:GetParameter"},
    "ConfigurationInBucket": {"s3:GetObject"},
    "ProviderKeys": {"secretsmanager:GetSecretValue"},
    "ProviderKeysDecrypt": {"kms:Decrypt"},
    "LedgerSegments": {"s3:PutObject"},
    "LedgerEncrypt": {"kms:GenerateDataKey"},
    "LedgerEncryptExisting": {"kms:GenerateDataKey"},
    "Bedrock": {
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream",
        "bedrock:CountTokens",
    },
    "Alerts": {"sns:Publish"},
    "AlertsEncrypt": {"kms:GenerateDataKey", "kms:Decrypt"},
}
OF_GROUP = {"LeaveWhenDrained": {"autoscaling:CompleteLifecycleAction"}}
# What is allowed only where a parameter asks for it; everything else always is.
ASKED_FOR = {
    "ConfigurationInParameter": "HasConfigParameter",
    "ConfigurationInBucket": "HasConfigBucket",
    "ProviderKeys": "HasSecret",
    "ProviderKeysDecrypt": "HasSecretKey",
    "LedgerSegments": "HasLedger",
    "LedgerEncrypt": "CreatesLedger",
    "LedgerEncryptExisting": "HasLedgerKey",
    "Bedrock": "HasBedrock",
    "Alerts": "HasAlertTopic",
    "AlertsEncrypt": "HasAlertTopicKey",
}


def resources(name: str, kind: str) -> dict[str, Any]:
    """The resources of a type, by logical id."""
    found = template(name)["Resources"]
    return {n: r["Properties"] | {"(all)": r} for n, r in found.items() if r["Type"] == kind}


def conditional(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the role may do, each with its condition; "" is always."""
    (role,) = resources(name, "AWS::IAM::Role").values()
    (policy,) = role["Policies"]
    for one in policy["PolicyDocument"]["Statement"]:
        condition, statement, otherwise = one.get("Fn::If", ("", one, {"Ref": "AWS::NoValue"}))
        assert {"Ref": "AWS::NoValue"} == otherwise
        yield condition, statement


def statements(name: str) -> Iterator[dict[str, Any]]:
    """What the role may do, conditional statements included."""
    return (statement for _, statement in conditional(name))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", NAMES)
def test_role_is_allowed_exactly_what_is_needed(name: str) -> None:
    """Least privilege is a list, and this is it."""
    allowed = {one["Sid"]: set(listed(one["Action"])) for one in statements(name)}
    assert STATEMENTS | (OF_GROUP if name == "cfn-ha.yaml" else {}) == allowed
    assert {"Allow"} == {one["Effect"] for one in statements(name)}


@pytest.mark.parametrize("name", NAMES)
def test_role_is_allowed_only_what_parameters_ask_for(name: str) -> None:
    """A stack without a ledger, alerts or Bedrock has no right to any of them."""
    told = {one["Sid"]: condition for condition, one in conditional(name) if condition}
    assert ASKED_FOR == told


@pytest.mark.parametrize("name", NAMES)
def test_alerts_go_to_the_named_topic_and_nowhere_else(name: str) -> None:
    """sns:Publish on anything else would let a stolen role write to everybody's telephone."""
    parameters, conditions = (template(name)[section] for section in ("Parameters", "Conditions"))
    assert "" == parameters["AlertTopicArn"]["Default"] == parameters["AlertTopicKeyArn"]["Default"]
    is_given = {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertTopicArn"}, ""]}]}
    assert is_given == conditions["HasAlertTopic"]
    resources = {one["Sid"]: one["Resource"] for one in statements(name)}
    assert {"Ref": "AlertTopicArn"} == resources["Alerts"]
    assert {"Ref": "AlertTopicKeyArn"} == resources["AlertsEncrypt"]


@pytest.mark.parametrize("name", NAMES)
def test_only_metrics_have_no_resource_and_they_are_bound_by_namespace(name: str) -> None:
    """PutMetricData knows no resources; everything else names its own."""
    wild = [one for one in statements(name) if "*" in listed(one["Resource"])]
    assert ["Metrics"] == [one["Sid"] for one in wild]
    assert {"StringEquals": {"cloudwatch:namespace": "S4/Firewall"}} == wild[0]["Condition"]


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_used_through_their_service_only(name: str) -> None:
    """A stolen role must not decrypt by itself."""
    for one in statements(name):
        if any(action.startswith("kms:") for action in listed(one["Action"])):
            assert ["kms:ViaService"] == list(one["Condition"]["StringEquals"])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_open_to_the_world(name: str) -> None:
    """Neither in nor out, neither IPv4 nor IPv6."""
    text = json.dumps(template(name))
    assert "0.0.0.0/0" not in text
    assert "::/0" not in text
    for group in resources(name, "AWS::EC2::SecurityGroup").values():
        for rule in group["SecurityGroupIngress"] + group["SecurityGroupEgress"]:
            assert rule["Description"]
            assert rule["IpProtocol"] == "tcp"


@pytest.mark.parametrize("name", NAMES)
def test_machines_have_no_public_address_and_safe_metadata(name: str) -> None:
    """A request that was tricked must not fetch credentials; nobody outside reaches an instance."""
    (launch,) = resources(name, "AWS::EC2::LaunchTemplate").values()
    data = launch["LaunchTemplateData"]
    assert ("required", 1) == (
        data["MetadataOptions"]["HttpTokens"],
        data["MetadataOptions"]["HttpPutResponseHopLimit"],
    )
    assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
    (interface,) = data["NetworkInterfaces"]
    assert interface.get("AssociatePublicIpAddress", False) is False
    types = template(name)["Parameters"]["InstanceType"]["AllowedValues"]
    assert 16 == len(types)
    assert {"c6g", "c7g"} == {kind.split(".")[0] for kind in types}


def test_spend_outlives_its_stack() -> None:
    """Deleting a stack must not delete what was spent, nor the ledger."""
    (state,) = resources("cfn-single.yaml", "AWS::EC2::Volume").values()
    kept = [state["(all)"]]
    assert state["Encrypted"] is True
    for name in NAMES:
        for kind in ("AWS::S3::Bucket", "AWS::KMS::Key"):
            kept += [one["(all)"] for one in resources(name, kind).values()]
    assert 5 == len(kept)
    assert {("Retain", "Retain")} == {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in kept}


@pytest.mark.parametrize("name", NAMES)
def test_ledger_is_versioned_encrypted_and_closed(name: str) -> None:
    """The record of what was spent is what an attacker would change."""
    (bucket,) = resources(name, "AWS::S3::Bucket").values()
    assert {"Status": "Enabled"} == bucket["VersioningConfiguration"]
    assert {True} == set(bucket["PublicAccessBlockConfiguration"].values())
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert "aws:kms" == rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    (policy,) = resources(name, "AWS::S3::BucketPolicy").values()
    assert {"Deny"} == {one["Effect"] for one in policy["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize("name", NAMES)
def test_ledger_may_be_put_where_the_configuration_puts_it(name: str) -> None:
    """Segments that the role may not store fill the disk, and a full disk stops all requests."""
    (resource,) = (one["Resource"] for one in statements(name) if one["Sid"] == "LedgerSegments")
    key = LedgerS3(bucket="some-bucket").key_of("CHAIN", "NAME")
    allowed = resource["Fn::Sub"][0].removesuffix("*")
    assert f"arn:${{AWS::Partition}}:s3:::${{Bucket}}/{key}" == f"{allowed}CHAIN/NAME"


@pytest.mark.parametrize("name", NAMES)
def test_door_to_bedrock_is_for_the_firewall_alone(name: str) -> None:
    """Otherwise an application could go around the cap by the firewall's own endpoint."""
    (endpoint,) = resources(name, "AWS::EC2::VPCEndpoint").values()
    (one,) = endpoint["PolicyDocument"]["Statement"]
    assert {"AWS": {"Fn::GetAtt": ["Role", "Arn"]}} == one["Principal"]
    assert STATEMENTS["Bedrock"] == set(one["Action"])


def test_share_of_an_instance_is_of_the_largest_group() -> None:
    """With anything smaller than MaxSize, a group that grows would spend more than the limit."""
    (group,) = resources("cfn-ha.yaml", "AWS::AutoScaling::AutoScalingGroup").values()
    assert {"Ref": "MaxInstances"} == group["MaxSize"]
    (launch,) = resources("cfn-ha.yaml", "AWS::EC2::LaunchTemplate").values()
    script = launch["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    assert "S4FW_INSTANCES=${MaxInstances}\n" in script
    rolling = group["(all)"]["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert (1, 1, True) == (
        rolling["MinInstancesInService"],
        rolling["MaxBatchSize"],
        rolling["WaitOnResourceSignals"],
    )


def test_group_lets_streams_end_before_an_instance_does() -> None:
    """Drain 300 s < deregistration < hook: each waits for the one before it."""
    (group,) = resources("cfn-ha.yaml", "AWS::AutoScaling::AutoScalingGroup").values()
    (hook,) = group["LifecycleHookSpecificationList"]
    (targets,) = resources("cfn-ha.yaml", "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    attributes = {one["Key"]: one["Value"] for one in targets["TargetGroupAttributes"]}
    delay_s = int(attributes["deregistration_delay.timeout_seconds"])
    assert 300 < delay_s < hook["HeartbeatTimeout"]
    assert "false" == attributes["deregistration_delay.connection_termination.enabled"]
    assert "/readyz" == targets["HealthCheckPath"]
    (balancer,) = resources("cfn-ha.yaml", "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    assert ("internal", "network") == (balancer["Scheme"], balancer["Type"])


def test_both_templates_share_what_they_have_in_common() -> None:
    """What is mended in one must be mended in the other."""
    single, ha = (template(name) for name in NAMES)
    for section in ("Parameters", "Conditions", "Resources"):
        for name in single[section].keys() & ha[section].keys() - {"Launch", "Role", "Busy"}:
            if name in ("FirewallGroup", "BedrockEndpoint"):
                continue  # who calls, and in which subnets, differs
            assert single[section][name] == ha[section][name], name
