from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from world import Fleet, World

WARM: Any = {"InstanceWarmup": 60, "MinHealthyPercentage": 50}


def made(world: World, size: int = 2, **group: Any) -> Fleet:
    """Make a fleet of a size with a second template version."""
    fleet = world.fleet("web", world.base(), size=size, **group)
    world.version(fleet.template, InstanceType="t3.medium")
    return fleet


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Read the code of a refusal."""
    return error.value.response["Error"]["Code"]


def test_only_one_refresh_at_a_time(prompt: World) -> None:
    """A second start is refused while one runs."""
    fleet = made(prompt)
    prompt.start(fleet, 2, **WARM)
    with pytest.raises(prompt.autoscaling.exceptions.InstanceRefreshInProgressFault):
        prompt.start(fleet, 2, **WARM)


def test_nothing_to_cancel_or_roll_back(prompt: World) -> None:
    """Cancel and rollback without a refresh say that there is none."""
    made(prompt)
    for call in (prompt.autoscaling.cancel_instance_refresh, prompt.autoscaling.rollback_instance_refresh):
        with pytest.raises(prompt.autoscaling.exceptions.ActiveInstanceRefreshNotFoundFault):
            call(AutoScalingGroupName="web")


def test_unknown_group(prompt: World) -> None:
    """A group that does not exist is a validation error."""
    with pytest.raises(ClientError) as error:
        prompt.autoscaling.start_instance_refresh(AutoScalingGroupName="none")
    assert refused(error) == "ValidationError"


@pytest.mark.parametrize(
    "preferences",
    [
        {"MinHealthyPercentage": 101},
        {"MaxHealthyPercentage": 120},
        {"MinHealthyPercentage": 50, "MaxHealthyPercentage": 99},
        {"MinHealthyPercentage": 10, "MaxHealthyPercentage": 150},
        {"CheckpointDelay": 60},
        {"CheckpointPercentages": [50, 20]},
        {"CheckpointPercentages": [0]},
        {"CheckpointPercentages": [50], "CheckpointDelay": 172801},
        {"BakeTime": 172801},
        {"AutoRollback": True},
        {"AlarmSpecification": {"Alarms": ["missing"]}},
        {"AlarmSpecification": {"Alarms": [f"a{n}" for n in range(11)]}},
    ],
)
def test_preferences_that_are_refused(prompt: World, preferences: dict[str, Any]) -> None:
    """Preferences out of range, or that contradict each other, are validation errors."""
    fleet = made(prompt, 1)
    with pytest.raises((ClientError, ParamValidationError), match=r"[Vv]alidation"):
        prompt.start(fleet, None, **preferences)
    assert prompt.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"] == []


def test_defaults(prompt: World) -> None:
    """Without preferences: 90 percent, Wait, and the group's own warm-up."""
    fleet = made(prompt, DefaultInstanceWarmup=77)
    prompt.start(fleet, 2)
    given = prompt.refresh("web")["Preferences"]
    assert (given["MinHealthyPercentage"], given["InstanceWarmup"]) == (90, 77)
    assert (given["ScaleInProtectedInstances"], given["StandbyInstances"]) == ("Wait", "Wait")


def test_maintenance_policy_is_the_default(prompt: World) -> None:
    """A group's instance maintenance policy stands in for percentages that are not given."""
    policy = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}
    fleet = made(prompt, InstanceMaintenancePolicy=policy)
    prompt.start(fleet, 2, InstanceWarmup=60)
    prompt.wait(10)
    assert len(prompt.group("web")["Instances"]) == 4


