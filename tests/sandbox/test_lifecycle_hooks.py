from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import Fleet, World

WEB: Any = {"AutoScalingGroupName": "web"}
LAUNCH = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATE = "autoscaling:EC2_INSTANCE_TERMINATING"


def hook(name: str = "up", transition: str = LAUNCH, **more: Any) -> dict[str, Any]:
    """Say what a hook is."""
    return {"LifecycleHookName": name, "LifecycleTransition": transition, "HeartbeatTimeout": 300, **more}


def hooked(world: World, *hooks: dict[str, Any], size: int = 1, **group: Any) -> Fleet:
    """Make a fleet whose first instances already meet these hooks."""
    return world.fleet("web", world.base(), size=size, LifecycleHookSpecificationList=list(hooks), **group)


def states(world: World) -> dict[str, str]:
    """Tell the lifecycle state of every instance of the group."""
    return {member["InstanceId"]: member["LifecycleState"] for member in world.group("web")["Instances"]}


def complete(world: World, instance: str, result: str = "CONTINUE", name: str = "up") -> None:
    """Complete an instance's lifecycle action."""
    world.autoscaling.complete_lifecycle_action(
        **WEB, LifecycleHookName=name, InstanceId=instance, LifecycleActionResult=result
    )


def targets(world: World, fleet: Fleet) -> list[str]:
    """Tell the states of the target group's targets."""
    health = world.elbv2.describe_target_health(TargetGroupArn=fleet.target_group)["TargetHealthDescriptions"]
    return [target["TargetHealth"]["State"] for target in health]


def failures(world: World) -> list[str]:
    """Tell why activities failed, newest first."""
    activities = world.autoscaling.describe_scaling_activities(**WEB)["Activities"]
    return [activity["StatusMessage"] for activity in activities if activity["StatusCode"] == "Failed"]


def test_a_new_instance_waits_until_it_is_told_to_continue(world: World) -> None:
    """A launching hook keeps an instance in Pending:Wait and out of its target group until it is completed."""
    fleet = hooked(world, hook(), balanced=True)
    (one,) = states(world)
    assert (states(world), targets(world, fleet)) == ({one: "Pending:Wait"}, [])
    complete(world, one)
    assert (states(world), targets(world, fleet)) == ({one: "InService"}, ["healthy"])


def test_an_abandoned_launch_is_replaced(world: World) -> None:
    """ABANDON terminates the instance, the activity fails and says why, and another one is launched."""
    hooked(world, hook())
    (one,) = states(world)
    complete(world, one, "ABANDON")
    world.wait(60)
    assert one not in states(world)
    assert list(states(world).values()) == ["Pending:Wait"]
    assert "ABANDON Result" in failures(world)[0]
    assert world.cloud.virtual.state(one).value == "gone"


@pytest.mark.parametrize(("result", "ends"), [("CONTINUE", "InService"), (None, "Pending:Wait")])
def test_a_wait_that_times_out_ends_with_the_default_result(world: World, result: str | None, ends: str) -> None:
    """After HeartbeatTimeout the default result counts: CONTINUE, or ABANDON where nothing was said."""
    hooked(world, hook(**{"DefaultResult": result} if result else {}))
    (one,) = states(world)
    world.wait(200)
    assert states(world) == {one: "Pending:Wait"}
    world.wait(110)
    assert list(states(world).values()) == [ends]
    assert (one in states(world)) is (result is not None)
    assert len(failures(world)) == (result is None)


def test_a_heartbeat_begins_the_wait_anew(world: World) -> None:
    """A heartbeat, by instance or by token, keeps an instance waiting for another period."""
    hooked(world, hook())
    (one,) = states(world)
    token = world.cloud.events[-1].detail["LifecycleActionToken"]
    for named in ({"InstanceId": one}, {"LifecycleActionToken": token}):
        world.wait(200)
        world.autoscaling.record_lifecycle_action_heartbeat(**WEB, LifecycleHookName="up", **named)
    world.wait(250)
    assert states(world) == {one: "Pending:Wait"}


def test_every_hook_must_be_completed(world: World) -> None:
    """With two hooks an instance waits for both; ABANDON of one ends the other's wait too."""
    hooked(world, hook(), hook("too"))
    (one,) = states(world)
    complete(world, one)
    assert states(world) == {one: "Pending:Wait"}
    complete(world, one, "ABANDON", "too")
    world.wait(60)
    assert one not in states(world)


