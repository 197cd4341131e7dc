"""The deployment experiments that teams have published for rolling updates, as instance refreshes: 3 to 9 instances.

Each is played partially scaled (6 of 9) and fully scaled (9 of 9), towards a good and towards a bad image, with scaling
in the middle. What counts is what is left: the desired capacity, the versions, and how many served at the worst moment.
"""

from __future__ import annotations

from typing import Any

import pytest
from watching import watched
from world import Fleet, World

WEB: Any = {"AutoScalingGroupName": "web"}
FIRST: Any = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150, "InstanceWarmup": 60}
TOGETHER: Any = {"MinHealthyPercentage": 66, "InstanceWarmup": 60}
GUARDED: Any = {"AlarmSpecification": {"Alarms": ["5xx"]}, "AutoRollback": True}
GOOD, BAD = 2, 3


def deployed(world: World, desired: int) -> Fleet:
    """Make the group of the experiments, behind a load balancer; version 2 of its template is good, version 3 bad."""
    fleet = world.fleet(
        "web", world.base(), size=desired, balanced=True, MinSize=3, MaxSize=9, HealthCheckGracePeriod=300
    )
    assert world.version(fleet.template, InstanceType="t3.medium") == GOOD
    assert world.version(fleet.template, ImageId=world.image("bad", behaviour="sick")) == BAD
    world.autoscaling.put_scaling_policy(
        **WEB, PolicyName="out", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, Cooldown=0
    )
    world.cloudwatch.put_metric_alarm(
        AlarmName="5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=1
    )
    world.cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="OK", StateReason="test")
    return fleet


def scale(world: World, how: str, to: int) -> None:
    """Scale the group by hand, or by executing its policy as often as it takes."""
    if how == "SetDesiredCapacity":
        world.autoscaling.set_desired_capacity(**WEB, DesiredCapacity=to)
        return
    for _ in range(to - world.group("web")["DesiredCapacity"]):
        world.autoscaling.execute_policy(**WEB, PolicyName="out")


def ring(world: World) -> None:
    """Let the alarm that guards the refresh go off."""
    world.cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="test")


def left(world: World) -> tuple[str, int, list[str]]:
    """Tell what an experiment left: status, desired capacity and versions; and let surplus ones drain first."""
    world.wait(60)
    return world.refresh("web")["Status"], world.group("web")["DesiredCapacity"], world.versions("web")


@pytest.mark.parametrize(
    ("desired", "preferences", "worst", "most"),
    [(6, FIRST, 6, 9), (6, TOGETHER, 4, 6), (9, FIRST, 9, 13), (9, TOGETHER, 6, 9)],
)
def test_healthy_to_healthy(prompt: World, desired: int, preferences: Any, worst: int, most: int) -> None:
    """A good image leaves the capacity as it was, however far the group is scaled, and never less than the minimum."""
    prompt.start(deployed(prompt, desired), GOOD, **preferences)
    assert watched(prompt)[1:] == (worst, most)
    assert left(prompt) == ("Successful", desired, ["2"] * desired)


@pytest.mark.parametrize(
    ("desired", "preferences", "worst"), [(6, FIRST, 6), (6, TOGETHER, 4), (9, FIRST, 9), (9, TOGETHER, 6)]
)
def test_healthy_to_unhealthy(prompt: World, desired: int, preferences: Any, worst: int) -> None:
    """A bad image is rolled back on an alarm: the capacity is as before, and the minimum served all the time."""
    prompt.start(deployed(prompt, desired), BAD, **GUARDED, **preferences)
    before = watched(prompt, 400)[1]
    assert (prompt.refresh("web")["Status"], prompt.refresh("web")["PercentageComplete"]) == ("InProgress", 0)
    ring(prompt)
    assert min(before, watched(prompt)[1]) == worst
    assert left(prompt) == ("RollbackSuccessful", desired, ["1"] * desired)


@pytest.mark.parametrize("how", ["SetDesiredCapacity", "ExecutePolicy"])
@pytest.mark.parametrize(("preferences", "worst"), [(FIRST, 6), (TOGETHER, 4)])
def test_scale_out_in_the_middle_of_a_good_one(prompt: World, how: str, preferences: Any, worst: int) -> None:
    """Scale-out during a refresh is kept, where a rolling update of CloudFormation undoes it: no capacity is lost."""
    prompt.start(deployed(prompt, 6), GOOD, **preferences)
    before = watched(prompt, 40)[1]
    scale(prompt, how, 8)
    after = watched(prompt)[1]
    assert min(before, after) == worst
    assert left(prompt) == ("Successful", 8, ["2"] * 8)


@pytest.mark.parametrize("how", ["SetDesiredCapacity", "ExecutePolicy"])
@pytest.mark.parametrize("moment", ["before the alarm", "in the rollback"])
def test_scale_out_in_the_middle_of_a_bad_one(prompt: World, how: str, moment: str) -> None:
    """Scale-out while a bad image is rolled out or back ends at the new capacity, all of it on the old version."""
    prompt.start(deployed(prompt, 6), BAD, **GUARDED, **TOGETHER)
    lowest = [watched(prompt, 40)[1]]
    if moment == "before the alarm":
        scale(prompt, how, 8)
        lowest.append(watched(prompt, 40)[1])
    ring(prompt)
    lowest.append(watched(prompt, 10)[1])
    assert prompt.refresh("web")["Status"] == "RollbackInProgress"
    if moment == "in the rollback":
        scale(prompt, how, 8)
    lowest.append(watched(prompt)[1])
    assert min(lowest) == 4
    assert left(prompt) == ("RollbackSuccessful", 8, ["1"] * 8)


@pytest.mark.parametrize(("version", "status", "ends"), [(GOOD, "Successful", "2"), (BAD, "RollbackSuccessful", "1")])
def test_scale_in_in_the_middle(prompt: World, version: int, status: str, ends: str) -> None:
    """Scale-in is not bound by a refresh's minimum: of 6 that serve beside 3 that warm up it takes 4, oldest first."""
    prompt.start(deployed(prompt, 9), version, **GUARDED, **TOGETHER)
    lowest = [watched(prompt, 40)[1]]
    if version == BAD:
        ring(prompt)
        lowest.append(watched(prompt, 10)[1])
    assert min(lowest) == 6
    scale(prompt, "SetDesiredCapacity", 5)
    assert watched(prompt)[1] == 2
    assert left(prompt) == (status, 5, [ends] * 5)
