from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

WEB: Any = {"AutoScalingGroupName": "web"}
STEPS = [
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
    {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
]
TRACKING: Any = {
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
    "TargetValue": 50.0,
}
PREDICTION: Any = {
    "MetricSpecifications": [
        {"TargetValue": 40.0, "PredefinedMetricPairSpecification": {"PredefinedMetricType": "ASGCPUUtilization"}}
    ]
}


def refused(call: Any, **parameters: Any) -> str:
    """Make a call that must be refused, and answer the code."""
    with pytest.raises(ClientError) as error:
        call(**WEB, **parameters)
    return error.value.response["Error"]["Code"]


def group(world: World, size: int = 4, **more: Any) -> None:
    """Make a group between 1 and 10."""
    world.fleet("web", world.base(), size=size, settle=0, MinSize=1, MaxSize=10, **more)


@pytest.mark.parametrize(
    ("kind", "adjustment", "more", "ends"),
    [
        ("ChangeInCapacity", 2, {}, 6),
        ("ChangeInCapacity", 20, {}, 10),
        ("ChangeInCapacity", -20, {}, 1),
        ("ExactCapacity", 3, {}, 3),
        ("PercentChangeInCapacity", 40, {}, 5),
        ("PercentChangeInCapacity", 10, {}, 5),
        ("PercentChangeInCapacity", -10, {}, 3),
        ("PercentChangeInCapacity", 10, {"MinAdjustmentMagnitude": 2}, 6),
        ("PercentChangeInCapacity", -100, {}, 1),
    ],
)
def test_simple_policies_adjust_the_desired_capacity(
    world: World, kind: str, adjustment: int, more: dict[str, Any], ends: int
) -> None:
    """An executed policy changes four instances as it says, rounded towards nought but at least by one, in bounds."""
    group(world)
    policy: Any = {"PolicyName": "p", "AdjustmentType": kind, "ScalingAdjustment": adjustment, **more}
    arn = world.autoscaling.put_scaling_policy(**WEB, **policy)["PolicyARN"]
    world.autoscaling.execute_policy(PolicyName=arn)
    assert world.group("web")["DesiredCapacity"] == ends
    world.wait(60)
    assert len(world.group("web")["Instances"]) == ends


@pytest.mark.parametrize(("metric", "ends"), [(50, 5), (59.9, 5), (60, 7), (45, 3), (40, None)])
def test_step_policies_choose_their_step_by_the_breach(world: World, metric: float, ends: int | None) -> None:
    """The step whose interval holds the distance from the threshold counts; without one the call is refused."""
    group(world)
    world.autoscaling.put_scaling_policy(
        **WEB,
        PolicyName="p",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=STEPS,  # type: ignore[arg-type] # plain dicts will do
    )
    execute: Any = world.autoscaling.execute_policy
    breach = {"MetricValue": metric, "BreachThreshold": 50.0}
    assert refused(execute, PolicyName="p") == "ValidationError"
    if ends is None:
        assert refused(execute, PolicyName="p", **breach) == "ValidationError"
        return
    execute(**WEB, PolicyName="p", **breach)
    assert world.group("web")["DesiredCapacity"] == ends


def test_a_cooldown_is_honoured_on_request(world: World) -> None:
    """Within the cooldown a simple policy is refused when told to honour it, and executed otherwise."""
    group(world, DefaultCooldown=100)
    policy: Any = {"PolicyName": "p", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}
    world.autoscaling.put_scaling_policy(**WEB, **policy)
    world.autoscaling.execute_policy(**WEB, PolicyName="p", HonorCooldown=True)
    refusal = refused(world.autoscaling.execute_policy, PolicyName="p", HonorCooldown=True)
    assert refusal == "ScalingActivityInProgress"
    world.autoscaling.execute_policy(**WEB, PolicyName="p")
    world.wait(101)
    world.autoscaling.execute_policy(**WEB, PolicyName="p", HonorCooldown=True)
    assert world.group("web")["DesiredCapacity"] == 7


def test_policies_of_all_types_are_described_and_deleted(world: World) -> None:
    """Every policy is kept with its ARN, a tracking one with two alarms' names; names and types filter."""
    group(world)
    asg = world.autoscaling
    asg.put_scaling_policy(**WEB, PolicyName="out", AdjustmentType="ExactCapacity", ScalingAdjustment=2, Cooldown=5)
    tracked = asg.put_scaling_policy(
        **WEB, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=TRACKING
    )
    asg.put_scaling_policy(
        **WEB, PolicyName="next", PolicyType="PredictiveScaling", PredictiveScalingConfiguration=PREDICTION
    )
    again = asg.put_scaling_policy(
        **WEB, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=TRACKING, Enabled=False
    )
    assert (again["PolicyARN"], again["Alarms"]) == (tracked["PolicyARN"], tracked["Alarms"])
    assert [alarm["AlarmName"].rpartition("Alarm")[2][:3] for alarm in tracked["Alarms"]] == ["Hig", "Low"]
    out, cpu, predicted = asg.describe_policies(**WEB)["ScalingPolicies"]
    assert (out["PolicyType"], out["Enabled"], out["Cooldown"], out["Alarms"]) == ("SimpleScaling", True, 5, [])
    assert (cpu["TargetTrackingConfiguration"], cpu["Enabled"], cpu["Alarms"]) == (TRACKING, False, tracked["Alarms"])
    assert predicted["PredictiveScalingConfiguration"] == PREDICTION
    named = asg.describe_policies(PolicyNames=["out", cpu["PolicyARN"]], MaxRecords=1)
    assert named["NextToken"]
    (typed,) = asg.describe_policies(**WEB, PolicyTypes=["PredictiveScaling"])["ScalingPolicies"]
    assert typed == predicted
    assert refused(asg.execute_policy, PolicyName="cpu") == "ValidationError"
    assert refused(asg.execute_policy, PolicyName="none") == "ValidationError"
    assert refused(asg.put_scaling_policy, PolicyName="p", AdjustmentType="ExactCapacity") == "ValidationError"
    assert refused(asg.put_scaling_policy, PolicyName="p", PolicyType="Magic") == "ValidationError"
    asg.delete_policy(**WEB, PolicyName="out")
    asg.delete_policy(PolicyName=cpu["PolicyARN"])
    assert asg.describe_policies()["ScalingPolicies"] == [predicted]


def schedule(world: World, name: str, after: float, **sizes: Any) -> None:
    """Schedule a one-off action."""
    start = world.cloud.clock.now() + timedelta(seconds=after)
    world.autoscaling.put_scheduled_update_group_action(**WEB, ScheduledActionName=name, StartTime=start, **sizes)


def test_a_one_off_action_is_carried_out_when_due(world: World) -> None:
    """A scheduled action resizes the group at its time, however far time jumps, and is gone afterwards."""
    group(world)
    schedule(world, "grow", 1000, MinSize=6, MaxSize=8)
    schedule(world, "wrong", 2000, DesiredCapacity=9)
    world.wait(990)
    assert world.group("web")["DesiredCapacity"] == 4
    world.wait(60)
    found = world.group("web")
    assert (found["MinSize"], found["MaxSize"], found["DesiredCapacity"], len(found["Instances"])) == (6, 8, 6, 6)
    world.wait(1000)
    assert world.group("web")["DesiredCapacity"] == 6
    assert world.autoscaling.describe_scheduled_actions(**WEB)["ScheduledUpdateGroupActions"] == []
    first = world.autoscaling.describe_scaling_activities(**WEB)["Activities"][0]
    assert (first["StatusCode"], "scheduled action wrong" in first["Cause"]) == ("Failed", True)


def test_what_comes_due_while_suspended_is_lost(world: World) -> None:
    """While ScheduledActions is suspended an action is not carried out, nor later."""
    group(world)
    schedule(world, "grow", 100, DesiredCapacity=6)
    world.autoscaling.suspend_processes(**WEB, ScalingProcesses=["ScheduledActions"])
    world.wait(200)
    world.autoscaling.resume_processes(**WEB)
    world.wait(200)
    assert world.group("web")["DesiredCapacity"] == 4


def test_recurring_actions_are_kept_and_never_carried_out(world: World) -> None:
    """An action that recurs is described as given; several are put and deleted in one call, faults told one by one."""
    group(world)
    asg = world.autoscaling
    start = world.cloud.clock.now() + timedelta(days=2)
    weekly: Any = {
        "ScheduledActionName": "weekly",
        "Recurrence": "0 9 * * 1",
        "DesiredCapacity": 9,
        "TimeZone": "Etc/UTC",
    }
    late: Any = {"ScheduledActionName": "late", "StartTime": start - timedelta(days=3), "DesiredCapacity": 9}
    once: Any = {"ScheduledActionName": "once", "StartTime": start, "MaxSize": 9}
    asked: Any = {"ScheduledUpdateGroupActions": [weekly, late, once]}
    failed = asg.batch_put_scheduled_update_group_action(**WEB, **asked)["FailedScheduledUpdateGroupActions"]
    assert [(each["ScheduledActionName"], each["ErrorCode"]) for each in failed] == [("late", "ValidationError")]
    world.wait(7 * 3600 * 4)
    first, second = asg.describe_scheduled_actions(ScheduledActionNames=["weekly", "once"])[
        "ScheduledUpdateGroupActions"
    ]
    assert {key: first[key] for key in weekly} == weekly  # type: ignore[literal-required] # the keys are its own
    assert (second["StartTime"], second["Time"], second["MaxSize"]) == (start, start, 9)
    assert first["ScheduledActionARN"].endswith("autoScalingGroupName/web:scheduledActionName/weekly")
    assert world.group("web")["DesiredCapacity"] == 4
    assert refused(asg.put_scheduled_update_group_action, ScheduledActionName="x", MinSize=1) == "ValidationError"
    assert refused(asg.put_scheduled_update_group_action, ScheduledActionName="x", Time=start) == "ValidationError"
    left: Any = {"ScheduledActionNames": ["weekly", "none"]}
    failed = asg.batch_delete_scheduled_action(**WEB, **left)["FailedScheduledActions"]
    assert [each["ScheduledActionName"] for each in failed] == ["none"]
    asg.delete_scheduled_action(**WEB, ScheduledActionName="once")
    assert asg.describe_scheduled_actions(**WEB)["ScheduledUpdateGroupActions"] == []


def test_notifications_and_metrics_hang_on_the_group(world: World) -> None:
    """A topic has a row per event, metrics come and go by name, and all of it vanishes with the group."""
    group(world, size=1)
    asg, topic = world.autoscaling, "arn:aws:sns:us-east-1:123456789012:ops"
    events = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"]
    asg.put_notification_configuration(**WEB, TopicARN=topic, NotificationTypes=events[:1])
    asg.put_notification_configuration(**WEB, TopicARN=topic, NotificationTypes=events)
    rows = asg.describe_notification_configurations(AutoScalingGroupNames=["web"])["NotificationConfigurations"]
    assert rows == [{**WEB, "TopicARN": topic, "NotificationType": event} for event in events]
    asg.enable_metrics_collection(**WEB, Granularity="1Minute")
    assert len(world.group("web")["EnabledMetrics"]) == 20
    asg.disable_metrics_collection(**WEB)
    asg.enable_metrics_collection(**WEB, Granularity="1Minute", Metrics=["GroupMinSize", "GroupMaxSize"])
    asg.disable_metrics_collection(**WEB, Metrics=["GroupMaxSize"])
    assert world.group("web")["EnabledMetrics"] == [{"Metric": "GroupMinSize", "Granularity": "1Minute"}]
    asg.delete_auto_scaling_group(**WEB, ForceDelete=True)
    world.wait(60)
    template: Any = {"LaunchTemplateName": "web"}
    asg.create_auto_scaling_group(
        **WEB, MinSize=0, MaxSize=0, LaunchTemplate=template, AvailabilityZones=["us-east-1a"]
    )
    assert asg.describe_notification_configurations()["NotificationConfigurations"] == []
    assert world.group("web")["EnabledMetrics"] == []
    asg.put_notification_configuration(**WEB, TopicARN=topic, NotificationTypes=events)
    asg.delete_notification_configuration(**WEB, TopicARN=topic)
    assert refused(asg.delete_notification_configuration, TopicARN=topic) == "ValidationError"
