"""Rollouts by refresh beyond the plain roll: early ends, gates, guards, overrides, warm pools."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import proven, roll
from runs.watching import at

from pipeline.errors import ExitCode
from pipeline.model.gates import AlarmGate, ApprovalGate, CanaryGate, CanaryMetric, Gate, JudgeGate
from pipeline.model.outcomes import Outcome, Refused, RolledBack, RunResult
from pipeline.model.settings import Limits
from pipeline.model.shares import Share
from pipeline.model.strategies import Patience
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code


def ended(result: RunResult) -> Outcome | None:
    """Tell how the only fleet of a run ended."""
    return result.lanes[0].outcome


@pytest.mark.parametrize(
    ("behaviour", "said"), [("sick", "unhealthy"), ("dead", "waiting for it to run"), ("slow:3600", "not well")]
)
def test_a_bad_image_is_given_up_long_before_aws_does(make: SceneMaker, behaviour: str, said: str) -> None:
    """Minutes, not an hour; the old instances serve all the time, and the cause is told."""
    scene = make(rooms.fleet(min_healthy=75, max_healthy=100, patience=Patience(within=timedelta(minutes=5))))
    scene.world.fleet("web-prod", proven(scene, "old"), balanced=True)
    image = proven(scene, behaviour=behaviour)
    began = scene.world.cloud.clock.now()
    code, result = roll(scene, image)
    assert code is ExitCode.ROLLED_BACK
    outcome = ended(result)
    assert isinstance(outcome, RolledBack)
    assert said in outcome.reason
    assert scene.world.cloud.clock.now() - began < timedelta(minutes=20)
    assert scene.world.versions("web-prod") == ["1"] * 4


def test_launches_that_fail_end_a_refresh_with_their_cause(make: SceneMaker) -> None:
    """Auto Scaling's own words are decoded."""
    scene = make(rooms.fleet(min_healthy=75, max_healthy=100))
    scene.world.fleet("web-prod", proven(scene, "old"))
    image = proven(scene)
    text = "You have requested more vCPU capacity than your current vCPU limit of 8 allows"
    scene.world.cloud.faults.fail("ec2:RunInstances", "VcpuLimitExceeded", text, times=6)
    code, result = roll(scene, image)
    assert code is ExitCode.ROLLED_BACK
    outcome = ended(result)
    assert isinstance(outcome, RolledBack)
    assert "vCPU quota" in outcome.reason
    assert scene.world.versions("web-prod") == ["1"] * 4


def test_a_passing_lack_of_capacity_ends_nothing(make: SceneMaker) -> None:
    """Auto Scaling tries again, and the image is not to blame."""
    scene = make(rooms.fleet(min_healthy=75, max_healthy=100))
    scene.world.fleet("web-prod", proven(scene, "old"))
    image = proven(scene)
    text = "We currently do not have sufficient t3.small capacity in the Availability Zone you requested"
    scene.world.cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", text, times=3)
    code, result = roll(scene, image)
    assert code is ExitCode.DONE, result.lanes
    assert scene.world.versions("web-prod") == ["2"] * 4


def gated(make: SceneMaker, *gates: Gate, **strategy: Any) -> Scene:
    """Make a fleet with gates."""
    scene = make(replace(rooms.fleet(max_healthy=100, **strategy), gates=gates))
    scene.world.fleet("web-prod", proven(scene, "old"))
    return scene


def ring(scene: Scene, state: Any) -> None:
    """Put the alarm web-5xx into a state."""
    scene.world.cloudwatch.put_metric_alarm(
        AlarmName="web-5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1
    )
    scene.world.cloudwatch.set_alarm_state(AlarmName="web-5xx", StateValue=state, StateReason="test")


def test_a_gate_that_refuses_during_a_refresh_rolls_it_back(make: SceneMaker) -> None:
    """Half way the alarm rings: AWS is asked to roll back, and the gate is the reason."""
    scene = gated(make, AlarmGate(alarms=("web-5xx",)))
    ring(scene, "OK")
    code, result = roll(at(scene, "InProgress 50", lambda: ring(scene, "ALARM")), proven(scene))
    assert code is ExitCode.ROLLED_BACK
    assert "web-5xx is in ALARM" in str(ended(result))
    assert scene.world.versions("web-prod") == ["1"] * 4


