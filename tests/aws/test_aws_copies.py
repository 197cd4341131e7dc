"""Green groups on the sandbox: all that a team has hung on a group is on its copy, or the copy is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aws.account import WEB, Account
from aws.answers import Stub, answer_groups, described
from aws.teams import GREEN, OURS, TOPIC, Teams

from pipeline.aws.copies import AutoScalingCopies
from pipeline.aws.parts import PARTS, Fate
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, HeldError, NotOurs, NotPossible
from pipeline.model.fleets import Group
from pipeline.model.ids import TargetGroupArn
from pipeline.model.settings import GroupByName
from pipeline.sandbox.clock import ManualClock

DAY = timedelta(days=1)


@pytest.fixture
def teams(account: Account) -> Teams:
    """A group that several teams have worked on."""
    return Teams(account)


def test_a_copy_is_of_the_source_s_shape(teams: Teams) -> None:
    """Of its size now, on the new version, in the new target group, with the user's tags and ours."""
    teams.scaling.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=4)
    teams.copy()
    source, copy = teams.of("web"), teams.of(GREEN)
    same = {part for part, fate in PARTS.items() if fate is Fate.KEPT}
    assert {part: source.get(part) for part in same} == {part: copy.get(part) for part in same}
    assert (copy["MinSize"], copy["DesiredCapacity"], copy["MaxSize"]) == (4, 4, 6)
    assert copy["LaunchTemplate"]["Version"] == str(teams.version)
    assert copy["TargetGroupARNs"] == [teams.target_group]
    assert {(tag["Key"], tag.get("Value", ""), tag["PropagateAtLaunch"]) for tag in copy["Tags"]} == {
        ("Service", "web", True),
        ("empty", "", False),
        ("rebake:origin", "web", False),
        ("rebake:role", "green", False),
    }


def test_hooks_stand_before_the_first_launch(teams: Teams) -> None:
    """They are part of the creation, so that no instance slips through."""
    teams.copy()
    (created_with,) = [
        call.parameters
        for call in teams.account.cloud.calls
        if call.action == "autoscaling:CreateAutoScalingGroup" and call.parameters["AutoScalingGroupName"] == GREEN
    ]
    assert [hook["LifecycleHookName"] for hook in created_with["LifecycleHookSpecificationList"]] == ["drain"]
    hooks = [
        teams.scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"] for name in ("web", GREEN)
    ]
    assert [hooks[0][0] | {"AutoScalingGroupName": GREEN}] == hooks[1]


def test_policies_measure_the_copy(teams: Teams) -> None:
    """A policy by requests gets the green target group's label, one by a metric of the group the copy's name."""
    alb = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": teams.label(teams.fleet.target_group)}
    teams.policy("requests", PredefinedMetricSpecification=alb)
    dimensions = [{"Name": "AutoScalingGroupName", "Value": "web"}]
    metric = {"MetricName": "mem", "Namespace": "CWAgent", "Statistic": "Average", "Dimensions": dimensions}
    teams.policy("memory", CustomizedMetricSpecification=metric, DisableScaleIn=True)
    teams.copy()
    policies = teams.scaling.describe_policies(AutoScalingGroupName=GREEN)["ScalingPolicies"]
    requests, memory = [policy["TargetTrackingConfiguration"] for policy in policies]
    assert requests["PredefinedMetricSpecification"] == {**alb, "ResourceLabel": teams.label(teams.target_group)}
    assert memory["CustomizedMetricSpecification"]["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": GREEN}]
    assert memory["DisableScaleIn"] is True


def test_scheduled_actions_follow(teams: Teams) -> None:
    """AWS refuses a start in the past: one that recurs has begun, so that it needs none."""
    now = teams.account.cloud.clock.now()
    put = teams.scaling.put_scheduled_update_group_action
    put(AutoScalingGroupName=WEB, ScheduledActionName="once", StartTime=now + DAY, DesiredCapacity=3)
    put(AutoScalingGroupName=WEB, ScheduledActionName="begun", Recurrence="0 7 * * *", MinSize=0, TimeZone="Etc/UTC")
    put(
        AutoScalingGroupName=WEB,
        ScheduledActionName="nightly",
        Recurrence="0 2 * * *",
        StartTime=now + timedelta(minutes=1),
        MaxSize=6,
    )
    teams.account.cloud.clock.advance(timedelta(minutes=2))
    teams.copy()
    answer = teams.scaling.describe_scheduled_actions(AutoScalingGroupName=GREEN)
    actions = {action["ScheduledActionName"]: action for action in answer["ScheduledUpdateGroupActions"]}
    assert set(actions) == {"once", "begun", "nightly"}
    assert (actions["once"]["StartTime"], actions["once"]["DesiredCapacity"]) == (now + DAY, 3)
    assert (actions["begun"]["MinSize"], actions["begun"]["TimeZone"]) == (0, "Etc/UTC")
    assert "StartTime" not in actions["nightly"]