@pytest.mark.parametrize("result", ["CONTINUE", "ABANDON"])
def test_a_leaving_instance_drains_and_then_waits(world: World, result: str) -> None:
    """A terminating hook keeps an instance in Terminating:Wait once it has drained; both results let it go."""
    fleet = hooked(world, hook("down", TERMINATE), balanced=True)
    (one,) = states(world)
    world.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=0)
    assert (states(world), targets(world, fleet)) == ({one: "Terminating"}, ["draining"])
    world.wait(30)
    assert (states(world), targets(world, fleet)) == ({one: "Terminating:Wait"}, [])
    assert world.cloud.virtual.state(one).value == "running"
    complete(world, one, result, "down")
    assert states(world) == {}


def test_deleting_a_hook_ends_its_waits(world: World) -> None:
    """An instance that waits for a hook that is deleted is abandoned on its way in and continues on its way out."""
    hooked(world, hook("down", TERMINATE), size=1)
    (one,) = states(world)
    world.autoscaling.put_lifecycle_hook(**WEB, **hook())
    world.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=2)
    world.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=True)
    world.wait(30)
    assert sorted(states(world).values()) == ["Pending:Wait", "Terminating:Wait"]
    for name in ("up", "down"):
        world.autoscaling.delete_lifecycle_hook(**WEB, LifecycleHookName=name)
    world.wait(60)
    assert list(states(world).values()) == ["InService"]
    assert "the hook was deleted" in failures(world)[0]


def test_a_refresh_counts_from_after_the_hook(prompt: World) -> None:
    """Warm-up begins when the hook is done: a refresh of one instance takes hook and warm-up one after the other."""
    fleet = hooked(prompt)
    prompt.autoscaling.put_lifecycle_hook(**WEB, **hook(DefaultResult="CONTINUE", HeartbeatTimeout=120))
    prompt.version(fleet.template, InstanceType="t3.medium")
    prompt.start(fleet, 2, MinHealthyPercentage=0, InstanceWarmup=60)
    prompt.wait(180)
    assert prompt.refresh("web")["Status"] == "InProgress"
    prompt.wait(15)
    assert prompt.refresh("web")["Status"] == "Successful"


def test_hooks_are_described_updated_and_deleted(world: World) -> None:
    """A hook is described with its defaults, an update leaves the rest, and both events tell of a wait."""
    hooked(world, size=0, settle=0)
    put, describe = world.autoscaling.put_lifecycle_hook, world.autoscaling.describe_lifecycle_hooks
    put(**WEB, LifecycleHookName="up", LifecycleTransition=LAUNCH)
    put(**WEB, LifecycleHookName="up", DefaultResult="CONTINUE", NotificationMetadata="x")
    put(**WEB, **hook("down", TERMINATE))
    (found,) = describe(**WEB, LifecycleHookNames=["up"])["LifecycleHooks"]
    assert found == {
        **WEB,
        "LifecycleHookName": "up",
        "LifecycleTransition": LAUNCH,
        "HeartbeatTimeout": 3600,
        "GlobalTimeout": 172800,
        "DefaultResult": "CONTINUE",
        "NotificationMetadata": "x",
    }
    assert [each["LifecycleHookName"] for each in describe(**WEB)["LifecycleHooks"]] == ["up", "down"]
    world.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=1)
    world.wait(30)
    (event,) = world.cloud.events
    assert event.detail_type == "EC2 Instance-launch Lifecycle Action"
    assert (event.detail["EC2InstanceId"], event.detail["NotificationMetadata"]) == (next(iter(states(world))), "x")
    world.autoscaling.delete_auto_scaling_group(**WEB, ForceDelete=True)
    world.wait(30)
    assert world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_actions_and_hooks_that_are_refused(world: World) -> None:
    """A hook needs a transition and a timeout in range; only an instance that waits can be told something."""
    hooked(world, hook())
    (one,) = states(world)
    asg = world.autoscaling
    calls: list[tuple[Any, dict[str, Any]]] = [
        (asg.put_lifecycle_hook, {"LifecycleHookName": "new"}),
        (asg.put_lifecycle_hook, hook(HeartbeatTimeout=29)),
        (asg.put_lifecycle_hook, hook(DefaultResult="MAYBE")),
        (asg.delete_lifecycle_hook, {"LifecycleHookName": "none"}),
    ]
    for named in ({"InstanceId": "i-0"}, {"LifecycleActionToken": "0" * 36}, {}):
        action = {"LifecycleHookName": "up", "LifecycleActionResult": "CONTINUE", **named}
        calls.append((asg.complete_lifecycle_action, action))
    unclear = {"LifecycleHookName": "up", "LifecycleActionResult": "MAYBE", "InstanceId": one}
    calls.append((asg.complete_lifecycle_action, unclear))
    for call, parameters in calls:
        with pytest.raises(ClientError, match="ValidationError"):
            call(**WEB, **parameters)
    assert states(world) == {one: "Pending:Wait"}
