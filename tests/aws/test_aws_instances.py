"""What EC2 is asked for test instances, and how its answers are read."""

from __future__ import annotations

from typing import Any

import pytest
from aws.answers import Stub

from pipeline.aws.instances import Ec2Instances
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, StepFailed
from pipeline.model.ids import ImageId, InstanceId, TemplateId
from pipeline.ports.instances import LaunchRequest

TEMPLATE = TemplateId("lt-0abc")
TAGS = [{"Key": "rebake:run", "Value": "r1"}]
COMMON = {
    "MinCount": 1,
    "MaxCount": 1,
    "ClientToken": "token",
    "ImageId": "ami-1",
    "InstanceType": "t3.small",
    "InstanceInitiatedShutdownBehavior": "terminate",
    "DisableApiTermination": False,
    "TagSpecifications": [
        {"ResourceType": "instance", "Tags": TAGS},
        {"ResourceType": "volume", "Tags": TAGS},
    ],
    "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
}


def entry(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    """Make an instance as AWS answers it."""
    return {
        "InstanceId": name,
        "ImageId": "ami-1",
        "InstanceType": "t3.small",
        "State": {"Name": state},
        "Tags": TAGS,
        **more,
    }


def request(**more: Any) -> LaunchRequest:
    """Ask for an instance of ami-1."""
    return LaunchRequest(
        image=ImageId("ami-1"), instance_type="t3.small", tags={"rebake:run": "r1"}, token="token", **more
    )


def answer_template(stub: Stub, data: dict[str, Any], version: str = "3") -> None:
    """Let the launch template carry this."""
    stub("ec2").add_response(
        "describe_launch_template_versions",
        {"LaunchTemplateVersions": [{"LaunchTemplateData": data}]},
        {"LaunchTemplateId": TEMPLATE, "Versions": [version]},
    )


def answer_launch(stub: Stub, asked: dict[str, Any], **more: Any) -> None:
    """Let RunInstances answer one instance, if it asks so."""
    answer = {"Instances": [entry("i-1", **{"state": "pending", **more})]}
    stub("ec2").add_response("run_instances", answer, {**COMMON, **asked})


def answer_instances(stub: Stub, *instances: dict[str, Any], asked: dict[str, Any] | None = None) -> None:
    """Let DescribeInstances answer these."""
    stub("ec2").add_response("describe_instances", {"Reservations": [{"Instances": list(instances)}]}, asked)


def test_a_bare_instance_gets_subnet_and_profile(clients: Clients, stub: Stub) -> None:
    """Without a template everything comes from the request, and IMDSv2 is required."""
    answer_launch(stub, {"SubnetId": "subnet-1", "IamInstanceProfile": {"Name": "web"}}, PrivateIpAddress="10.0.0.9")
    launched = Ec2Instances(clients).launch(request(subnet="subnet-1", instance_profile="web"))
    assert (launched.id, launched.image, launched.state) == ("i-1", "ami-1", "pending")
    assert (launched.address, launched.tags) == ("10.0.0.9", {"rebake:run": "r1"})


def test_a_profile_may_be_an_arn(clients: Clients, stub: Stub) -> None:
    """RunInstances takes a name or an ARN, in different fields."""
    arn = "arn:aws:iam::1:instance-profile/web"
    answer_launch(stub, {"IamInstanceProfile": {"Arn": arn}})
    Ec2Instances(clients).launch(request(instance_profile=arn))


def test_a_template_speaks_for_itself(clients: Clients, stub: Stub) -> None:
    """Its profile and subnet win, its metadata hop limit stays, and IMDSv2 is required all the same."""
    data = {
        "IamInstanceProfile": {"Name": "fleet"},
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-own"}],
        "MetadataOptions": {"State": "applied", "HttpTokens": "optional", "HttpPutResponseHopLimit": 2},
    }
    answer_template(stub, data)
    answer_launch(
        stub,
        {
            "LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": "3"},
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        },
    )
    Ec2Instances(clients).launch(request(template=TEMPLATE, version="3", subnet="subnet-1", instance_profile="ignored"))