def test_a_scheduled_action_that_is_refused_is_told(teams: Teams) -> None:
    """AWS answers such a call with success, and lists what it did not do."""
    now = teams.account.cloud.clock.now()
    teams.scaling.put_scheduled_update_group_action(
        AutoScalingGroupName=WEB,
        ScheduledActionName="nightly",
        Recurrence="0 2 * * *",
        StartTime=now + timedelta(minutes=1),
        MaxSize=6,
    )
    teams.account.cloud.clock.advance(timedelta(minutes=2))
    teams.account.copies = AutoScalingCopies(teams.account.clients, ManualClock(now))
    with pytest.raises(NotPossible, match="scheduled action nightly on web-v2: Given start time is in the past"):
        teams.copy()


def test_notifications_metrics_and_suspended_processes_follow(teams: Teams) -> None:
    """What a rollout itself has suspended on the source is no setting of it."""
    kinds = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
    teams.notify(*kinds)
    teams.scaling.enable_metrics_collection(AutoScalingGroupName=WEB, Metrics=["GroupMinSize"], Granularity="1Minute")
    teams.account.changes.suspend(WEB, ["AZRebalance", "AlarmNotification"])
    teams.account.changes.tag({WEB: {"rebake:undo": '{"run":"r1","resume":["AlarmNotification"]}'}})
    teams.copy()
    answer = teams.scaling.describe_notification_configurations(AutoScalingGroupNames=[GREEN])
    assert [(one["TopicARN"], one["NotificationType"]) for one in answer["NotificationConfigurations"]] == [
        (TOPIC, kind) for kind in kinds
    ]
    copy = teams.of(GREEN)
    assert copy["EnabledMetrics"] == [{"Metric": "GroupMinSize", "Granularity": "1Minute"}]
    assert [process["ProcessName"] for process in copy["SuspendedProcesses"]] == ["AZRebalance"]


def test_a_warm_pool_follows(teams: Teams) -> None:
    """With the settings of the source's; its instances are the copy's own."""
    reuse: Any = {"ReuseOnScaleIn": True}
    teams.scaling.put_warm_pool(
        AutoScalingGroupName=WEB, MinSize=1, MaxGroupPreparedCapacity=3, PoolState="Stopped", InstanceReusePolicy=reuse
    )
    teams.copy()
    assert teams.of(GREEN)["WarmPoolConfiguration"] == teams.of("web")["WarmPoolConfiguration"]
    teams.account.cloud.clock.advance(timedelta(minutes=5))
    warm = teams.account.fleets.named(GREEN)[0].warm
    assert [member.image for member in warm] == [teams.account.templates.version(*teams.booted).image]


def test_a_mixed_group_is_copied_with_its_policy(account: Account) -> None:
    """Overrides keep what they say, and those that name an image get the version's."""
    fleet = account.world.fleet(WEB, account.base().id, size=1, balanced=True)
    image = account.bake()
    version = account.world.version(fleet.template, ImageId=image.id)
    specification: Any = {"LaunchTemplateId": fleet.template, "Version": "1"}
    overrides: Any = [{"InstanceType": "t3.small", "ImageId": fleet.image}, {"InstanceType": "t3a.small"}]
    account.world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=WEB,
        MixedInstancesPolicy={
            "LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides},
            "InstancesDistribution": {"OnDemandBaseCapacity": 1},
        },
    )
    target_group = account.traffic.clone(TargetGroupArn(fleet.target_group), name="web-v2", tags=OURS)
    source = account.fleets.find(GroupByName(name=WEB))
    account.copies.create(source, name=GREEN, version=version, target_group=target_group, tags=OURS)
    (green,) = account.fleets.named(GREEN)
    assert green.template is not None
    assert green.template.number == version
    assert green.override_images == (image.id, None)


