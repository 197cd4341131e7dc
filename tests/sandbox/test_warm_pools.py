from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from watching import watched
from world import Fleet, World

WEB: Any = {"AutoScalingGroupName": "web"}
HOOK: Any = {
    "LifecycleHookName": "up",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 300,
}


def pooled(world: World, size: int = 2, largest: int = 5, settle: float = 60, **pool: Any) -> Fleet:
    """Make a fleet with a warm pool and a second template version."""
    fleet = world.fleet("web", world.base(), size=size, MaxSize=largest, settle=settle)
    world.version(fleet.template, InstanceType="t3.medium")
    world.autoscaling.put_warm_pool(**WEB, **pool)
    world.wait(60)
    return fleet


def pool(world: World) -> Counter[str]:
    """Count the states of the instances in the pool."""
    return Counter(item["LifecycleState"] for item in world.autoscaling.describe_warm_pool(**WEB)["Instances"])


def live(world: World) -> Counter[str]:
    """Count the states of the instances in the group itself."""
    return Counter(item["LifecycleState"] for item in world.group("web")["Instances"])


def ids(world: World) -> set[str]:
    """Name the instances in the pool."""
    return {item["InstanceId"] for item in world.autoscaling.describe_warm_pool(**WEB)["Instances"]}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 3),
        ({"MaxGroupPreparedCapacity": 4}, 2),
        ({"MaxGroupPreparedCapacity": 1}, 0),
        ({"MaxGroupPreparedCapacity": 1, "MinSize": 1}, 1),
        ({"MinSize": 4}, 4),
    ],
)
def test_a_pool_is_as_large_as_what_is_prepared_beyond_the_desired_capacity(
    prompt: World, given: dict[str, int], size: int
) -> None:
    """The pool holds what MaxSize or MaxGroupPreparedCapacity leave beside the desired capacity, at least MinSize."""
    pooled(prompt, **given)
    assert (live(prompt), pool(prompt)) == (Counter(InService=2), Counter({"Warmed:Stopped": size} if size else {}))
    assert prompt.group("web")["WarmPoolSize"] == size
    prompt.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=5)
    prompt.wait(60)
    assert live(prompt) == Counter(InService=5)
    assert pool(prompt).total() == given.get("MinSize", 0)


@pytest.mark.parametrize(
    ("state", "machine"), [("Stopped", "stopped"), ("Running", "running"), ("Hibernated", "stopped")]
)
def test_pools_rest_in_their_state(world: World, state: str, machine: str) -> None:
    """An instance boots once, passes the hook, and rests as the pool's state says; hibernated ones are stopped."""
    world.fleet("web", world.base(), size=1, MaxSize=2, LifecycleHookSpecificationList=[HOOK], settle=30)
    for item in world.group("web")["Instances"]:
        action: Any = {"LifecycleHookName": "up", "InstanceId": item["InstanceId"], "LifecycleActionResult": "CONTINUE"}
        world.autoscaling.complete_lifecycle_action(**WEB, **action)
    world.autoscaling.put_warm_pool(**WEB, PoolState=state)  # type: ignore[arg-type] # any of the three
    assert pool(world) == Counter({"Warmed:Pending": 1})
    world.wait(30)
    assert pool(world) == Counter({"Warmed:Pending:Wait": 1})
    (one,) = ids(world)
    action = {"LifecycleHookName": "up", "InstanceId": one, "LifecycleActionResult": "CONTINUE"}
    world.autoscaling.complete_lifecycle_action(**WEB, **action)
    world.wait(10)
    assert pool(world) == Counter({f"Warmed:{state}": 1})
    assert world.cloud.virtual.state(one).value == machine
    world.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=2)
    world.wait(30)
    assert live(world) == Counter({"InService": 1, "Pending:Wait": 1})
    world.autoscaling.complete_lifecycle_action(**WEB, **action)
    assert live(world) == Counter(InService=2)


def test_scale_out_takes_from_the_pool_first(prompt: World) -> None:
    """Instances of the pool come into service before new ones are launched; an abandoned or dead one is replaced."""
    pooled(prompt, MaxGroupPreparedCapacity=3)
    (warmed,) = ids(prompt)
    prompt.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=4)
    prompt.wait(30)
    members = {item["InstanceId"] for item in prompt.group("web")["Instances"]}
    assert (live(prompt), warmed in members) == (Counter(InService=4), True)
    activities = prompt.autoscaling.describe_scaling_activities(**WEB)["Activities"]
    assert [activity["Description"] for activity in activities if "warm pool" in activity["Description"]] == [
        f"Launching a new EC2 instance from warm pool: {warmed}"
    ]
    prompt.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=2)
    prompt.wait(60)
    (first,) = ids(prompt)
    prompt.ec2.terminate_instances(InstanceIds=[first])
    prompt.wait(60)
    assert pool(prompt) == Counter({"Warmed:Stopped": 1})
    assert first not in ids(prompt)