def test_skip_matching_with_nothing_to_do(prompt: World) -> None:
    """When every instance matches, the refresh is successful at once."""
    fleet = made(prompt)
    prompt.start(fleet, 1, SkipMatching=True)
    refresh = prompt.refresh("web")
    assert (refresh["Status"], refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == ("Successful", 100, 0)


def test_skip_matching_replaces_only_what_differs(prompt: World) -> None:
    """Instances on the version stay; the others are replaced."""
    fleet = made(prompt, 4)
    prompt.start(fleet, 2, CheckpointPercentages=[50], **WARM)
    prompt.wait(100)
    kept = {m["InstanceId"] for m in prompt.group("web")["Instances"] if m["LaunchTemplate"]["Version"] == "2"}
    prompt.start(fleet, 2, SkipMatching=True, **WARM)
    prompt.wait(200)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert kept < {member["InstanceId"] for member in prompt.group("web")["Instances"]}
    assert prompt.versions("web") == ["2"] * 4


def test_skip_matching_without_configuration_compares_the_saved_one(prompt: World) -> None:
    """Without a desired configuration the group's own template is what counts."""
    fleet = made(prompt)
    template = {"LaunchTemplateId": fleet.template, "Version": "2"}
    prompt.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate=template)  # type: ignore[arg-type] # a plain dict will do
    prompt.start(fleet, None, SkipMatching=True, **WARM)
    prompt.wait(200)
    assert prompt.versions("web") == ["2", "2"]


def test_cancel_leaves_what_was_replaced(prompt: World) -> None:
    """A cancelled refresh keeps the mixture, and the group keeps its saved template."""
    fleet = made(prompt, 10)
    prompt.start(fleet, 2, MinHealthyPercentage=90, InstanceWarmup=60)
    prompt.wait(5 + 6 * 60)
    prompt.autoscaling.cancel_instance_refresh(AutoScalingGroupName="web")
    assert prompt.refresh("web")["Status"] in {"Cancelling", "Cancelled"}
    prompt.wait(10)
    assert prompt.refresh("web")["Status"] == "Cancelled"
    assert prompt.versions("web") == ["1"] * 3 + ["2"] * 7
    assert prompt.group("web")["LaunchTemplate"]["Version"] == "1"


def test_cancel_without_waiting(prompt: World) -> None:
    """WaitForTransitioningInstances false cancels although a launch is under way."""
    fleet = made(prompt)
    prompt.cloud.virtual.boot_time = timedelta(seconds=100)
    prompt.start(fleet, 2, **WARM)
    prompt.wait(10)
    prompt.autoscaling.cancel_instance_refresh(AutoScalingGroupName="web", WaitForTransitioningInstances=False)
    assert prompt.refresh("web")["Status"] == "Cancelled"


def test_rollback_puts_the_saved_version_back(prompt: World) -> None:
    """A rollback replaces what was replaced, its percentage goes down to nought, details are kept."""
    fleet = made(prompt, 10)
    prompt.start(fleet, 2, MinHealthyPercentage=90, InstanceWarmup=60)
    prompt.wait(5 + 4 * 60)
    prompt.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web")
    rolling = prompt.refresh("web")
    assert rolling["Status"] == "RollbackInProgress"
    assert 0 < rolling["PercentageComplete"] <= 40
    seen = []
    while prompt.refresh("web")["Status"] == "RollbackInProgress":
        seen.append(prompt.refresh("web")["PercentageComplete"])
        prompt.wait(20)
    assert seen == sorted(seen, reverse=True)
    done = prompt.refresh("web")
    assert (done["Status"], done["PercentageComplete"]) == ("RollbackSuccessful", 0)
    assert done["RollbackDetails"]["PercentageCompleteOnRollback"] == 40
    assert done["RollbackDetails"]["InstancesToUpdateOnRollback"] == 6
    assert prompt.versions("web") == ["1"] * 10


@pytest.mark.parametrize("saved", ["$Latest", "$Default"])
def test_rollback_needs_a_numbered_saved_version(prompt: World, saved: str) -> None:
    """A group that follows an alias cannot be rolled back, nor asked to do so by itself."""
    fleet = made(prompt)
    template = {"LaunchTemplateId": fleet.template, "Version": saved}
    prompt.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate=template)  # type: ignore[arg-type] # a plain dict will do
    with pytest.raises(ClientError) as error:
        prompt.start(fleet, 2, AutoRollback=True, **WARM)
    assert refused(error) == "ValidationError"
    prompt.start(fleet, 2, **WARM)
    with pytest.raises(prompt.autoscaling.exceptions.IrreversibleInstanceRefreshFault):
        prompt.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web")


