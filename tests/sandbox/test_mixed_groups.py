from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from watching import watched
from world import World

WEB: Any = {"AutoScalingGroupName": "web"}


def policy(template: str, *overrides: dict[str, str], version: int = 1) -> Any:
    """Write a mixed instances policy."""
    specification = {"LaunchTemplateId": template, "Version": str(version)}
    return {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": list(overrides)}}


def weighing(kind: str, weight: int) -> dict[str, str]:
    """Say what an instance type weighs."""
    return {"InstanceType": kind, "WeightedCapacity": str(weight)}


def mixed(world: World, *overrides: dict[str, str], desired: int = 2, **more: Any) -> str:
    """Make a group under a mixed instances policy; answer its template, which has a second version."""
    template = world.template("web", world.base())
    wanted: dict[str, Any] = {**WEB, "MinSize": 0, "MaxSize": 20, "DesiredCapacity": desired, **more}
    world.autoscaling.create_auto_scaling_group(
        MixedInstancesPolicy=policy(template, *overrides), AvailabilityZones=["us-east-1a"], **wanted
    )
    world.version(template, UserData="Mg==")
    world.wait(60)
    return template


def refresh(world: World, wanted: Any, **preferences: Any) -> None:
    """Start a refresh towards a policy."""
    given: Any = {"InstanceWarmup": 60, **preferences}
    world.autoscaling.start_instance_refresh(
        **WEB, DesiredConfiguration={"MixedInstancesPolicy": wanted}, Preferences=given
    )


def units(world: World) -> list[int]:
    """Tell the weights of the group's instances, sorted."""
    return sorted(int(member["WeightedCapacity"]) for member in world.group("web")["Instances"])


def test_capacity_is_counted_in_units(prompt: World) -> None:
    """Instances are launched until their weights reach the desired capacity, and none goes below it."""
    mixed(prompt, weighing("m5.large", 3), desired=10)
    assert units(prompt) == [3, 3, 3, 3]
    for desired, left in ((9, 3), (7, 3), (6, 2), (0, 0)):
        prompt.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=desired)
        prompt.wait(30)
        assert len(units(prompt)) == left


def test_standby_and_termination_take_their_weight_along(prompt: World) -> None:
    """An instance that leaves with its place takes as much from the desired capacity as it weighs."""
    mixed(prompt, weighing("m5.large", 3), desired=9)
    first, second, _ = (member["InstanceId"] for member in prompt.group("web")["Instances"])
    prompt.autoscaling.enter_standby(**WEB, InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    prompt.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=second, ShouldDecrementDesiredCapacity=True)
    assert prompt.group("web")["DesiredCapacity"] == 3
    prompt.autoscaling.exit_standby(**WEB, InstanceIds=[first])
    assert prompt.group("web")["DesiredCapacity"] == 6


def test_a_weighted_refresh_goes_by_units(prompt: World) -> None:
    """Ten units in five instances at a minimum of 60 per cent: two at a time; what is left to do counts instances."""
    template = mixed(prompt, weighing("m5.large", 2), desired=10)
    refresh(prompt, policy(template, weighing("m5.large", 2), version=2), MinHealthyPercentage=60)
    prompt.wait(6)
    assert prompt.refresh("web")["InstancesToUpdate"] == 5
    seen, lowest, highest = watched(prompt)
    assert [percent for _, _, percent in seen] == [0, 40, 80, 100]
    assert (lowest, highest) == (3, 5)
    assert prompt.versions("web") == ["2"] * 5


def test_an_instance_that_weighs_as_much_as_the_group_is_all_of_it(prompt: World) -> None:
    """A minimum of 90 per cent does not keep the only instance, as AWS warns; launching first does."""
    template = mixed(prompt, weighing("m5.large", 4), desired=4)
    refresh(prompt, policy(template, weighing("m5.large", 4), version=2), MinHealthyPercentage=90)
    assert watched(prompt)[1:] == (0, 1)
    refresh(prompt, policy(template, weighing("m5.large", 4)), MinHealthyPercentage=100, MaxHealthyPercentage=100)
    assert watched(prompt)[1:] == (1, 2)


@pytest.mark.parametrize(("before", "after", "ends"), [(4, 2, [2, 2, 2, 2]), (2, 4, [4, 4]), (1, 8, [8])])
def test_instances_of_another_weight_take_over(prompt: World, before: int, after: int, ends: list[int]) -> None:
    """Launching first, a refresh to lighter instances launches several for one, to heavier ones one for several."""
    template = mixed(prompt, weighing("m5.large", before), desired=8)
    wanted = policy(template, weighing("m5.xlarge", after), version=2)
    refresh(prompt, wanted, MinHealthyPercentage=100, MaxHealthyPercentage=100)
    watched(prompt)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert units(prompt) == ends


def test_lighter_instances_wait_for_each_other_at_a_checkpoint(prompt: World) -> None:
    """A new instance too light to replace the old one alone outlives a checkpoint, and counts by its units."""
    template = mixed(prompt, weighing("m5.large", 5), desired=5)
    wanted = policy(template, weighing("m5.xlarge", 3), version=2)
    points: Any = {"CheckpointPercentages": [20, 100], "CheckpointDelay": 300}
    refresh(prompt, wanted, MinHealthyPercentage=100, MaxHealthyPercentage=100, **points)
    prompt.wait(200)
    assert (units(prompt), prompt.refresh("web")["PercentageComplete"]) == ([3, 5], 37)
    seen, lowest, _ = watched(prompt)
    assert (seen[-1][1:], lowest, units(prompt)) == (("Successful", 100), 2, [3, 3])


@pytest.mark.parametrize("weights", [("2", ""), ("0", "1"), ("1000", "1000")])
def test_weights_that_are_refused(prompt: World, weights: tuple[str, ...]) -> None:
    """All overrides have a weight between 1 and 999, or none has."""
    kinds = ("m5.large", "m5.xlarge")
    overrides = [
        {"InstanceType": kind, **({"WeightedCapacity": weight} if weight else {})}
        for kind, weight in zip(kinds, weights, strict=True)
    ]
    with pytest.raises(ClientError, match="ValidationError"):
        mixed(prompt, *overrides)


def test_images_of_overrides_are_launched_and_described(prompt: World) -> None:
    """An override's image wins over the template's; only instances launched by one are described with their image."""
    own = prompt.image("own")
    template = mixed(prompt, {"InstanceType": "m5.large"}, desired=1)
    (member,) = prompt.group("web")["Instances"]
    assert "ImageId" not in member
    refresh(prompt, policy(template, {"InstanceType": "m5.large", "ImageId": own}), MinHealthyPercentage=0)
    watched(prompt)
    (member,) = prompt.group("web")["Instances"]
    found = prompt.ec2.describe_instances(InstanceIds=[member["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert member["ImageId"] == found["ImageId"] == own != prompt.base()
    (listed,) = prompt.autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"]
    assert listed["ImageId"] == own


def test_skip_matching_does_not_compare_images_of_overrides(prompt: World) -> None:
    """A rolling refresh with skip matching compares template and types: another image alone replaces nothing."""
    template = mixed(prompt, {"InstanceType": "m5.large"})
    wanted = policy(template, {"InstanceType": "m5.large", "ImageId": prompt.image("own")})
    refresh(prompt, wanted, SkipMatching=True)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.group("web")["MixedInstancesPolicy"] == wanted
