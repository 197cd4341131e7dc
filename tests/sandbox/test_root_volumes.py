from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from watching import watched
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.virtual import VirtualMachines

WEB: Any = {"AutoScalingGroupName": "web"}


def policy(template: str, image: str, version: int = 1, kind: str = "m5.large") -> Any:
    """Write a mixed instances policy whose only override has an image; none when that is empty."""
    specification = {"LaunchTemplateId": template, "Version": str(version)}
    override = {"InstanceType": kind, **({"ImageId": image} if image else {})}
    return {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": [override]}}


@dataclass(frozen=True, slots=True)
class Place:
    """A group of four on an old image, and a new image."""

    template: str
    old: str
    new: str

    def start(self, world: World, image: str = "", version: int = 1, **preferences: Any) -> None:
        """Start to replace root volumes."""
        given: Any = {"InstanceWarmup": 60, "MinHealthyPercentage": 50, **preferences}
        desired: Any = {"MixedInstancesPolicy": policy(self.template, image or self.new, version)}
        world.autoscaling.start_instance_refresh(
            **WEB, Strategy="ReplaceRootVolume", DesiredConfiguration=desired, Preferences=given
        )


def place(world: World, **group: Any) -> Place:
    """Make the group and the images."""
    made = Place(world.template("web", world.base()), world.image("old"), world.image("new"))
    wanted: Any = {
        **WEB,
        "MinSize": 0,
        "MaxSize": 8,
        "DesiredCapacity": 4,
        "AvailabilityZones": ["us-east-1a"],
        **group,
    }
    world.autoscaling.create_auto_scaling_group(MixedInstancesPolicy=policy(made.template, made.old), **wanted)
    world.version(made.template, UserData="Mg==")
    world.wait(60)
    return made


def images(world: World) -> dict[str, str]:
    """Tell the image of every instance of the group, which EC2 and Auto Scaling say alike."""
    told = {member["InstanceId"]: member["ImageId"] for member in world.group("web")["Instances"]}
    found = world.ec2.describe_instances(InstanceIds=list(told))["Reservations"]
    assert {item["InstanceId"]: item["ImageId"] for each in found for item in each["Instances"]} == told
    return told


def test_instances_stay_and_their_images_change(prompt: World) -> None:
    """Half of the group at a time gets a new root volume: ids and number stay, image and volumes change."""
    made = place(prompt)
    before, volumes = images(prompt), {volume["VolumeId"] for volume in prompt.ec2.describe_volumes()["Volumes"]}
    made.start(prompt)
    seen, lowest, highest = watched(prompt)
    assert [percent for _, _, percent in seen] == [0, 0, 50, 100]
    assert (lowest, highest) == (2, 4)
    assert images(prompt) == dict.fromkeys(before, made.new)
    after = {volume["VolumeId"] for volume in prompt.ec2.describe_volumes()["Volumes"]}
    assert (len(after), after & volumes) == (len(volumes), set())
    assert prompt.group("web")["MixedInstancesPolicy"] == policy(made.template, made.new)
    assert prompt.refresh("web")["Strategy"] == "ReplaceRootVolume"


def test_the_states_of_a_replacement(world: World) -> None:
    """An instance is ReplacingRootVolume, RootVolumeReplaced, then InService; EC2 says running all the time."""
    made = place(world, DesiredCapacity=1)
    made.start(world, MinHealthyPercentage=0)
    states = []
    for _ in range(8):
        (member,) = world.group("web")["Instances"]
        states.append(member["LifecycleState"])
        (found,) = world.ec2.describe_instances(InstanceIds=[member["InstanceId"]])["Reservations"]
        assert found["Instances"][0]["State"]["Name"] == "running"
        world.wait(5)
    assert list(dict.fromkeys(states)) == ["InService", "ReplacingRootVolume", "RootVolumeReplaced"]
    assert states[-1] == "InService"


def test_a_minimum_of_a_hundred_still_takes_one_down(prompt: World) -> None:
    """Nothing can be launched first, so one instance at a time leaves service whatever the percentages say."""
    made = place(prompt)
    made.start(prompt, MinHealthyPercentage=100, MaxHealthyPercentage=200)
    seen, lowest, highest = watched(prompt)
    assert [percent for _, _, percent in seen] == [0, 0, 25, 50, 75, 100]
    assert (lowest, highest) == (3, 4)


def test_skip_matching_compares_images(prompt: World) -> None:
    """An instance on the wanted image is left alone, whatever template version it was launched from."""
    made = place(prompt)
    made.start(prompt, SkipMatching=True)
    watched(prompt)
    assert set(images(prompt).values()) == {made.new}
    made.start(prompt, version=2, SkipMatching=True)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.group("web")["MixedInstancesPolicy"] == policy(made.template, made.new, 2)


def test_an_instance_that_does_not_come_back_is_replaced(prompt: World) -> None:
    """A failed replacement terminates the instance and launches another one from the new image."""
    made = place(prompt)
    before = images(prompt)
    prompt.cloud.virtual.behave(made.new, "dead")
    made.start(prompt)
    prompt.wait(10)
    prompt.cloud.virtual.behave(made.new, "healthy")
    watched(prompt)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert set(images(prompt).values()) == {made.new}
    assert len(images(prompt).keys() & before.keys()) == 2
    activities = prompt.autoscaling.describe_scaling_activities(**WEB)["Activities"]
    failed = [
        activity for activity in activities if "Replacing the root volume failed" in activity.get("StatusMessage", "")
    ]
    assert len(failed) == 2


def test_a_rollback_puts_the_old_root_volumes_back(prompt: World) -> None:
    """A rollback replaces the new root volumes by ones of the saved image; the instances are still the same."""
    made = place(prompt)
    before = images(prompt)
    made.start(prompt)
    prompt.wait(60)
    assert sorted(images(prompt).values()) == sorted([made.old] * 2 + [made.new] * 2)
    prompt.autoscaling.rollback_instance_refresh(**WEB)
    watched(prompt)
    assert prompt.refresh("web")["Status"] == "RollbackSuccessful"
    assert images(prompt) == before


@pytest.mark.parametrize("rollback", [False, True])
def test_an_image_that_goes_meanwhile_ends_the_refresh(prompt: World, rollback: bool) -> None:
    """When the new image is gone instances can neither change nor be launched; after an hour that fails."""
    made = place(prompt)
    made.start(prompt, AutoRollback=rollback)
    prompt.ec2.deregister_image(ImageId=made.new)
    prompt.wait(200)
    assert "no longer available" in prompt.refresh("web")["StatusReason"]
    prompt.wait(3800)
    assert prompt.refresh("web")["Status"] == ("RollbackSuccessful" if rollback else "Failed")
    assert set(images(prompt).values()) == {made.old}


def test_an_image_of_another_architecture_fails(prompt: World) -> None:
    """EC2 wants the architecture that an instance has: otherwise its replacement fails, and it is lost."""
    made = place(prompt)
    made.start(prompt, prompt.base("/aws/service/debian/release/12/latest/arm64"))
    prompt.wait(10)
    activities = prompt.autoscaling.describe_scaling_activities(**WEB)["Activities"]
    assert sum("of another architecture" in activity.get("StatusMessage", "") for activity in activities) == 2
    assert len(images(prompt)) == 2


@pytest.mark.parametrize(
    ("group", "wanted", "why"),
    [
        ({}, {"image": ""}, "must specify an ImageId"),
        ({}, {"kind": "m5.xlarge"}, "not among the overrides"),
        ({"LoadBalancerNames": ["classic"]}, {}, "Elastic Load Balancing"),
        ({}, None, "desired configuration"),
    ],
)
def test_what_aws_requires_is_required(
    prompt: World, group: dict[str, Any], wanted: dict[str, str] | None, why: str
) -> None:
    """No load balancer, and a desired policy with an image for every type: otherwise the start is refused."""
    made = place(prompt, **group)
    desired: dict[str, Any] = {}
    if wanted is not None:
        asked: Any = {"template": made.template, "image": made.new, **wanted}
        desired = {"DesiredConfiguration": {"MixedInstancesPolicy": policy(**asked)}}
    with pytest.raises(ClientError, match=why) as error:
        prompt.autoscaling.start_instance_refresh(**WEB, Strategy="ReplaceRootVolume", **desired)
    assert error.value.response["Error"]["Code"] == "ValidationError"


class Real(VirtualMachines):
    """Machines that say that they are processes."""

    @property
    def tier(self) -> Tier:
        """How real it is."""
        return Tier.PROCESS


def test_real_machines_keep_their_disks() -> None:
    """On tiers B and C the strategy is unsupported, and the answer says where it works."""
    clock = ManualClock()
    with Cloud(clock=clock, machines=Real(clock)).in_process() as cloud:
        world = World(cloud)
        world.fleet("web", world.base(), size=0, settle=0)
        with pytest.raises(ClientError, match="tier A only") as error:
            world.autoscaling.start_instance_refresh(**WEB, Strategy="ReplaceRootVolume")
        assert error.value.response["Error"]["Code"] == "UnsupportedOperation"


def test_instances_and_images_must_fit(prompt: World) -> None:
    """Instances that differ from the group's template, images of several volumes, and other groups are refused."""
    made = place(prompt)
    changed: Any = {"MixedInstancesPolicy": policy(made.template, made.old, 2)}
    prompt.autoscaling.update_auto_scaling_group(**WEB, **changed)
    with pytest.raises(ClientError, match="must match"):
        made.start(prompt)
    prompt.autoscaling.update_auto_scaling_group(**WEB, MixedInstancesPolicy=policy(made.template, made.old))
    devices: Any = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]
    (instance,) = prompt.ec2.run_instances(
        ImageId=prompt.base(), InstanceType="t3.small", MinCount=1, MaxCount=1, BlockDeviceMappings=devices
    )["Instances"]
    large = prompt.ec2.create_image(InstanceId=instance["InstanceId"], Name="large")["ImageId"]
    prompt.wait(60)
    with pytest.raises(ClientError, match="more than a root volume"):
        made.start(prompt, large)
    prompt.autoscaling.put_warm_pool(**WEB)
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        made.start(prompt)
    prompt.fleet("api", prompt.base(), size=1)
    with pytest.raises(ClientError, match="must use a mixed instances policy"):
        prompt.autoscaling.start_instance_refresh(AutoScalingGroupName="api", Strategy="ReplaceRootVolume")
    with pytest.raises(ClientError, match="no strategy"):
        prompt.autoscaling.start_instance_refresh(AutoScalingGroupName="api", Strategy="Hope")  # type: ignore[arg-type] # what nobody knows