def test_rollback_needs_a_desired_configuration(prompt: World) -> None:
    """A refresh without a desired configuration is irreversible."""
    prompt.start(made(prompt), None, **WARM)
    with pytest.raises(prompt.autoscaling.exceptions.IrreversibleInstanceRefreshFault):
        prompt.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web")


def test_alias_templates_cannot_be_desired(prompt: World) -> None:
    """A template whose image is an SSM alias works neither as desired configuration nor with skip matching."""
    fleet = made(prompt)
    prompt.version(fleet.template, ImageId="resolve:ssm:/aws/service/debian/release/12/latest/amd64")
    with pytest.raises(ClientError) as error:
        prompt.start(fleet, 3, **WARM)
    assert refused(error) == "ValidationError"


def test_group_cannot_change_its_template_meanwhile(prompt: World) -> None:
    """While a refresh with a desired configuration runs, the group's template cannot be updated."""
    fleet = made(prompt)
    prompt.start(fleet, 2, **WARM)
    template: Any = {"LaunchTemplateId": fleet.template, "Version": "2"}
    with pytest.raises(ClientError, match="An active instance refresh with a desired configuration exists"):
        prompt.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate=template)
    with pytest.raises(prompt.autoscaling.exceptions.InstanceRefreshInProgressFault):
        prompt.autoscaling.attach_traffic_sources(AutoScalingGroupName="web", TrafficSources=[{"Identifier": "x"}])


@pytest.mark.parametrize("rollback", [False, True])
def test_dead_image_fails_after_one_hour(prompt: World, rollback: bool) -> None:
    """Instances that never run block the refresh for one hour; then it fails, or is rolled back if asked for."""
    fleet = made(prompt, 2)
    bad = prompt.image("bad", behaviour="dead")
    version = prompt.version(fleet.template, ImageId=bad)
    prompt.start(fleet, version, AutoRollback=rollback, **WARM)
    prompt.wait(3500)
    assert prompt.refresh("web")["Status"] == "InProgress"
    prompt.wait(300)
    refresh = prompt.refresh("web")
    if not rollback:
        assert refresh["Status"] == "Failed"
        assert "one hour" in refresh["StatusReason"]
        return
    assert "one hour" in refresh["RollbackDetails"]["RollbackReason"]
    prompt.wait(200)
    assert prompt.refresh("web")["Status"] == "RollbackSuccessful"
    assert prompt.versions("web") == ["1", "1"]


def test_sick_image_never_counts_behind_a_balancer(prompt: World) -> None:
    """In a group with health check ELB, instances that fail it never become ready."""
    fleet = made(prompt, 2, balanced=True, HealthCheckGracePeriod=7200)
    version = prompt.version(fleet.template, ImageId=prompt.image("sick", behaviour="sick"))
    prompt.start(fleet, version, **WARM)
    prompt.wait(600)
    assert prompt.refresh("web")["PercentageComplete"] == 0
    prompt.wait(3600)
    assert prompt.refresh("web")["Status"] == "Failed"


def test_image_that_is_gone_shows_in_the_activities(prompt: World) -> None:
    """A version whose image was deregistered fails to launch; the scaling activity says why."""
    fleet = made(prompt, 2)
    image = prompt.image("mine")
    version = prompt.version(fleet.template, ImageId=image)
    prompt.start(fleet, version, **WARM)
    prompt.ec2.deregister_image(ImageId=image)
    prompt.wait(60)
    first = prompt.autoscaling.describe_scaling_activities(AutoScalingGroupName="web")["Activities"][0]
    assert first["StatusCode"] == "Failed"
    assert "is no longer available. Launching EC2 instance failed" in first["StatusMessage"]
    assert "is no longer available" in prompt.refresh("web")["StatusReason"]


