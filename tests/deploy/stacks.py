"""Creates both stacks against a local stand-in of AWS (moto), and looks at what came of them.

    python -m tests.deploy.stacks        with moto[server] and boto3 installed

The stand-in has gaps.  Each is patched in the template below, by name; nothing else is changed.
Prints one JSON object: what was created, and the gaps.
"""

from __future__ import annotations

import ast
import json
import os
from copy import deepcopy
from typing import Any

import boto3  # type: ignore[import-untyped,unused-ignore]
from moto.server import ThreadedMotoServer  # type: ignore[import-untyped,unused-ignore]

from tests.deploy.cloudformation import template

REGION = "eu-central-1"
ACCOUNT = "123456789012"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:s4fw-abcdef"

GAPS = {
    "no-tcp-listener": "a network load balancer becomes an application one: the listener is HTTP",
    "no-policies-of-groups": "creation and update policies of Auto Scaling groups are left out",
    "no-encryption-of-volumes": "volumes are never encrypted",
    "no-instance-of-template": "a single instance is given its image itself, not a launch template",
    "no-rules": "Rules are not evaluated",
    "no-such-types": "security group egress, bucket policies and alarms cannot be created",
}
_UNKNOWN = ("AWS::EC2::SecurityGroupEgress", "AWS::S3::BucketPolicy", "AWS::CloudWatch::Alarm")


def patched(tree: dict[str, Any]) -> dict[str, Any]:
    """The template as the stand-in can take it; see GAPS."""
    tree = deepcopy(tree)
    tree.pop("Rules", None)
    for resource in tree["Resources"].values():
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            resource["Properties"]["Protocol"] = "HTTP"
            del resource["Properties"]["ListenerAttributes"]
        if resource["Type"] == "AWS::EC2::Instance":
            resource["Properties"] = {"ImageId": {"Ref": "ImageId"}}
        resource.pop("CreationPolicy", None)
        resource.pop("UpdatePolicy", None)
    for name in [n for n, r in tree["Resources"].items() if r["Type"] in _UNKNOWN]:
        del tree["Resources"][name]
    return tree


def network(ec2: Any) -> dict[str, str]:
    """A VPC with two private subnets."""
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for n, zone in enumerate("ab")
    ]
    return {
        "vpc": vpc,
        **{zone: s["Subnet"]["SubnetId"] for zone, s in zip("ab", subnets, strict=True)},
    }


def created(cloud: Any, name: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Create a stack and tell its end, resources (logical id: physical id) and outputs."""
    cloud.create_stack(
        StackName=name,
        TemplateBody=json.dumps(patched(template(f"cfn-{name}.yaml"))),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = cloud.describe_stacks(StackName=name)["Stacks"][0]
    resources = cloud.describe_stack_resources(StackName=name)["StackResources"]
    return {
        "status": stack["StackStatus"],
        "why": stack.get("StackStatusReason", ""),
        "resources": {
            r["LogicalResourceId"]: r.get("PhysicalResourceId", "")
            for r in resources
            if "LogicalResourceId" in r
        },
        "outputs": {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
    }


def main() -> None:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    try:
        print(json.dumps(looked_at(), indent=1))
    finally:
        server.stop()


def looked_at() -> dict[str, Any]:
    """Both stacks, and what the stand-in says of the instances and the group."""
    ec2, cloud = boto3.client("ec2"), boto3.client("cloudformation")
    net = network(ec2)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    prefixes = ec2.create_managed_prefix_list(
        PrefixListName="providers", MaxEntries=5, AddressFamily="IPv4"
    )["PrefixList"]["PrefixListId"]
    common = {
        "VpcId": net["vpc"],
        "VpcCidr": "10.7.0.0/16",
        "ClientCidr": "10.0.0.0/8",
        "ImageId": image,
        "EgressPrefixListId": prefixes,
        "ConfigParameter": "/s4fw/config",
        "SecretArn": SECRET,
        "BedrockArns": MODEL,
        "CreateBedrockEndpoint": "yes",
        "Ledger": "create",
        "AlertTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:s4fw",
    }
    ha = created(cloud, "ha", common | {"SubnetIds": f"{net['a']},{net['b']}", "MaxInstances": "4"})
    zone = {"SubnetId": net["a"], "AvailabilityZone": f"{REGION}a"}
    single = created(cloud, "single", common | zone | {"Ledger": "none", "AlertTopicArn": ""})
    return {"ha": ha, "single": single, "gaps": GAPS, "seen": seen(ec2, ha, single)}


def seen(ec2: Any, ha: dict[str, Any], single: dict[str, Any]) -> dict[str, Any]:
    """What the APIs say about what was created."""
    group = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    launch = ec2.describe_launch_template_versions(LaunchTemplateId=ha["resources"]["Launch"])
    data = launch["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    volume = ec2.describe_volumes(VolumeIds=[single["resources"]["State"]])["Volumes"][0]
    return {
        "instances": len(group["Instances"]),
        "maximum": group["MaxSize"],
        "metadata": data["MetadataOptions"],
        "user_data": data["UserData"],
        "statements": statements(ha),
        "statements_of_single": statements(single),
        "volume": {"encrypted": volume["Encrypted"], "attached": len(volume["Attachments"])},
    }


def statements(stack: dict[str, Any]) -> list[dict[str, Any]]:
    """What the role of a stack may do."""
    role = stack["resources"]["Role"]
    found = boto3.client("iam").get_role_policy(RoleName=role, PolicyName="firewall")
    policy = found["PolicyDocument"]
    if isinstance(policy, str):
        policy = ast.literal_eval(policy)  # the stand-in prints a Python dict
    listed: list[dict[str, Any]] = policy["Statement"]
    return listed


if __name__ == "__main__":
    main()
