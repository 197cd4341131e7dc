from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

GIVEN: dict[str, Any] = {
    "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": "balanced-only"},
    "AvailabilityZoneImpairmentPolicy": {
        "ZonalShiftEnabled": True,
        "ImpairedZoneHealthCheckBehavior": "ReplaceUnhealthy",
    },
    "CapacityRebalance": True,
    "CapacityReservationSpecification": {
        "CapacityReservationPreference": "capacity-reservations-first",
        "CapacityReservationTarget": {"CapacityReservationIds": ["cr-1"]},
    },
    "Context": "reserved",
    "DefaultCooldown": 60,
    "DefaultInstanceWarmup": 30,
    "DeletionProtection": "prevent-force-deletion",
    "DesiredCapacityType": "units",
    "HealthCheckGracePeriod": 90,
    "HealthCheckType": "EBS,ELB",
    "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
    "InstanceMaintenancePolicy": {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
    "MaxInstanceLifetime": 86400,
    "NewInstancesProtectedFromScaleIn": True,
    "PlacementGroup": "spread",
    "ServiceLinkedRoleARN": "arn:aws:iam::123456789012:role/own",
    "TerminationPolicies": ["OldestInstance", "Default"],
}


def described(world: World, *names: str) -> dict[str, Any]:
    """Describe some attributes of the group; those that are not described are missing."""
    group: dict[str, Any] = dict(world.group("web"))
    return {name: group[name] for name in names or GIVEN if name in group}


def test_a_group_is_described_as_it_was_created(world: World) -> None:
    """Every attribute of CreateAutoScalingGroup is described as it was given, so that a clone can be compared."""
    operator = {"Principal": "eks.amazonaws.com"}
    world.fleet("web", world.base(), size=0, settle=0, Operator=operator, LoadBalancerNames=["classic"], **GIVEN)
    assert described(world) == GIVEN
    assert described(world, "Operator", "LoadBalancerNames", "TrafficSources") == {
        "Operator": operator,
        "LoadBalancerNames": ["classic"],
        "TrafficSources": [{"Identifier": "classic", "Type": "elb"}],
    }


def test_a_clone_is_described_alike(world: World) -> None:
    """What is described of a group makes another one that is described in the same way."""
    fleet = world.fleet("web", world.base(), size=1, balanced=True, **GIVEN)
    kept: Any = {**described(world), **described(world, "TargetGroupARNs", "MinSize", "MaxSize", "VPCZoneIdentifier")}
    template: Any = {"LaunchTemplateId": fleet.template, "Version": "1"}
    world.autoscaling.create_auto_scaling_group(AutoScalingGroupName="copy", LaunchTemplate=template, **kept)
    own = {"AutoScalingGroupName", "AutoScalingGroupARN", "CreatedTime", "Instances", "DesiredCapacity"}
    first, second = ({k: v for k, v in world.group(name).items() if k not in own} for name in ("web", "copy"))
    assert first == second


def test_what_was_never_given_has_its_default(world: World) -> None:
    """A group of which little was said is described with AWS's defaults; what has none is left out."""
    world.fleet("web", world.base(), size=0, settle=0)
    assert described(world) == {
        "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": "balanced-best-effort"},
        "AvailabilityZoneImpairmentPolicy": {
            "ZonalShiftEnabled": False,
            "ImpairedZoneHealthCheckBehavior": "IgnoreUnhealthy",
        },
        "CapacityRebalance": False,
        "CapacityReservationSpecification": {"CapacityReservationPreference": "default"},
        "DefaultCooldown": 300,
        "DeletionProtection": "none",
        "HealthCheckGracePeriod": 0,
        "HealthCheckType": "EC2",
        "NewInstancesProtectedFromScaleIn": False,
        "ServiceLinkedRoleARN": "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/"
        "AWSServiceRoleForAutoScaling",
        "TerminationPolicies": ["Default"],
    }


def test_an_update_changes_what_it_says_and_minus_one_clears(world: World) -> None:
    """UpdateAutoScalingGroup rewrites what it names, leaves the rest, and clears what it sets to -1."""
    world.fleet("web", world.base(), size=0, settle=0, **GIVEN)
    world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName="web",
        DefaultCooldown=0,
        DefaultInstanceWarmup=-1,
        InstanceMaintenancePolicy={"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1},
        CapacityRebalance=False,
    )
    changed: dict[str, Any] = GIVEN | {"DefaultCooldown": 0, "CapacityRebalance": False}
    del changed["DefaultInstanceWarmup"], changed["InstanceMaintenancePolicy"]
    assert described(world) == changed


def test_traffic_sources_are_target_groups_under_another_name(world: World) -> None:
    """A target group that is given as a traffic source shows as both, and the other way round."""
    arn = world.fleet("old", world.base(), size=0, settle=0, balanced=True).target_group
    world.fleet("web", world.base(), size=0, settle=0, TrafficSources=[{"Identifier": arn, "Type": "elbv2"}])
    for name in ("old", "web"):
        group = world.group(name)
        assert group["TargetGroupARNs"] == [arn]
        assert group["TrafficSources"] == [{"Identifier": arn, "Type": "elbv2"}]


def test_classic_load_balancers_are_named_only(world: World) -> None:
    """A classic load balancer is attached and detached by name, as either; nothing is registered anywhere."""
    world.fleet("web", world.base(), size=0, settle=0, LoadBalancerNames=["one"])
    name: Any = {"AutoScalingGroupName": "web"}
    world.autoscaling.attach_load_balancers(**name, LoadBalancerNames=["two", "one"])
    world.autoscaling.detach_traffic_sources(**name, TrafficSources=[{"Identifier": "one", "Type": "elb"}])
    assert described(world, "LoadBalancerNames") == {"LoadBalancerNames": ["two"]}
    assert world.autoscaling.describe_load_balancers(**name)["LoadBalancers"][0]["LoadBalancerName"] == "two"
    assert world.autoscaling.describe_load_balancer_target_groups(**name)["LoadBalancerTargetGroups"] == []
    (source,) = world.autoscaling.describe_traffic_sources(**name)["TrafficSources"]
    assert (source["Identifier"], source["Type"], source["State"]) == ("two", "elb", "Added")


def test_zones_are_named_by_their_ids_too(world: World) -> None:
    """A group made in a zone's id is described with the zone's name and id."""
    world.fleet("web", world.base(), size=0, settle=0, AvailabilityZones=[], AvailabilityZoneIds=["use1-az1"])
    zones = world.ec2.describe_availability_zones(ZoneIds=["use1-az1"])["AvailabilityZones"]
    assert world.group("web")["AvailabilityZones"] == [zones[0]["ZoneName"]]
    assert world.group("web")["AvailabilityZoneIds"] == ["use1-az1"]


@pytest.mark.parametrize(
    ("protection", "force", "deleted"),
    [
        ("none", True, True),
        ("prevent-force-deletion", False, True),
        ("prevent-force-deletion", True, False),
        ("prevent-all-deletion", False, False),
    ],
)
def test_deletion_protection_holds(world: World, protection: str, force: bool, deleted: bool) -> None:
    """Deletion protection refuses forced deletions, or all, until it is taken off."""
    world.fleet("web", world.base(), size=0, settle=0, DeletionProtection=protection)
    delete: Any = {"AutoScalingGroupName": "web", "ForceDelete": force}
    if not deleted:
        with pytest.raises(ClientError, match="deletion protection"):
            world.autoscaling.delete_auto_scaling_group(**delete)
        world.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", DeletionProtection="none")
    world.autoscaling.delete_auto_scaling_group(**delete)
    assert world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