def test_an_interrupted_copy_is_completed(teams: Teams) -> None:
    """By another run: the group stands, what should follow does not; the source has grown since."""
    teams.account.changes.suspend(WEB, ["AZRebalance"])
    teams.account.cloud.deny("autoscaling:SuspendProcesses")
    with pytest.raises(AccessDenied):
        teams.copy()
    assert teams.of(GREEN)["SuspendedProcesses"] == []
    teams.account.cloud.allow_all()
    teams.scaling.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=3)
    teams.copy(tags={**OURS, "rebake:run": "r2"})
    copy = teams.of(GREEN)
    assert [process["ProcessName"] for process in copy["SuspendedProcesses"]] == ["AZRebalance"]
    assert (copy["MinSize"], copy["DesiredCapacity"]) == (3, 3)


def test_a_lost_answer_does_not_lose_the_copy(teams: Teams) -> None:
    """CreateAutoScalingGroup has no token: the group that stands with our tags is ours."""
    teams.account.cloud.faults.lose_answer("autoscaling:CreateAutoScalingGroup", times=1)
    teams.copy()
    assert teams.of(GREEN)["DesiredCapacity"] == 2


def test_a_group_that_cannot_be_made_is_told(teams: Teams) -> None:
    """Nothing stands then."""
    teams.account.cloud.faults.fail("autoscaling:CreateAutoScalingGroup", "LimitExceeded")
    with pytest.raises(NotPossible, match="LimitExceeded"):
        teams.copy()


def test_a_group_of_somebody_else_is_not_taken(teams: Teams) -> None:
    """The name is theirs."""
    teams.copy()
    with pytest.raises(NotOurs, match="web-v2 exists"):
        teams.copy(tags={"rebake:origin": "shop"})


def test_a_copy_is_deleted_with_its_instances(teams: Teams) -> None:
    """It has deletion protection from its source, which is taken off it and stays on the source."""
    teams.copy()
    teams.account.cloud.clock.advance(timedelta(minutes=2))
    assert not teams.account.copies.delete(GREEN)
    teams.account.cloud.clock.advance(timedelta(minutes=10))
    assert teams.account.copies.delete(GREEN)
    teams.account.changes.tag({WEB: {"rebake:role": "blue", "rebake:origin": "web"}})
    with pytest.raises(NotPossible, match="deletion protection"):
        teams.account.copies.delete(WEB)


def test_a_group_without_a_role_is_never_deleted(account: Account) -> None:
    """It is somebody's fleet."""
    account.group()
    with pytest.raises(NotOurs, match="plays no role"):
        account.copies.delete(WEB)


@pytest.mark.parametrize("kind", ["StepScaling", "SimpleScaling"])
def test_policies_behind_alarms_are_refused(teams: Teams, kind: str) -> None:
    """Their alarms name the group: a copy would never be scaled by them."""
    more: Any = (
        {"StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]}
        if kind == "StepScaling"
        else {"ScalingAdjustment": 1}
    )
    teams.scaling.put_scaling_policy(
        AutoScalingGroupName=WEB, PolicyName="up", PolicyType=kind, AdjustmentType="ChangeInCapacity", **more
    )
    (sentence,) = teams.account.copies.obstacles(WEB)
    assert sentence.startswith(f"web has the {kind} policy up, whose CloudWatch alarms name the group")
    with pytest.raises(NotPossible, match="whose CloudWatch alarms"):
        teams.copy()


def test_a_group_without_obstacles_has_none(teams: Teams) -> None:
    """All that teams usually hang on a group is copied."""
    assert teams.account.copies.obstacles(WEB) == ()


def test_a_group_under_deletion_is_neither_gone_nor_taken(clients: Clients, stub: Stub, clock: ManualClock) -> None:
    """Its name is free in a few minutes."""
    copies = AutoScalingCopies(clients, clock)
    leaving = described(AutoScalingGroupName=GREEN, Status="Delete in progress")
    answer_groups(stub, leaving)
    assert not copies.delete(GREEN)
    answer_groups(stub, described(TargetGroupARNs=["arn:1"]))
    stub("autoscaling").add_response("describe_lifecycle_hooks", {"LifecycleHooks": []})
    stub("autoscaling").add_response("describe_policies", {"ScalingPolicies": []})
    answer_groups(stub, leaving)
    web = Group(name=WEB, desired=4, minimum=2, maximum=8, template=None)
    with pytest.raises(HeldError, match="still being deleted"):
        copies.create(web, name=GREEN, version=2, target_group=TargetGroupArn("arn:2"), tags={})