def test_a_gate_that_refuses_after_a_refresh_goes_back_by_another(make: SceneMaker) -> None:
    """AWS can roll nothing back any more; the fleet still ends on its old image."""
    scene = gated(make, AlarmGate(alarms=("web-5xx",)))
    ring(scene, "OK")
    code, result = roll(at(scene, "Successful 100", lambda: ring(scene, "ALARM")), proven(scene))
    assert code is ExitCode.ROLLED_BACK
    assert "web-5xx" in str(ended(result))
    assert scene.world.versions("web-prod") == ["1"] * 4


def test_an_alarm_without_data_never_passes_silently(make: SceneMaker) -> None:
    """It is waited for, and then it refuses: nothing was begun."""
    scene = gated(make, AlarmGate(alarms=("web-5xx",)))
    ring(scene, "INSUFFICIENT_DATA")
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED
    assert "could not be known in time" in str(ended(result))
    assert not scene.world.cloud.calls.matching("autoscaling:StartInstanceRefresh")


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("continue", ExitCode.DONE), ("complete", ExitCode.DONE), ("abort", ExitCode.ROLLED_BACK)],
)
def test_somebody_else_judges(make: SceneMaker, tmp_path: Path, verdict: str, code: ExitCode) -> None:
    """A command's last word decides; wait would be asked again."""
    gate = JudgeGate(command=(sys.executable, "-c", f"print({verdict!r})"))
    scene = make(replace(rooms.fleet(max_healthy=100), gates=(gate,)), root=tmp_path)
    scene.world.fleet("web-prod", proven(scene, "old"))
    assert roll(scene, proven(scene))[0] is code


CPU = CanaryMetric(namespace="Web", name="Latency")


@pytest.mark.parametrize(("new_value", "code"), [(102.0, ExitCode.DONE), (250.0, ExitCode.ROLLED_BACK)])
def test_new_instances_are_compared_with_old_ones(make: SceneMaker, new_value: float, code: ExitCode) -> None:
    """Their own metric, minute by minute, old against new of the same fleet; a clear difference refuses."""
    scene = gated(make, CanaryGate(metrics=(CPU,)), soak=timedelta(minutes=15))
    publish(scene, new_value)
    scene.world.wait(900)
    assert roll(scene, proven(scene))[0] is code


def publish(scene: Scene, new_value: float) -> None:
    """Have every instance publish a metric each minute of the hours to come: new ones another value than old ones."""
    world = scene.world

    class Publisher:
        """Puts a value for each instance whenever a minute has passed."""

        def __init__(self) -> None:
            self._last = world.cloud.clock.now()

        def __call__(self) -> timedelta:
            now = world.cloud.clock.now()
            while now - self._last >= timedelta(minutes=1):
                self._last += timedelta(minutes=1)
                put_values(scene, self._last, new_value)
            return timedelta(minutes=1)

    world.cloud.clock.watch(Publisher())


def put_values(scene: Scene, moment: Any, new_value: float) -> None:
    """Put one value for every instance of the fleet."""
    noise = moment.minute % 5
    data: Any = [
        {
            "MetricName": "Latency",
            "Dimensions": [{"Name": "InstanceId", "Value": member["InstanceId"]}],
            "Timestamp": moment,
            "Value": (100.0 if member["LaunchTemplate"]["Version"] == "1" else new_value) + noise,
        }
        for member in scene.world.group("web-prod")["Instances"]
    ]
    if data:
        scene.world.cloudwatch.put_metric_data(Namespace="Web", MetricData=data)


@pytest.mark.parametrize(("reject", "code"), [(False, ExitCode.DONE), (True, ExitCode.REFUSED)])
def test_a_person_has_the_last_word_before(make: SceneMaker, code: ExitCode, *, reject: bool) -> None:
    """The run waits for its own id to be approved; a rejection refuses at once, and nothing was begun."""
    scene = gated(make, ApprovalGate(within=timedelta(hours=2)))
    image = proven(scene)
    room = scene.again()

    def answer() -> None:
        signals.approve(scene.again(), room.run, "looked at it", reject=reject)

    watched = at(replace(scene, room=room), "waiting for approval", answer).room
    plan = plans.for_roll(watched, "web-prod", image=image)
    result = apply(watched, plan)
    assert exit_code(plan, result) is code
    assert scene.world.versions("web-prod") == ["1" if reject else "2"] * 4