def test_a_refresh_replaces_the_live_group_first(prompt: World) -> None:
    """The pool is untouched until the live group is done; scale-out meanwhile takes nothing old out of it."""
    fleet = pooled(prompt, size=2, largest=6)
    before = ids(prompt)
    prompt.start(fleet, 2, MinHealthyPercentage=50, InstanceWarmup=60)
    prompt.wait(70)
    details: Any = prompt.refresh("web")["ProgressDetails"]
    assert details["LivePoolProgress"] == {"PercentageComplete": 50, "InstancesToUpdate": 1}
    assert details["WarmPoolProgress"] == {"PercentageComplete": 0, "InstancesToUpdate": 4}
    assert prompt.refresh("web")["PercentageComplete"] == 16
    prompt.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=3)
    prompt.wait(50)
    assert len(ids(prompt) & before) == 3
    watched(prompt)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.versions("web") == ["2"] * 3
    assert (ids(prompt) & before, pool(prompt)) == (set(), Counter({"Warmed:Stopped": 3}))


def test_the_documented_bounds_hold_for_each_pool(prompt: World) -> None:
    """Desired 100, minimum 90, maximum 120, a pool of 10: between 9 and 12 in the pool while the live 100 change."""
    fleet = pooled(prompt, size=100, largest=110, settle=15)
    prompt.start(fleet, 2, MinHealthyPercentage=90, MaxHealthyPercentage=120, InstanceWarmup=60)
    seen, lowest, highest = watched(prompt, pool=True)
    assert (seen[-1][1:], lowest, highest) == (("Successful", 100), 9, 12)
    assert (live(prompt).total(), pool(prompt)) == (100, Counter({"Warmed:Stopped": 10}))


def test_a_rollback_goes_through_both_pools(prompt: World) -> None:
    """A rollback in the middle of the pool puts live group and pool back, and keeps the details it began with."""
    fleet = pooled(prompt, size=2, largest=6)
    prompt.start(fleet, 2, MinHealthyPercentage=50, InstanceWarmup=60)
    prompt.wait(250)
    prompt.autoscaling.rollback_instance_refresh(**WEB)
    rolled: Any = prompt.refresh("web")["RollbackDetails"]
    assert rolled["ProgressDetailsOnRollback"]["LivePoolProgress"]["PercentageComplete"] == 100
    assert 0 < rolled["ProgressDetailsOnRollback"]["WarmPoolProgress"]["PercentageComplete"] < 100
    watched(prompt)
    assert prompt.refresh("web")["Status"] == "RollbackSuccessful"
    assert prompt.versions("web") == ["1", "1"]
    found = prompt.autoscaling.describe_warm_pool(**WEB)["Instances"]
    assert [item["LaunchTemplate"]["Version"] for item in found] == ["1"] * 4


def test_details_come_with_a_pool_only(prompt: World) -> None:
    """A refresh of a group without a warm pool has no progress details."""
    fleet = prompt.fleet("web", prompt.base(), size=1)
    prompt.start(fleet, 1)
    prompt.wait(10)
    assert "ProgressDetails" not in prompt.refresh("web")
    assert prompt.autoscaling.describe_warm_pool(**WEB)["Instances"] == []
    assert "WarmPoolSize" not in prompt.group("web")


def test_pools_are_changed_and_deleted(prompt: World) -> None:
    """A pool keeps what an update does not say, -1 takes the bound away, and a full one goes only by force."""
    fleet = pooled(prompt, MaxGroupPreparedCapacity=3, InstanceReusePolicy={"ReuseOnScaleIn": True})
    asg = prompt.autoscaling
    asg.put_warm_pool(**WEB, MaxGroupPreparedCapacity=-1, MinSize=1)
    kept = {"MinSize": 1, "PoolState": "Stopped", "InstanceReusePolicy": {"ReuseOnScaleIn": True}}
    assert prompt.group("web")["WarmPoolConfiguration"] == kept
    prompt.wait(60)
    page = asg.describe_warm_pool(**WEB, MaxRecords=2)
    assert (len(page["Instances"]), bool(page["NextToken"])) == (2, True)
    prompt.start(fleet, 2)
    with pytest.raises(asg.exceptions.InstanceRefreshInProgressFault):
        asg.put_warm_pool(**WEB, MinSize=2)
    asg.cancel_instance_refresh(**WEB)
    with pytest.raises(asg.exceptions.ResourceInUseFault):
        asg.delete_warm_pool(**WEB)
    with pytest.raises(asg.exceptions.ResourceInUseFault):
        asg.delete_auto_scaling_group(**WEB)
    asg.delete_warm_pool(**WEB, ForceDelete=True)
    prompt.wait(60)
    assert ids(prompt) == set()
    assert "WarmPoolConfiguration" not in prompt.group("web")
    with pytest.raises(ClientError, match="ValidationError"):
        asg.delete_warm_pool(**WEB)


def test_a_pool_goes_with_its_group(prompt: World) -> None:
    """Deleting a group by force deletes its pool, hooks or not; an instance is taken out of the pool by id."""
    pooled(prompt, largest=3)
    (one,) = ids(prompt)
    end = prompt.autoscaling.terminate_instance_in_auto_scaling_group
    end(InstanceId=one, ShouldDecrementDesiredCapacity=True)
    prompt.wait(60)
    assert (prompt.group("web")["DesiredCapacity"], one in ids(prompt), pool(prompt).total()) == (2, False, 1)
    prompt.autoscaling.put_lifecycle_hook(
        **WEB, LifecycleHookName="down", LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING"
    )
    prompt.autoscaling.put_warm_pool(**WEB, MaxGroupPreparedCapacity=2)
    prompt.wait(10)
    assert pool(prompt) == Counter({"Warmed:Terminating:Wait": 1})
    prompt.autoscaling.delete_auto_scaling_group(**WEB, ForceDelete=True)
    prompt.wait(60)
    assert prompt.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