def test_rollback_fails_when_the_old_image_is_gone(prompt: World) -> None:
    """A rollback to a template whose image no longer exists leaves a group that cannot launch."""
    old = prompt.image("old")
    fleet = prompt.fleet("web", old, size=2)
    version = prompt.version(fleet.template, ImageId=prompt.base())
    prompt.start(fleet, version, **WARM)
    prompt.wait(70)
    prompt.ec2.deregister_image(ImageId=old)
    prompt.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web")
    prompt.wait(4000)
    assert prompt.refresh("web")["Status"] == "RollbackFailed"


def test_lack_of_capacity_is_retried(prompt: World) -> None:
    """A launch that fails for capacity is tried again, and the refresh goes on."""
    fleet = made(prompt, 2)
    prompt.cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", "We have no t3.medium.", times=2)
    prompt.start(fleet, 2, **WARM)
    prompt.wait(600)
    assert prompt.refresh("web")["Status"] == "Successful"
    activities = prompt.autoscaling.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    assert [a["StatusMessage"] for a in activities if a["StatusCode"] == "Failed"] == [
        "We have no t3.medium.. Launching EC2 instance failed."
    ] * 2


def alarm(world: World, state: str) -> None:
    """Put an alarm into a state."""
    world.cloudwatch.put_metric_alarm(
        AlarmName="5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=1
    )
    world.cloudwatch.set_alarm_state(AlarmName="5xx", StateValue=state, StateReason="test")  # type: ignore[arg-type] # any of the three


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_alarm_that_is_not_ok_refuses_the_start(prompt: World, state: str) -> None:
    """At the start both ALARM and INSUFFICIENT_DATA are refused."""
    fleet = made(prompt)
    alarm(prompt, state)
    with pytest.raises(ClientError) as error:
        prompt.start(fleet, 2, AlarmSpecification={"Alarms": ["5xx"]}, **WARM)
    assert refused(error) == "ValidationError"


def test_alarm_without_data_pauses(prompt: World) -> None:
    """During the refresh INSUFFICIENT_DATA pauses the replacement until the alarm is OK."""
    fleet = made(prompt)
    alarm(prompt, "OK")
    prompt.start(fleet, 2, AlarmSpecification={"Alarms": ["5xx"]}, **WARM)
    prompt.wait(70)
    alarm(prompt, "INSUFFICIENT_DATA")
    prompt.wait(1000)
    assert "to have data" in prompt.refresh("web")["StatusReason"]
    alarm(prompt, "OK")
    prompt.wait(200)
    assert prompt.refresh("web")["Status"] == "Successful"


@pytest.mark.parametrize(("rollback", "ended"), [(False, "Failed"), (True, "RollbackSuccessful")])
def test_alarm_fails_the_refresh_even_while_baking(prompt: World, rollback: bool, ended: str) -> None:
    """ALARM fails the refresh, during the bake time too; it is rolled back only when that was asked for."""
    fleet = made(prompt)
    alarm(prompt, "OK")
    prompt.start(
        fleet,
        2,
        AlarmSpecification={"Alarms": ["5xx"]},
        AutoRollback=rollback,
        BakeTime=600,
        InstanceWarmup=60,
        MinHealthyPercentage=0,
    )
    prompt.wait(100)
    assert prompt.refresh("web")["Status"] == "Baking"
    alarm(prompt, "ALARM")
    prompt.wait(200)
    assert prompt.refresh("web")["Status"] == ended
    assert prompt.versions("web") == (["1", "1"] if rollback else ["2", "2"])


def protected(world: World, how: str) -> tuple[Fleet, str]:
    """Protect one instance, or put it into standby."""
    fleet = made(world)
    first = world.group("web")["Instances"][0]["InstanceId"]
    if how == "protected":
        world.autoscaling.set_instance_protection(
            AutoScalingGroupName="web", InstanceIds=[first], ProtectedFromScaleIn=True
        )
    else:
        world.autoscaling.enter_standby(
            AutoScalingGroupName="web", InstanceIds=[first], ShouldDecrementDesiredCapacity=True
        )
    return fleet, first