def test_silence_is_no_approval(make: SceneMaker) -> None:
    """The time for it ends in a refusal."""
    scene = gated(make, ApprovalGate(within=timedelta(minutes=30)))
    began = scene.world.cloud.clock.now()
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED
    assert "nobody approved it" in str(ended(result))
    assert timedelta(minutes=30) <= scene.world.cloud.clock.now() - began < timedelta(minutes=35)


def test_a_fleet_below_its_floor_is_not_rolled(make: SceneMaker) -> None:
    """Half of it is sick already: the guard refuses before a refresh takes more, whatever the plan says."""
    scene = make(rooms.fleet(min_healthy=50, max_healthy=100))
    world = scene.world
    world.fleet("web-prod", proven(scene, "old"), balanced=True, HealthCheckType="EC2")
    for member in world.group("web-prod")["Instances"][:2]:
        world.cloud.virtual.behave(member["InstanceId"], "sick")
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED
    outcome = ended(result)
    assert isinstance(outcome, Refused)
    assert "2 of 4 healthy" in outcome.reason
    assert not world.cloud.calls.matching("autoscaling:StartInstanceRefresh")


def test_a_run_touches_no_more_than_its_limits(make: SceneMaker) -> None:
    """A quarter of all instances is less than this fleet."""
    scene = make(rooms.fleet(), limits=Limits(instances=Share(value=25, percent=True)))
    scene.world.fleet("web-prod", proven(scene, "old"))
    code, _ = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED


def test_a_quota_that_is_used_up_refuses_before_anything_begins(make: SceneMaker) -> None:
    """The extra instances of the rollout would not fit."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", proven(scene, "old"))
    scene.world.cloud.set_quota("ec2", "L-1216C47A", 3)
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED
    assert "vCPUs" in str(ended(result))
    assert not scene.world.cloud.calls.matching("autoscaling:StartInstanceRefresh")


def test_subnets_without_addresses_refuse_before_anything_begins(make: SceneMaker) -> None:
    """Of sixteen addresses AWS keeps five: eight more instances do not fit beside eight."""
    scene = make(rooms.fleet(min_healthy=100, max_healthy=200))
    world = scene.world
    network = world.ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=network, CidrBlock="10.9.0.0/28", AvailabilityZone="us-east-1a")["Subnet"]
    where: Any = {"VPCZoneIdentifier": subnet["SubnetId"], "AvailabilityZones": ["us-east-1a"]}
    world.fleet("web-prod", proven(scene, "old"), size=8, **where)
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.REFUSED
    assert "8 addresses needed; the subnets of web-prod have 3 free" in str(ended(result))
    assert not world.cloud.calls.matching("autoscaling:StartInstanceRefresh")


def test_contention_is_waited_out(make: SceneMaker) -> None:
    """AWS is busy with the group for a minute: the refresh starts then, once."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", proven(scene, "old"))
    image = proven(scene)
    scene.world.cloud.faults.fail("autoscaling:StartInstanceRefresh", "ResourceContention", times=7)
    assert roll(scene, image)[0] is ExitCode.DONE
    refreshes = scene.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web-prod")
    assert len(refreshes["InstanceRefreshes"]) == 1


def test_supersede_replaces_a_refresh_that_goes_elsewhere(make: SceneMaker) -> None:
    """It is cancelled, its end is waited for, and everything ends on the image that was asked for."""
    scene = make(rooms.fleet(max_healthy=100))
    fleet = scene.world.fleet("web-prod", proven(scene, "old"))
    scene.world.start(fleet, scene.world.version(fleet.template, ImageId=proven(scene, "other")))
    scene.world.wait(30)
    assert roll(scene, proven(scene), supersede=True)[0] is ExitCode.DONE
    assert set(scene.world.versions("web-prod")) == {"3"}


