"""What Auto Scaling is asked for groups, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aws.answers import Stub, answer_groups, described

from pipeline.aws.fleets import AutoScalingFleets
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.model.fleets import TemplateRef
from pipeline.model.ids import GroupName, ImageId, InstanceId, TemplateId
from pipeline.model.settings import GroupByName, GroupByTags

WEB = GroupName("web")
TEMPLATE = TemplateId("lt-0abc")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_a_group_is_read_with_its_members_and_their_images(clients: Clients, stub: Stub) -> None:
    """An instance that is gone already is kept as a member without an image."""
    member = {"AvailabilityZone": "us-east-1a", "HealthStatus": "Healthy", "LifecycleState": "InService"}
    template = {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": "web", "Version": "3"}
    group = described(
        LaunchTemplate=template,
        Instances=[
            {**member, "InstanceId": "i-1", "ProtectedFromScaleIn": True, "LaunchTemplate": template},
            {**member, "InstanceId": "i-2", "ProtectedFromScaleIn": False, "HealthStatus": "Unhealthy"},
        ],
        TargetGroupARNs=["arn:tg/1"],
        TrafficSources=[
            {"Identifier": "arn:tg/1", "Type": "elbv2"},
            {"Identifier": "arn:tg/2", "Type": "elbv2"},
            {"Identifier": "classic", "Type": "elb"},
        ],
        SuspendedProcesses=[{"ProcessName": "Launch", "SuspensionReason": "by hand"}],
        VPCZoneIdentifier="subnet-1,subnet-2",
        Tags=[{"Key": "Env", "Value": "prod"}],
    )
    tags = [{"Key": "Patch Group", "Value": "prod"}]
    answer_groups(stub, group, asked={"AutoScalingGroupNames": ["web"]})
    stub("ec2").add_response(
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-1", "ImageId": "ami-1", "Tags": tags}]}]},
        {"Filters": [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]},
    )
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert [member.patch_group for member in found.members] == ["prod", None]
    assert [(member.id, member.image, member.healthy) for member in found.members] == [
        ("i-1", "ami-1", True),
        ("i-2", None, False),
    ]
    assert found.members[0].protected
    assert found.members[0].template == TemplateRef(id=TEMPLATE, version="3")
    assert found.members[1].template is None
    assert found.template == TemplateRef(id=TEMPLATE, version="3")
    assert found.target_groups == ("arn:tg/1", "arn:tg/2")
    assert found.suspended == ("Launch",)
    assert found.subnets == ("subnet-1", "subnet-2")
    assert found.tags == {"Env": "prod"}


def test_an_empty_group_asks_ec2_nothing(clients: Clients, stub: Stub) -> None:
    """A group on a launch configuration, without instances, is one call."""
    answer_groups(stub, described(LaunchConfigurationName="old"))
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert found.template is None
    assert found.launch_configuration == "old"
    assert found.members == ()


def test_a_mixed_group_is_recognised(clients: Clients, stub: Stub) -> None:
    """The template stands inside of the policy; a missing version means the default one."""
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": TEMPLATE},
            "Overrides": [
                {"InstanceRequirements": {"VCpuCount": {"Min": 1}, "MemoryMiB": {"Min": 1}}},
                {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-2"}},
            ],
        }
    }
    answer_groups(stub, described(MixedInstancesPolicy=policy))
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert found.mixed
    assert found.override_templates
    assert found.attribute_based
    assert found.template == TemplateRef(id=TEMPLATE, version="$Default")


def test_a_group_is_found_by_all_of_its_tags(clients: Clients, stub: Stub) -> None:
    """Each tag is a filter of its own; a group that is being deleted does not count."""
    answer_groups(
        stub,
        described(Status="Delete in progress"),
        described(),
        asked={
            "Filters": [{"Name": "tag:Env", "Values": ["prod"]}, {"Name": "tag:Service", "Values": ["web"]}],
        },
    )
    assert AutoScalingFleets(clients).find(GroupByTags(tags={"Env": "prod", "Service": "web"})).name == WEB


def test_no_group_is_not_found(clients: Clients, stub: Stub) -> None:
    """The message names what was looked for, and where."""
    answer_groups(stub)
    answer_groups(stub)
    with pytest.raises(NotFound, match="named web in us-east-1"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_two_groups_with_the_tags_are_refused(clients: Clients, stub: Stub) -> None:
    """A fleet is one group: both are named."""
    answer_groups(stub, described(), described(AutoScalingGroupName="web-2"))
    with pytest.raises(NotPossible, match="2 Auto Scaling groups exist with the tags Env=prod: web, web-2"):
        AutoScalingFleets(clients).find(GroupByTags(tags={"Env": "prod"}))


def test_overrides_are_read(clients: Clients, stub: Stub) -> None:
    """Weights, the image that each names, and whether one boots another template than the group."""
    ours = {"LaunchTemplateId": TEMPLATE, "Version": "2"}
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": TEMPLATE, "Version": "3"},
            "Overrides": [
                {"InstanceType": "t3.small", "WeightedCapacity": "2", "ImageId": "ami-1"},
                {"InstanceType": "t3a.small", "WeightedCapacity": "2", "LaunchTemplateSpecification": ours},
            ],
        }
    }
    answer_groups(stub, described(MixedInstancesPolicy=policy))
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert found.override_images == ("ami-1", None)
    assert not found.override_templates


def test_a_warm_pool_is_read_with_the_group(clients: Clients, stub: Stub) -> None:
    """Its instances are no members; Auto Scaling's word on an image counts more than EC2's."""
    warm = {
        "InstanceId": "i-7",
        "AvailabilityZone": "a",
        "HealthStatus": "Healthy",
        "LifecycleState": "Warmed:Stopped",
        "ProtectedFromScaleIn": False,
        "ImageId": "ami-swapped",
    }
    answer_groups(stub, described(WarmPoolConfiguration={"PoolState": "Stopped"}))
    stub("autoscaling").add_response("describe_warm_pool", {"Instances": [warm]}, {"AutoScalingGroupName": "web"})
    stub("ec2").add_response(
        "describe_instances", {"Reservations": [{"Instances": [{"InstanceId": "i-7", "ImageId": "ami-old"}]}]}
    )
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert found.members == ()
    assert [(member.id, member.lifecycle, member.image) for member in found.warm] == [
        ("i-7", "Warmed:Stopped", "ami-swapped")
    ]


def test_sizes_are_of_all_groups_that_stand(clients: Clients, stub: Stub) -> None:
    """The blast radius is a share of these."""
    answer_groups(
        stub,
        described(),
        described(AutoScalingGroupName="gone", Status="Delete in progress"),
        asked={"MaxRecords": 100},
    )
    assert AutoScalingFleets(clients).sizes() == {"web": 4}


def checked(instance: str, status: str = "ok", system: str = "ok") -> dict[str, Any]:
    """Make an instance as DescribeInstanceStatus answers it."""
    return {"InstanceId": instance, "InstanceStatus": {"Status": status}, "SystemStatus": {"Status": system}}


def test_impaired_instances_fail_one_of_the_checks(clients: Clients, stub: Stub) -> None:
    """The instance's own or that of its host."""
    statuses = [checked("i-1", "impaired"), checked("i-2", system="impaired"), checked("i-3", "initializing")]
    ids = [InstanceId(entry["InstanceId"]) for entry in statuses]
    stub("ec2").add_response("describe_instance_status", {"InstanceStatuses": statuses}, {"InstanceIds": ids})
    assert AutoScalingFleets(clients).impaired(ids) == {"i-1", "i-2"}
    assert AutoScalingFleets(clients).impaired([]) == frozenset()