@pytest.mark.parametrize("how", ["protected", "standby"])
def test_wait_is_for_one_hour(prompt: World, how: str) -> None:
    """Wait (the default) gives up after one hour."""
    fleet, first = protected(prompt, how)
    prompt.start(fleet, 2, **WARM)
    prompt.wait(1800)
    assert prompt.refresh("web")["Status"] == "InProgress"
    prompt.wait(2400)
    assert prompt.refresh("web")["Status"] == "Failed"
    assert first in {member["InstanceId"] for member in prompt.group("web")["Instances"]}


@pytest.mark.parametrize(
    ("how", "preference", "stays"),
    [
        ("protected", {"ScaleInProtectedInstances": "Ignore"}, True),
        ("protected", {"ScaleInProtectedInstances": "Refresh"}, False),
        ("standby", {"StandbyInstances": "Ignore"}, True),
        ("standby", {"StandbyInstances": "Terminate"}, False),
    ],
)
def test_ignore_refresh_terminate(prompt: World, how: str, preference: dict[str, Any], stays: bool) -> None:
    """Ignore leaves such instances as they are; Refresh and Terminate do not."""
    fleet, first = protected(prompt, how)
    prompt.start(fleet, 2, **preference, **WARM)
    prompt.wait(400)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert (first in {member["InstanceId"] for member in prompt.group("web")["Instances"]}) is stays


@pytest.mark.parametrize("process", ["Launch", "Terminate", "InstanceRefresh"])
def test_suspended_processes_hold_the_refresh(prompt: World, process: str) -> None:
    """While Launch or Terminate is suspended nothing is replaced; it goes on when that is resumed."""
    fleet = made(prompt)
    prompt.autoscaling.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=[process])
    prompt.start(fleet, 2, **WARM)
    prompt.wait(5000)
    assert prompt.refresh("web")["Status"] == "InProgress"
    assert process in prompt.refresh("web")["StatusReason"]
    prompt.autoscaling.resume_processes(AutoScalingGroupName="web", ScalingProcesses=[process])
    prompt.wait(200)
    assert prompt.refresh("web")["Status"] == "Successful"


def test_refreshes_are_kept_for_six_weeks_and_paged(prompt: World) -> None:
    """DescribeInstanceRefreshes goes back six weeks, newest first, in pages."""
    fleet = made(prompt)
    ids = [prompt.start(fleet, 1, SkipMatching=True) for _ in range(3)]
    first = prompt.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web", MaxRecords=2)
    rest = prompt.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web", NextToken=first["NextToken"])
    found = [refresh["InstanceRefreshId"] for page in (first, rest) for refresh in page["InstanceRefreshes"]]
    assert found == ids[::-1]
    prompt.ec2.terminate_instances(InstanceIds=[m["InstanceId"] for m in prompt.group("web")["Instances"]])
    prompt.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", DesiredCapacity=0)
    prompt.cloud.clock._now += timedelta(weeks=7)
    assert prompt.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"] == []


def test_group_of_nought(prompt: World) -> None:
    """A group without instances is refreshed at once, and saves what was desired."""
    fleet = made(prompt, 0)
    prompt.start(fleet, 2, **WARM)
    prompt.wait(10)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.group("web")["LaunchTemplate"]["Version"] == "2"


def test_mixed_policy_can_be_refreshed(prompt: World) -> None:
    """A mixed instances policy works as a desired configuration; types are compared too."""
    fleet = made(prompt)
    specification = {"LaunchTemplateId": fleet.template, "Version": "2"}
    overrides = [{"InstanceType": "m5.large"}, {"InstanceType": "m5a.large"}]
    policy: Any = {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides}}
    prompt.autoscaling.start_instance_refresh(
        AutoScalingGroupName="web", DesiredConfiguration={"MixedInstancesPolicy": policy}, Preferences=WARM
    )
    prompt.wait(300)
    assert {member["InstanceType"] for member in prompt.group("web")["Instances"]} == {"m5.large"}
    assert "MixedInstancesPolicy" in prompt.group("web")