@pytest.mark.parametrize("when", ["StartRefresh: done", "InProgress 50"])
def test_scaling_goes_on_during_a_roll(make: SceneMaker, when: str) -> None:
    """A size that scaling sets in the middle is the size in the end: nothing of ours writes one."""
    scene = make(rooms.fleet(max_healthy=100))
    scene.world.fleet("web-prod", proven(scene, "old"))

    def grow() -> None:
        scene.world.autoscaling.set_desired_capacity(AutoScalingGroupName="web-prod", DesiredCapacity=6)

    assert roll(at(scene, when, grow), proven(scene))[0] is ExitCode.DONE
    assert scene.world.versions("web-prod") == ["2"] * 6
    written = scene.world.cloud.calls.matching("autoscaling:UpdateAutoScalingGroup")
    assert not written


@pytest.fixture
def mixed(make: SceneMaker) -> Callable[..., Scene]:
    """Make fleets with a mixed-instances policy."""

    def made(*overrides: dict[str, Any], **strategy: Any) -> Scene:
        scene = make(rooms.fleet(max_healthy=100, **strategy))
        world = scene.world
        image = proven(scene, "old")
        template = world.template("web-prod", image)
        filled = [{**override, "ImageId": image} if "ImageId" in override else override for override in overrides]
        specification = {"LaunchTemplateId": template, "Version": "1"}
        policy: Any = {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": filled}}
        world.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="web-prod",
            MinSize=0,
            MaxSize=8,
            DesiredCapacity=4,
            AvailabilityZones=["us-east-1a", "us-east-1b"],
            MixedInstancesPolicy=policy,
        )
        world.wait(60)
        return scene

    return made


def test_every_override_survives_a_roll(mixed: Callable[..., Scene]) -> None:
    """Types, weights and images of all overrides are sent again; images are the new one's."""
    scene = mixed(
        {"InstanceType": "t3.small", "WeightedCapacity": "1", "ImageId": ""},
        {"InstanceType": "t3.large", "WeightedCapacity": "2", "ImageId": ""},
    )
    image = proven(scene)
    assert roll(scene, image)[0] is ExitCode.DONE
    overrides = scene.world.group("web-prod")["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [(one["InstanceType"], one["WeightedCapacity"], one["ImageId"]) for one in overrides] == [
        ("t3.small", "1", image),
        ("t3.large", "2", image),
    ]


def test_root_volumes_are_replaced_in_place(mixed: Callable[..., Scene]) -> None:
    """The same instances, another image; the plan is empty afterwards."""
    scene = mixed({"InstanceType": "t3.small", "ImageId": ""}, root_volume=True)
    before = {member["InstanceId"] for member in scene.world.group("web-prod")["Instances"]}
    image = proven(scene)
    assert roll(scene, image)[0] is ExitCode.DONE
    members = scene.world.group("web-prod")["Instances"]
    assert {member["InstanceId"] for member in members} == before
    assert {member["ImageId"] for member in members} == {image}
    assert plans.for_roll(scene.again(), "web-prod", image=image).empty


def test_a_warm_pool_is_rolled_with_its_group(make: SceneMaker) -> None:
    """Instances that wait to be used run the old image, too: the fleet is there when they do not any more."""
    scene = make(rooms.fleet(max_healthy=100))
    scene.world.fleet("web-prod", proven(scene, "old"))
    scene.world.autoscaling.put_warm_pool(AutoScalingGroupName="web-prod", MinSize=2, MaxGroupPreparedCapacity=6)
    scene.world.wait(300)
    image = proven(scene)
    assert roll(scene, image)[0] is ExitCode.DONE
    assert plans.for_roll(scene.again(), "web-prod", image=image).empty
    pool = scene.world.autoscaling.describe_warm_pool(AutoScalingGroupName="web-prod")["Instances"]
    assert {member["LaunchTemplate"]["Version"] for member in pool} == {"2"}


def test_a_refresh_that_takes_too_long_is_rolled_back(make: SceneMaker) -> None:
    """What nobody watches any more does not go on."""
    scene = make(rooms.fleet(timeout=timedelta(minutes=2), min_healthy=100, max_healthy=125))
    scene.world.fleet("web-prod", proven(scene, "old"), size=4)
    code, result = roll(scene, proven(scene))
    assert code is ExitCode.ROLLED_BACK
    assert "did not happen within 2m" in str(ended(result))
    assert scene.world.refresh("web-prod")["Status"] == "RollbackSuccessful"
    assert scene.world.versions("web-prod") == ["1"] * 4