@pytest.mark.parametrize("known", [["i-2"], []])
def test_an_instance_that_is_gone_is_not_impaired(clients: Clients, stub: Stub, known: list[str]) -> None:
    """AWS refuses the whole call for it: those that are left are asked for again."""
    ec2 = stub("ec2")
    ec2.add_client_error("describe_instance_status", "InvalidInstanceID.NotFound")
    described_ones = [{"InstanceId": instance} for instance in known]
    ec2.add_response("describe_instances", {"Reservations": [{"Instances": described_ones}]})
    if known:
        answer = {"InstanceStatuses": [checked("i-2", "impaired")]}
        ec2.add_response("describe_instance_status", answer, {"InstanceIds": known})
    assert AutoScalingFleets(clients).impaired([InstanceId("i-1"), InstanceId("i-2")]) == set(known)


def test_images_are_asked_for_in_batches(clients: Clients, stub: Stub) -> None:
    """A filter takes 200 values: a group of 201 instances is two calls."""
    members = [
        {
            "InstanceId": f"i-{number:03}",
            "AvailabilityZone": "a",
            "HealthStatus": "Healthy",
            "LifecycleState": "InService",
            "ProtectedFromScaleIn": False,
        }
        for number in range(201)
    ]
    answer_groups(stub, described(Instances=members))
    ids = [str(member["InstanceId"]) for member in members]
    for batch in (ids[:200], ids[200:]):
        stub("ec2").add_response(
            "describe_instances",
            {"Reservations": [{"Instances": [{"InstanceId": name, "ImageId": "ami-1"} for name in batch]}]},
            {"Filters": [{"Name": "instance-id", "Values": batch}]},
        )
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert {member.image for member in found.members} == {ImageId("ami-1")}