def test_a_silent_template_is_completed(clients: Clients, stub: Stub) -> None:
    """Where it names interfaces without a subnet, the subnet is written into them: EC2 refuses it beside them."""
    answer_template(stub, {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-1"]}]}, version="$Default")
    answer_launch(
        stub,
        {
            "LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": "$Default"},
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-1"], "SubnetId": "subnet-1"}],
            "IamInstanceProfile": {"Name": "web"},
        },
    )
    Ec2Instances(clients).launch(request(template=TEMPLATE, subnet="subnet-1", instance_profile="web"))


def test_a_launch_that_ended_at_once_is_a_failed_step(clients: Clients, stub: Stub) -> None:
    """A volume key that cannot be used ends the instance without an error answer."""
    reason = {"Code": "Client.InternalError", "Message": "Client error on launch"}
    answer_launch(stub, {}, state="terminated", StateReason=reason)
    with pytest.raises(StepFailed, match="KMS key must be enabled"):
        Ec2Instances(clients).launch(request())


def test_a_token_of_a_terminated_instance_is_a_failed_step(clients: Clients, stub: Stub) -> None:
    """AWS answers the same instance for the same token, even when it is gone."""
    answer_launch(stub, {}, state="shutting-down")
    with pytest.raises(StepFailed, match="i-1 is shutting-down: no reason given"):
        Ec2Instances(clients).launch(request())


def test_no_capacity_is_a_failed_step(clients: Clients, stub: Stub) -> None:
    """AWS answers it with HTTP 500, yet running again will not help at once."""
    stub("ec2").add_client_error("run_instances", "InsufficientInstanceCapacity", http_status_code=500)
    with pytest.raises(StepFailed, match="no capacity"):
        Ec2Instances(clients).launch(request())


def test_an_instance_is_fetched_or_not_found(clients: Clients, stub: Stub) -> None:
    """The state reason is AWS's words where they say enough."""
    asked = {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}
    reason = {"Code": "Client.UserInitiatedShutdown", "Message": "User initiated"}
    answer_instances(stub, entry("i-1", "terminated", StateReason=reason), asked=asked)
    answer_instances(stub, asked=asked)
    instances = Ec2Instances(clients)
    assert instances.get(InstanceId("i-1")).reason == "User initiated"
    with pytest.raises(NotFound, match="i-1"):
        instances.get(InstanceId("i-1"))


def test_tagged_instances_are_those_not_terminated(clients: Clients, stub: Stub) -> None:
    """All tags must match."""
    states = ["pending", "running", "shutting-down", "stopping", "stopped"]
    asked = {
        "Filters": [
            {"Name": "tag:rebake:run", "Values": ["r1"]},
            {"Name": "instance-state-name", "Values": states},
        ]
    }
    answer_instances(stub, entry("i-1"), entry("i-2"), asked=asked)
    assert [found.id for found in Ec2Instances(clients).tagged({"rebake:run": "r1"})] == ["i-1", "i-2"]


def test_terminating_nothing_asks_nothing(clients: Clients) -> None:
    """An empty list is no call (AWS would refuse it)."""
    Ec2Instances(clients).terminate(())


def test_terminating_what_is_gone_is_no_error(clients: Clients, stub: Stub) -> None:
    """One unknown id fails the whole call, so that the known ones are terminated by another."""
    ec2 = stub("ec2")
    ec2.add_client_error("terminate_instances", "InvalidInstanceID.NotFound")
    answer_instances(stub, entry("i-2"), asked={"Filters": [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]})
    ec2.add_response("terminate_instances", {}, {"InstanceIds": ["i-2"]})
    ec2.add_client_error("terminate_instances", "InvalidInstanceID.NotFound")
    answer_instances(stub)
    instances = Ec2Instances(clients)
    instances.terminate((InstanceId("i-1"), InstanceId("i-2")))
    instances.terminate((InstanceId("i-1"),))
