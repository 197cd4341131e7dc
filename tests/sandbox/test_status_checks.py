from __future__ import annotations

from typing import Any

from world import World


def launched(world: World, image: str) -> str:
    """Launch an instance."""
    made = world.ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)
    return made["Instances"][0]["InstanceId"]


def checks(world: World, instance: str, *, every: bool = True) -> list[tuple[str, str, str]]:
    """Read an instance's state and its two checks."""
    asked: Any = {"InstanceIds": [instance], "IncludeAllInstances": every}
    return [
        (one["InstanceState"]["Name"], one["InstanceStatus"]["Status"], one["SystemStatus"]["Status"])
        for one in world.ec2.describe_instance_status(**asked)["InstanceStatuses"]
    ]


def test_status_checks_follow_the_machine(world: World) -> None:
    """They begin with it, pass once it runs, and do not apply to one that was stopped."""
    instance = launched(world, world.base())
    assert checks(world, instance) == [("pending", "initializing", "initializing")]
    assert checks(world, instance, every=False) == []
    world.wait(11)
    assert checks(world, instance, every=False) == [("running", "ok", "ok")]
    world.ec2.stop_instances(InstanceIds=[instance])
    world.wait(5)
    assert checks(world, instance) == [("stopped", "not-applicable", "not-applicable")]


def test_a_machine_that_failed_has_failed_its_checks(world: World) -> None:
    """It never ran, so only who asks for all instances sees it."""
    instance = launched(world, world.image("bad", behaviour="dead"))
    world.wait(20)
    assert checks(world, instance) == [("terminated", "impaired", "impaired")]
    (detail,) = world.ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)["InstanceStatuses"]
    assert detail["InstanceStatus"]["Details"] == [{"Name": "reachability", "Status": "failed"}]


def test_an_image_that_fails_under_traffic(world: World) -> None:
    """It passes its checks until its instances have answered so many requests, each for itself."""
    fleet = world.fleet("web", world.image("weak", behaviour="fails-under-traffic:100"), size=2, balanced=True)
    world.autoscaling.suspend_processes(AutoScalingGroupName="web")
    first, _ = (each["InstanceId"] for each in world.group("web")["Instances"])

    def health() -> list[str]:
        found = world.elbv2.describe_target_health(TargetGroupArn=fleet.target_group)["TargetHealthDescriptions"]
        return sorted(each["TargetHealth"]["State"] for each in found)

    assert health() == ["healthy", "healthy"]
    for _number in range(2):
        world.cloud.virtual.serve(fleet.target_group, first, Target_2XX=50)
    assert health() == ["healthy", "unhealthy"]
