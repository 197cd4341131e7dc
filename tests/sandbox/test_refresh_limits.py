from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

WARM: Any = {"InstanceWarmup": 60, "MinHealthyPercentage": 50}
BY_ATTRIBUTES: Any = [{"InstanceRequirements": {"VCpuCount": {"Min": 2}, "MemoryMiB": {"Min": 2048}}}]


def mixed(template: str, overrides: Any, version: int = 1) -> Any:
    """Write a mixed instances policy."""
    specification = {"LaunchTemplateId": template, "Version": str(version)}
    return {
        "LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides},
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 50, "SpotAllocationStrategy": "lowest-price"},
    }


def mixed_group(world: World, overrides: Any) -> str:
    """Make a group of two under a mixed instances policy; answer its template, which has a second version."""
    template = world.template("web", world.base())
    world.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=2,
        MaxSize=4,
        MixedInstancesPolicy=mixed(template, overrides),
        AvailabilityZones=["us-east-1a"],
    )
    world.version(template, InstanceType="t3.medium")
    world.wait(60)
    return template


def test_a_refresh_ends_after_fourteen_days(prompt: World) -> None:
    """However well it goes, a refresh that waits at its checkpoints for longer than two weeks fails."""
    fleet = prompt.fleet("web", prompt.base(), size=10)
    prompt.version(fleet.template, InstanceType="t3.medium")
    points: Any = {"CheckpointPercentages": list(range(10, 101, 10)), "CheckpointDelay": 172800}
    prompt.start(fleet, 2, MinHealthyPercentage=90, InstanceWarmup=0, **points)
    prompt.wait(13.9 * 86400)
    assert prompt.refresh("web")["Status"] == "InProgress"
    prompt.wait(0.2 * 86400)
    refresh = prompt.refresh("web")
    assert refresh["Status"] == "Failed"
    assert "14 days" in refresh["StatusReason"]


def test_a_mixed_policy_is_saved_whole(prompt: World) -> None:
    """A refresh towards a mixed instances policy rewrites the group's policy, distribution and overrides included."""
    template = mixed_group(prompt, [{"InstanceType": "m5.large"}])
    policy = mixed(template, [{"InstanceType": "m5a.large"}, {"InstanceType": "m5.xlarge"}], version=2)
    before = prompt.group("web")["MixedInstancesPolicy"]
    prompt.autoscaling.start_instance_refresh(
        AutoScalingGroupName="web", DesiredConfiguration={"MixedInstancesPolicy": policy}, Preferences=WARM
    )
    prompt.wait(10)
    assert prompt.group("web")["MixedInstancesPolicy"] == before
    prompt.wait(300)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.group("web")["MixedInstancesPolicy"] == policy
    assert {member["InstanceType"] for member in prompt.group("web")["Instances"]} == {"m5a.large"}
    assert prompt.versions("web") == ["2", "2"]


def test_a_type_without_capacity_gives_way_to_the_next(prompt: World) -> None:
    """Under a mixed instances policy a launch that finds no capacity tries the next override."""
    prompt.cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", times=1)
    mixed_group(prompt, [{"InstanceType": "m5.large"}, {"InstanceType": "m5a.large"}])
    types = {member["InstanceType"] for member in prompt.group("web")["Instances"]}
    assert types == {"m5.large", "m5a.large"}


@pytest.mark.parametrize("how", ["desired", "skip"])
def test_types_by_attributes_cannot_be_compared(prompt: World, how: str) -> None:
    """A group of instance types by attributes refuses a desired configuration and skip matching; without, it goes."""
    template = mixed_group(prompt, BY_ATTRIBUTES)
    wanted: Any = {"DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": template, "Version": "2"}}}
    if how == "skip":
        wanted = {"Preferences": {"SkipMatching": True}}
    with pytest.raises(ClientError, match="Attribute-based") as error:
        prompt.autoscaling.start_instance_refresh(AutoScalingGroupName="web", **wanted)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    prompt.autoscaling.start_instance_refresh(AutoScalingGroupName="web", Preferences=WARM)
    prompt.wait(300)
    assert prompt.refresh("web")["Status"] == "Successful"
