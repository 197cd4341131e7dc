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
from pipeline.model.names import Role
from pipeline.model.settings import GroupByName, GroupByTags

WEB = GroupName("web")
TEMPLATE = TemplateId("lt-0abc")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
HEIRS = {
    "Filters": [
        {"Name": "tag:rebake:origin", "Values": ["web"]},
        {"Name": "tag:rebake:role", "Values": ["live"]},
    ]
}


def playing(name: str, role: str) -> dict[str, Any]:
    """Make a group that plays a role in a rollout of web."""
    tags = {"rebake:origin": "web", "rebake:role": role}
    return described(AutoScalingGroupName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


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
    answer_groups(stub, group, asked={"AutoScalingGroupNames": ["web"]})
    stub("ec2").add_response(
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-1", "ImageId": "ami-1"}]}]},
        {"Filters": [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]},
    )
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
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
    assert found.health_check == "ELB"


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
    answer_groups(stub, asked=HEIRS)
    with pytest.raises(NotFound, match="named web in us-east-1"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_two_groups_with_the_tags_are_refused(clients: Clients, stub: Stub) -> None:
    """A fleet is one group: both are named."""
    answer_groups(stub, described(), described(AutoScalingGroupName="web-2"))
    with pytest.raises(NotPossible, match="2 Auto Scaling groups exist with the tags Env=prod: web, web-2"):
        AutoScalingFleets(clients).find(GroupByTags(tags={"Env": "prod"}))


@pytest.mark.parametrize("first", [(), *((playing("web", role),) for role in ("blue", "green", "retired"))])
def test_a_fleet_that_was_replaced_is_found_under_its_first_name(
    clients: Clients, stub: Stub, first: tuple[dict[str, Any], ...]
) -> None:
    """The group of that name is gone, or stands aside: the one that took over is meant."""
    answer_groups(stub, *first, asked={"AutoScalingGroupNames": ["web"]})
    answer_groups(stub, playing("web-v4", "live"), asked=HEIRS)
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert (found.name, found.role, found.origin) == ("web-v4", Role.LIVE, "web")


def test_a_live_group_is_found_under_its_own_name(clients: Clients, stub: Stub) -> None:
    """One call is enough then."""
    answer_groups(stub, playing("web", "live"), asked={"AutoScalingGroupNames": ["web"]})
    assert AutoScalingFleets(clients).find(GroupByName(name=WEB)).name == "web"


def test_two_groups_cannot_both_have_taken_over(clients: Clients, stub: Stub) -> None:
    """Both are named, for a person to decide."""
    answer_groups(stub)
    answer_groups(stub, playing("web-v3", "live"), playing("web-v4", "live"))
    with pytest.raises(NotPossible, match="2 Auto Scaling groups exist that took over from web: web-v3, web-v4"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_a_blue_group_without_an_heir_is_no_fleet(clients: Clients, stub: Stub) -> None:
    """It stands, but nothing has its traffic."""
    answer_groups(stub, playing("web", "blue"))
    answer_groups(stub)
    with pytest.raises(NotFound, match="that took over from web in us-east-1"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_of_groups_with_the_tags_only_the_one_with_the_traffic_counts(clients: Clients, stub: Stub) -> None:
    """Copies carry the tags of the group that they were made from."""
    answer_groups(stub, playing("web", "blue"), playing("web-v4", "live"), playing("web-v5", "green"))
    assert AutoScalingFleets(clients).find(GroupByTags(tags={"Env": "prod"})).name == "web-v4"


def test_a_group_is_found_by_its_very_name(clients: Clients, stub: Stub) -> None:
    """Whatever its role, and nobody else is asked for."""
    answer_groups(stub, playing("web", "blue"), asked={"AutoScalingGroupNames": ["web"]})
    assert AutoScalingFleets(clients).named(WEB).role is Role.BLUE
    answer_groups(stub)
    with pytest.raises(NotFound):
        AutoScalingFleets(clients).named(WEB)


def test_siblings_are_all_groups_of_a_fleet(clients: Clients, stub: Stub) -> None:
    """The first one is listed once, though it is found in two ways; their instances are asked for together."""
    member = {
        "AvailabilityZone": "a",
        "HealthStatus": "Healthy",
        "LifecycleState": "InService",
        "ProtectedFromScaleIn": False,
    }
    blue, green = playing("web", "blue"), playing("web-v4", "green")
    blue["Instances"] = [{**member, "InstanceId": "i-1"}]
    green["Instances"] = [{**member, "InstanceId": "i-2"}]
    answer_groups(stub, blue, asked={"AutoScalingGroupNames": ["web"]})
    answer_groups(stub, blue, green, described(Status="Delete in progress"), asked={"Filters": HEIRS["Filters"][:1]})
    stub("ec2").add_response(
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-2", "PrivateIpAddress": "10.0.0.2"}]}]},
        {"Filters": [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]},
    )
    found = AutoScalingFleets(clients).siblings(WEB)
    assert [(group.name, group.role) for group in found] == [("web", Role.BLUE), ("web-v4", Role.GREEN)]
    assert found[1].members[0].address == "10.0.0.2"


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
    assert found.weighted
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


def test_impaired_instances_are_asked_for_by_their_state(clients: Clients, stub: Stub) -> None:
    """Two calls, however large the fleet; an instance that is gone is in neither answer."""
    for name, failing in (("instance-status.status", ["i-1", "i-9"]), ("system-status.status", ["i-2"])):
        stub("ec2").add_response(
            "describe_instance_status",
            {"InstanceStatuses": [{"InstanceId": instance} for instance in failing]},
            {"Filters": [{"Name": name, "Values": ["impaired"]}]},
        )
    members = [InstanceId(f"i-{number}") for number in (1, 2, 3)]
    assert AutoScalingFleets(clients).impaired(members) == {"i-1", "i-2"}
    assert AutoScalingFleets(clients).impaired([]) == frozenset()


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
